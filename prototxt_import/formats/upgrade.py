"""Brings old nets to today's form: V0 and V1 `layers` to `layer`, `input` fields to an Input layer (Caffe:
upgrade_proto).
"""

from collections.abc import Sequence

from prototxt_import.files import InputError

from . import schema
from .upgrade_v0 import is_v0, upgrade_v0_net

# V1 named layer types by an enum; where the V2 name is not simply its words joined, it stands here.
_V2_TYPES = {
    "ABSVAL": "AbsVal", "ARGMAX": "ArgMax", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output",
    "IM2COL": "Im2col", "LRN": "LRN", "MVN": "MVN", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH", "BN": "BN", "ELU": "ELU", "PRELU": "PReLU", "PSROI_POOLING": "PSROIPooling",
    "ROI_POOLING": "ROIPooling", "SMOOTH_L1_LOSS": "SmoothL1Loss",
    "LRN_MAP": "LRN", "CONVOLUTION3D": "Convolution3D", "DECONVOLUTION3D": "Deconvolution3D", "POOLING3D": "Pooling3D",
}  # fmt: skip
_TRANSFORMED = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}
_OVER_TIME = ("kernel_depth", "temporal_pad", "temporal_stride")
_SAME_IN_BOTH = ("name", "bottom", "top", "include", "exclude", "blobs", "loss_weight", "own_param")


def upgrade_net(net: schema.NetParameter, where: str, weights: bool = False) -> schema.NetParameter:
    """The net itself, with V0 or V1 layers and legacy inputs upgraded in place; a mix of V1 and V2 is an error.

    weights: what a file of weights says beside names and blobs may be incomplete, for nobody reads it: layers without
    a type, inputs without shapes.
    """
    if net.layers and net.layer:
        raise InputError(f"{where}: expected either `layers` (V1) or `layer` (V2), found both")
    if is_v0(net):
        upgrade_v0_net(net, where)
    for old in net.layers:
        _upgrade_layer(old, net.layer.add(), where, weights)
    net.ClearField("layers")
    _upgrade_batch_norm(net)
    _upgrade_holes(net, where)
    _upgrade_volumes(net, where)
    if net.input and not (weights and _shapes_missing(net)):
        _upgrade_input(net, where)
    return net


def _upgrade_layer(old: schema.V1LayerParameter, new: schema.LayerParameter, where: str, weights: bool) -> None:
    for field, value in old.ListFields():
        if field.name in _SAME_IN_BOTH:
            target = getattr(new, field.name)
            target.MergeFrom(value) if hasattr(target, "MergeFrom") else setattr(new, field.name, value)
        elif field.name.endswith("_param"):
            getattr(new, field.name).CopyFrom(value)
    if old.HasField("type"):
        new.type = type_of(schema.V1LayerParameter.LayerType.Name(old.type))
    elif named := [field.text for field in old.own_param if field.name == "type"]:
        new.type = type_of(named[0])
        del new.own_param[:]
        new.own_param.extend(field for field in old.own_param if field.name != "type")
        if named[0] == "LRN_MAP":  # before LRN had regions, that within a channel was a layer of its own
            new.lrn_param.norm_region = new.lrn_param.WITHIN_CHANNEL
    elif not weights:
        raise InputError(f"{where}: layer '{old.name}': expected a known V1 type, found none")
    if new.type == "Crop":
        new.crop_param.align = True  # BVLC's Crop, which does otherwise, was never among V1's
    _upgrade_param_specs(old, new)
    _upgrade_transformation(new)


def type_of(v1: str) -> str:
    """V2's name of a V1 type; the forks that still had V1's called theirs in the same way."""
    return _V2_TYPES.get(v1) or "".join(word.capitalize() for word in v1.split("_"))


def _upgrade_transformation(layer: schema.LayerParameter) -> None:
    """What V1's data layers said of their pictures goes to `transform_param`; V2's layers ignore it there."""
    if layer.type not in _TRANSFORMED:
        return
    param = getattr(layer, _TRANSFORMED[layer.type])
    for name in ("scale", "mean_file", "crop_size", "mirror"):
        if param.HasField(name):
            setattr(layer.transform_param, name, getattr(param, name))
            param.ClearField(name)


