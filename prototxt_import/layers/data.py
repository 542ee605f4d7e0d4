"""Layers whose tops come from outside: Input, and CPMData, the original fork's data layer.

Here they only say the shapes; the caller of `Net` hands in the blobs. CPMData's batches are made by
`cpm_repro.samples.data_layer`.
"""

from .layer import ANY, Layer, Shape, register


class Source(Layer):
    """A layer without bottoms; the net takes its tops as inputs."""

    bottoms = range(0, 1)
    tops = ANY
    is_source = True
    fill = "#f6f6f6"


@register("Input")
class Input(Source):
    """Blobs of the shapes in `input_param`."""

    recordable = True

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shapes = [tuple(shape.dim) for shape in self.spec.input_param.shape]
        count = len(self.spec.top)
        self.require(len(shapes) in (1, count), f"one shape or {count}", str(len(shapes)))
        return shapes * count if len(shapes) == 1 else shapes


@register("CPMData")
class CPMData(Source):
    """data N×4×crop_y×crop_x (B, G, R, centre map) and label N×2(P+1)×(crop_y/stride)×(crop_x/stride).

    Without put_gaussian there is no centre map.
    """

    tops = range(1, 3)
    image_by_image = True
    threads = 2  # one reads the LMDB, one transforms

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        transform = self.spec.transform_param
        source = self.spec.cpmdata_param if self.spec.HasField("cpmdata_param") else self.spec.data_param
        self.require(source.batch_size > 0, "a batch_size above 0", str(source.batch_size))
        self.require(transform.stride >= 1, "a stride of 1 or more", str(transform.stride))
        height, width, stride = transform.crop_size_y, transform.crop_size_x, int(transform.stride)
        maps = 2 * (transform.num_parts + 1)
        data = (source.batch_size, 4 if transform.put_gaussian else 3, height, width)
        return [data, (source.batch_size, maps, height // stride, width // stride)][: len(self.spec.top)]
