"""Caffe nets put together layer by layer, in the release's manner: names, lr_mult, paddings that keep the size."""

from prototxt_import.formats import schema


class Builder:
    """Appends layers to a NetParameter; `lr` is the lr_mult of the weights, biases get twice that and no decay."""

    def __init__(self, filler: str = "gaussian", filler_std: float = 0.01) -> None:
        self.net = schema.NetParameter()
        self.filler, self.filler_std = filler, filler_std

    def input(self, name: str, shape: tuple[int, ...]) -> None:
        self.net.input.append(name)
        self.net.input_shape.add(dim=shape)

    def layer(
        self, name: str, type_name: str, bottoms: list[str], tops: list[str] | None = None
    ) -> schema.LayerParameter:
        return self.net.layer.add(name=name, type=type_name, bottom=bottoms, top=tops or [name])

    def slice(self, name: str, bottom: str, tops: list[str], point: int) -> None:
        parameter = self.layer(name, "Slice", [bottom], tops).slice_param
        parameter.axis = 1
        parameter.slice_point.append(point)

    def pool(self, name: str, bottom: str, kernel: int, stride: int, method: str = "MAX") -> str:
        parameter = self.layer(name, "Pooling", [bottom]).pooling_param
        parameter.pool = getattr(parameter, method)
        parameter.kernel_size.append(kernel)
        parameter.stride.append(stride)
        return name

    def convolution(
        self,
        name: str,
        bottom: str,
        outputs: int,
        kernel: int,
        lr: float,
        relu: str | None = None,
        bias: bool = True,
        stride: int = 1,
        dilation: int = 1,
    ) -> str:
        layer = self.layer(name, "Convolution", [bottom])
        layer.param.add(lr_mult=lr, decay_mult=1)
        parameter = layer.convolution_param
        parameter.num_output = outputs
        parameter.kernel_size.append(kernel)
        parameter.pad.append(dilation * (kernel // 2))
        if stride > 1:
            parameter.stride.append(stride)
        if dilation > 1:
            parameter.dilation.append(dilation)
        parameter.weight_filler.type = self.filler
        if self.filler == "gaussian":
            parameter.weight_filler.std = self.filler_std
        if bias:
            layer.param.add(lr_mult=2 * lr, decay_mult=0)
            parameter.bias_filler.type = "constant"
        else:
            parameter.bias_term = False
        return self.relu(relu, name) if relu else name

    def relu(self, name: str, blob: str) -> str:
        """A ReLU in place."""
        self.layer(name, "ReLU", [blob], [blob])
        return blob

    def concat(self, stage: int, bottoms: list[str]) -> str:
        name = f"concat_stage{stage}"
        self.layer(name, "Concat", bottoms).concat_param.axis = 1
        return name

    def split_input(self, stride: int = 8) -> None:
        """`data` becomes the image and the centre map, which is pooled to the size of the belief maps."""
        self.slice("image", "data", ["image", "center_map"], 3)
        self.pool("pool_center_lower", "center_map", stride + 1, stride, "AVE")

    def data(self, source: str, batch: int, transform: schema.TransformationParameter, parts: int) -> None:
        """A CPMData layer; its labels become everybody's (`label_1st_lower`) and the centred person's."""
        data = self.layer("data", "CPMData", [], ["data", "label"])
        data.cpmdata_param.source, data.cpmdata_param.batch_size = source, batch
        data.cpmdata_param.backend = data.cpmdata_param.LMDB
        data.transform_param.CopyFrom(transform)
        self.slice("vec_label", "label", ["label_lower", "label_1st_lower"], parts + 1)

    def person_data(self, source: str, batch: int, transform: schema.TransformationParameter, parts: int) -> None:
        """What a person detector learns from: `image`, and as its label `pool_center_lower`, what a pose network is
        given as centre map. The joints' labels are not used.

        The transformation must move people out of the middle (`center_perterb_max`). Without
        `all_centers` its label holds the centre of the record's own person only: the pictures should show no others.
        """
        self.data(source, batch, transform, parts)
        self.split_input()
        self.layer("unused", "Silence", ["label_lower", "label_1st_lower"], []).ClearField("top")

    def euclidean_loss(self, stage: int, maps: str, label: str) -> None:
        self.layer(f"loss_stage{stage}", "EuclideanLoss", [maps, label])


def silence_unread(net: schema.NetParameter) -> schema.NetParameter:
    """The net, with a Silence layer for labels and centre maps that no layer reads: a training log would print every
    value of them."""
    read = {bottom for layer in net.layer for bottom in layer.bottom}
    unread = [top for layer in net.layer if layer.type in ("Slice", "Pooling") for top in layer.top if top not in read]
    silence = [layer for layer in net.layer if layer.type == "Silence"]
    if unread and silence:
        silence[0].bottom.extend(unread)
    elif unread:
        net.layer.add(name="unused", type="Silence", bottom=unread)
    return net