def _upgrade_param_specs(old: schema.V1LayerParameter, new: schema.LayerParameter) -> None:
    """V1's parallel lists (param names, share modes, blobs_lr, weight_decay) become one ParamSpec per blob."""
    lists: dict[str, Sequence[str | int | float]] = {
        "name": old.param,
        "share_mode": old.blob_share_mode,
        "lr_mult": old.blobs_lr,
        "decay_mult": old.weight_decay,
    }
    for _ in range(max(len(values) for values in lists.values())):
        new.param.add()
    for field, values in lists.items():
        for spec, value in zip(new.param, values, strict=False):
            setattr(spec, field, value)


def _upgrade_batch_norm(net: schema.NetParameter) -> None:
    """Old BatchNorm layers had to have three `param` with lr_mult 0. Caffe drops them, and their names: layers do not
    share their statistics."""
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            del layer.param[:]


def _upgrade_holes(net: schema.NetParameter, where: str) -> None:
    """What DeepLab's Caffe calls a hole is Caffe's dilation; PSPNet's had a type of its own for it at first."""
    for layer in net.layer:
        p = layer.convolution_param
        if layer.type == "HoleConvolution":
            layer.type = "Convolution"
        both = p.HasField("hole_h") or p.HasField("hole_w")
        if not both and not p.HasField("hole"):
            continue
        if p.dilation:
            raise InputError(f"{where}: layer '{layer.name}': expected either dilation or hole, found both")
        p.dilation.extend([p.hole_h or 1, p.hole_w or 1] if both else [p.hole])
        for field in ("hole", "hole_h", "hole_w"):
            p.ClearField(field)


def _upgrade_volumes(net: schema.NetParameter, where: str) -> None:
    """C3D's layers over time, rows and columns are Caffe's own with three sizes each; the bottoms are (N, C, time,
    rows, columns) in both."""
    for layer in net.layer:
        p = layer.pooling_param if layer.type in ("Pooling", "Pooling3D") else layer.convolution_param
        if layer.type not in ("Convolution3D", "Deconvolution3D", "Pooling3D"):
            found = [field.name for field, _ in p.ListFields() if field.name in _OVER_TIME]
            if found:
                raise InputError(
                    f"{where}: layer '{layer.name}' ({layer.type}): expected {found[0]} in C3D's Convolution3D, "
                    "Deconvolution3D and Pooling3D only"
                )
            continue
        layer.type = layer.type.removesuffix("3D")
        for field, over_time, default in (
            (p.kernel_size, "kernel_depth", 1),
            (p.stride, "temporal_stride", 1),
            (p.pad, "temporal_pad", 0),
        ):
            if len(field) > 1:
                raise InputError(
                    f"{where}: layer '{layer.name}': expected one size for rows and columns, found {field}"
                )
            size = field[0] if field else default
            in_time = getattr(p, over_time) if p.HasField(over_time) else default
            field[:] = [in_time, size, size]
            p.ClearField(over_time)


def _shapes_missing(net: schema.NetParameter) -> bool:
    return len(net.input_shape) + len(net.input_dim) // 4 < len(net.input)


def _upgrade_input(net: schema.NetParameter, where: str) -> None:
    """`input` with `input_shape` or four `input_dim` each becomes one Input layer named "input", at the front."""
    if net.input_shape and net.input_dim:  # which input has which, no field says
        raise InputError(f"{where}: expected either `input_shape` or `input_dim`, found both")
    shapes = [list(shape.dim) for shape in net.input_shape]
    shapes += [list(net.input_dim[first : first + 4]) for first in range(0, len(net.input_dim), 4)]
    if empty := [name for name, shape in zip(net.input, shapes, strict=False) if not shape]:
        raise InputError(
            f"{where}: expected `input_shape` with the dimensions of input '{empty[0]}', found an empty one "
            f"(--input-shape {empty[0]}=N,C,H,W says it)"
        )
    if len(shapes) != len(net.input) or len(net.input_dim) % 4:
        raise InputError(
            f"{where}: expected one `input_shape` or 4 `input_dim` for each of {len(net.input)} inputs, "
            f"found {len(net.input_shape)} `input_shape` and {len(net.input_dim)} `input_dim` "
            f"({' '.join(f'--input-shape {name}=N,C,H,W' for name in net.input)} says it)"
        )
    layers = list(net.layer)
    del net.layer[:]
    layer = net.layer.add(name="input", type="Input", top=net.input)
    for shape in shapes:
        layer.input_param.shape.add(dim=shape)
    net.layer.extend(layers)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)
