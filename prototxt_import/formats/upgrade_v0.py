"""Brings V0 nets (2013: `layers { layer { type: "conv" kernelsize: 3 } bottom: … }`) to V2 `layer`s
(Caffe: UpgradeV0Net, UpgradeV0PaddingLayers).
"""

from typing import Any

from google.protobuf import text_format

from prototxt_import.files import InputError

from . import schema

_DATA = {
    "source": "source", "scale": "scale", "meanfile": "mean_file", "batchsize": "batch_size", "cropsize": "crop_size",
    "mirror": "mirror", "rand_skip": "rand_skip",
}  # fmt: skip
_FILLERS = {"weight_filler": "weight_filler", "bias_filler": "bias_filler"}
_WINDOW = {"pad": "pad", "kernelsize": "kernel_size", "stride": "stride"}

_FIELDS: dict[str, tuple[str, str, dict[str, str]]] = {
    "accuracy": ("Accuracy", "", {}),
    "bnll": ("BNLL", "", {}),
    "concat": ("Concat", "concat_param", {"concat_dim": "concat_dim"}),
    "conv": (
        "Convolution",
        "convolution_param",
        {"num_output": "num_output", "biasterm": "bias_term", "group": "group", **_WINDOW, **_FILLERS},
    ),
    "data": ("Data", "data_param", _DATA),
    "dropout": ("Dropout", "dropout_param", {"dropout_ratio": "dropout_ratio"}),
    "euclidean_loss": ("EuclideanLoss", "", {}),
    "flatten": ("Flatten", "", {}),
    "hdf5_data": ("HDF5Data", "hdf5_data_param", {"source": "source", "batchsize": "batch_size"}),
    "hdf5_output": ("HDF5Output", "", {}),
    "im2col": ("Im2col", "convolution_param", _WINDOW),
    "images": (
        "ImageData",
        "image_data_param",
        {**_DATA, "shuffle_images": "shuffle", "new_height": "new_height", "new_width": "new_width"},
    ),
    "infogain_loss": ("InfogainLoss", "infogain_loss_param", {"source": "source"}),
    "innerproduct": (
        "InnerProduct",
        "inner_product_param",
        {"num_output": "num_output", "biasterm": "bias_term", **_FILLERS},
    ),
    "lrn": ("LRN", "lrn_param", {"local_size": "local_size", "alpha": "alpha", "beta": "beta", "k": "k"}),
    "multinomial_logistic_loss": ("MultinomialLogisticLoss", "", {}),
    "pool": ("Pooling", "pooling_param", {"pool": "pool", **_WINDOW}),
    "relu": ("ReLU", "", {}),
    "sigmoid": ("Sigmoid", "", {}),
    "softmax": ("Softmax", "", {}),
    "softmax_loss": ("SoftmaxWithLoss", "", {}),
    "split": ("Split", "", {}),
    "tanh": ("TanH", "", {}),
    "window_data": (
        "WindowData",
        "window_data_param",
        {
            **{name: new for name, new in _DATA.items() if name != "rand_skip"},
            "det_fg_threshold": "fg_threshold", "det_bg_threshold": "bg_threshold",
            "det_fg_fraction": "fg_fraction", "det_context_pad": "context_pad", "det_crop_mode": "crop_mode",
        },
    ),
}  # fmt: skip
"""By V0 type: V2 type, parameter message, and the message's field for each of V0's flat fields."""
_OF_EVERY_TYPE = {"name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param"}


def is_v0(net: schema.NetParameter) -> bool:
    """Whether any layer wraps a V0 `layer` (Caffe: NetNeedsV0ToV1Upgrade)."""
    return any(connection.HasField("layer") for connection in net.layers)


def upgrade_v0_net(net: schema.NetParameter, where: str) -> None:
    """Moves V0 `layers` to V2 `layer` in place; padding layers go into the `pad` of the layers above them."""
    padding: dict[str, tuple[str, int]] = {}  # top of a padding layer -> its bottom, pixels
    for connection in net.layers:
        old = connection.layer
        place = f"{where}: layer '{old.name}'"
        if old.type == "padding":
            padding[connection.top[0]] = (connection.bottom[0], old.pad)
            continue
        new = net.layer.add(name=old.name, bottom=connection.bottom, top=connection.top)
        new.own_param.extend(connection.own_param)
        _upgrade_fields(old, new, place)
        _take_padding(new, padding, place)
    net.ClearField("layers")


def _upgrade_fields(old: schema.V0LayerParameter, new: schema.LayerParameter, place: str) -> None:
    if old.type not in _FIELDS:
        _keep_unknown(old, new, place)
    else:
        new.type, message, names = _FIELDS[old.type]
        for field, value in _flat_fields(old):
            if field not in names:
                raise InputError(f"{place}: expected no field '{field}' in a V0 layer of type '{old.type}', found it")
            _set(getattr(new, message), names[field], value)
    new.blobs.extend(old.blobs)
    if old.HasField("hdf5_output_param"):
        new.hdf5_output_param.CopyFrom(old.hdf5_output_param)
    for index in range(max(len(old.blobs_lr), len(old.weight_decay))):
        spec = new.param.add()
        if index < len(old.blobs_lr):
            spec.lr_mult = old.blobs_lr[index]
        if index < len(old.weight_decay):
            spec.decay_mult = old.weight_decay[index]


def _keep_unknown(old: schema.V0LayerParameter, new: schema.LayerParameter, place: str) -> None:
    """A fork's layer keeps its type, for a class of the reader's own; its flat fields become fields of its own."""
    if not old.type:
        raise InputError(f'{place}: expected a V0 type such as "conv" or "pool", found none')
    new.type = old.type
    for field, value in _flat_fields(old):
        alone = schema.V0LayerParameter()
        _set(alone, field, value)
        text = text_format.MessageToString(alone, as_one_line=True)
        new.own_param.add(name=field, text=text.removeprefix(field).removeprefix(":").strip(), message="LayerParameter")


def _flat_fields(old: schema.V0LayerParameter) -> list[tuple[str, Any]]:
    return [(field.name, value) for field, value in old.ListFields() if field.name not in _OF_EVERY_TYPE]


def _set(message: object, name: str, value: object) -> None:
    target = getattr(message, name)
    if hasattr(target, "CopyFrom"):
        target.CopyFrom(value)
    elif hasattr(target, "append"):
        target.append(value)
    else:
        setattr(message, name, value)


def _take_padding(new: schema.LayerParameter, padding: dict[str, tuple[str, int]], place: str) -> None:
    for index, bottom in enumerate(new.bottom):
        if bottom not in padding:
            continue
        if new.type not in ("Convolution", "Pooling"):
            raise InputError(f"{place}: expected a padding layer below conv or pool only, found '{bottom}' below it")
        new.bottom[index], pad = padding[bottom]
        parameter = new.convolution_param if new.type == "Convolution" else new.pooling_param
        parameter.ClearField("pad")
        _set(parameter, "pad", pad)
