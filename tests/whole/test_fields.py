"""No field of a message is ignored without a word: code reads it, or refuses it, or it stands here with a reason.

What counts as read: an attribute, or a string of that name, in the code that has to do with the message.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.message import Message

from cpm_repro.samples import data_layers
from prototxt_import.formats import schema
from prototxt_import.layers.layer import CONVERTERS, DATA_TYPES
from prototxt_import.net import Net  # noqa: F401  it registers all types
from tests.tool import ROOT

ENGINE = "which library computes; here --engine says so"
PRINTS = "prints values as they are computed, and changes none"
ASIDE = "files and windows beside the net, whose blobs are the same"
PRECISION = "single precision here: half's roundings are another's, float's the same"
UNUSED = "the original's data layer does nothing with it"
HARMLESS = {
    **{
        f"AugmentationParameter.{name}": "nothing is augmented" for name in ("augment_during_test", "max_multiplier")
    },
    "BBoxRegParameter.cls_aware": "FrcnnOutput alone asks for it",
    "BNParameter.engine": ENGINE,
    **{f"{name}Parameter.engine": ENGINE for name in ("BatchNorm", "Concat", "Eltwise", "InnerProduct")},
    "BlobProto.double_diff": "nobody asks a stored blob for its gradient",
    "BlobProto.raw_diff": "nobody asks a stored blob for its gradient",
    "BlobProto.raw_diff_type": "nobody asks a stored blob for its gradient",
    "ConvolutionParameter.engine": ENGINE,
    **{f"ConvolutionParameter.{name}": "upgraded to dilation" for name in ("hole", "hole_h", "hole_w")},
    **{
        f"{message}.{name}": "upgraded to kernel_size, pad and stride"
        for message in ("ConvolutionParameter", "PoolingParameter")
        for name in ("kernel_depth", "temporal_pad", "temporal_stride")
    },
    "ConvolutionParameter.conv_algos_override": ENGINE,
    "ConvolutionParameter.force_nd_im2col": "the same sums by another way",
    "CPMDataParameter.lbl_source": UNUSED,
    "CPMDataParameter.prefetch": UNUSED,
    "DataParameter.force_encoded_color": UNUSED,
    "DataParameter.prefetch": "how many batches wait",
    **{f"DataParameter.{name}": UNUSED for name in ("crop_size", "mean_file", "mirror", "scale")},
    **{f"ImageDataParameter.{name}": UNUSED for name in ("crop_size", "mean_file", "mirror", "scale")},
    "Datum.float_data": "a Datum without bytes is refused",
    **{
        f"DetectionOutputParameter.{name}": ASIDE
        for name in ("save_file", "save_output_param", "visualize", "visualize_threshold")
    },
    "DeformableConvolutionParameter.engine": ENGINE,
    **{
        f"DeformableConvolutionParameter.{name}": "read where ConvolutionParameter's is"
        for name in ("kernel_size", "kernel_h", "kernel_w", "pad_h", "pad_w", "stride_h", "stride_w")
    },
    "DeformableConvolutionParameter.force_nd_im2col": "the same sums by another way",
    "LRNParameter.engine": ENGINE,
    "LayerParameter.cudnn_math_override": ENGINE,
    **{
        f"{message}{way}_{kind}": PRECISION
        for message in ("LayerParameter.", "NetParameter.default_")
        for way in ("forward", "backward")
        for kind in ("type", "math")
    },
    "LayerParameter.reshape_every_iter": "when sizes are asked for anew",
    "LayerParameter.sigmoid_param": ENGINE,
    "LayerParameter.tanh_param": ENGINE,
    "MultiBoxLossParameter.use_prior_for_nms": "nms_param is refused",
    "MultiStageMeanfieldParameter.compatibility_mode": "there is one; others are refused by their names",
    "MultiStageMeanfieldParameter.force_cpu": ENGINE,
    "MultiStageMeanfieldParameter.threshold": "its own Caffe does nothing with it",
    "NetParameter.default_conv_algos_override": ENGINE,
    "NetParameter.default_cudnn_math_override": ENGINE,
    "NetParameter.force_backward": "an input that asks for a gradient gets it",
    "NetParameter.reduce_buckets": "when several cards exchange gradients, not which",
    "PoolingParameter.engine": ENGINE,
    "PythonParameter.param_str": "the class that is registered reads it",
    "PythonParameter.share_in_parallel": "whether Caffe's threads take turns",
    "ReLUParameter.engine": ENGINE,
    "RecurrentParameter.debug_info": PRINTS,
    "SPPParameter.engine": ENGINE,
    **{
        f"{message.__name__}.{field.name}": ASIDE
        for message in (schema.SaveOutputParameter, schema.ResizeParameter)
        for field in message.DESCRIPTOR.fields
    },
    "SoftmaxParameter.engine": ENGINE,
    "SolverParameter.device_id": "--device says where",
    "SolverParameter.layer_wise_reduce": "when several cards exchange gradients, not which",
    "SolverParameter.solver_data_type": PRECISION,
    "SolverParameter.solver_mode": "--device says where",
    **{
        f"TransformationParameter.{name}": UNUSED
        for name in (
            "bbox_norm_factor", "coverage", "img_header", "max_cvg_len", "min_cvg_len", "opaque_coverage", "scale_cvg",
            "visualize", "visualize_label",
        )
    },
    "YoloDetectionOutputParameter.label_map_file": ASIDE,
    "YoloDetectionOutputParameter.side": "the map says it",
}  # fmt: skip
UPGRADED = {"V0LayerParameter", "V1LayerParameter"}
"""Field by field, by name, into LayerParameter; what has no place there is refused (see upgrade_v0)."""
MESSAGES = {
    name: value
    for name, value in vars(schema).items()
    if isinstance(value, type) and issubclass(value, Message) and value.DESCRIPTOR.file.package == "caffe"
}
SOURCES = sorted(
    path
    for folder in ("prototxt_import", "data_lmdb", "cpm_repro/samples", "cpm_repro/training")
    for path in (ROOT / folder).rglob("*.py")
)


@cache
def names_in(path: Path) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    """Attributes and strings of a module's code, and patterns of its f-strings that build names, such as `{side}_h`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    names, patterns = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            names.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in node.values]
            if re.fullmatch(r"(\\w\+)?_[a-z]+|[a-z]+_(\\w\+)?", "".join(parts)):
                patterns.append(re.compile("".join(parts)))
    return frozenset(names), tuple(patterns)


def fields_that_hold(message: str) -> set[str]:
    """The `…_param` of that type in LayerParameter."""
    fields = [field for field in schema.LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param")]
    return {field.name for field in fields if field.message_type and field.message_type.name == message}


def sources_of(message: str) -> list[Path]:
    """The modules that may read a message: of a layer's parameters, those of layers and samples that name it."""
    holders = fields_that_hold(message)
    if not holders:
        return SOURCES
    places = ("prototxt_import/layers", "cpm_repro/samples")
    own = [path for path in SOURCES if path.relative_to(ROOT).as_posix().startswith(places)]
    return [path for path in own if holders & names_in(path)[0]]


def in_use(message: str) -> bool:
    """Whether layers that are not refused by their type have it, or it is no layer's."""
    if holders := fields_that_hold(message):
        return bool(sources_of(message)) and not all(of_files_that_nobody_reads(holder) for holder in holders)
    holders = [name for name in MESSAGES if any(f.message_type and f.message_type.name == message
                                                for f in MESSAGES[name].DESCRIPTOR.fields)]  # fmt: skip
    return not holders or any(name in ("NetParameter", "LayerParameter") or in_use(name) for name in holders)


def is_read(message: str, field: str) -> bool:
    for path in sources_of(message):
        names, patterns = names_in(path)
        if field in names or any(pattern.fullmatch(field) for pattern in patterns):
            return True
    return False


def of_files_that_nobody_reads(field: str) -> bool:
    """Whether a `…_param` is of a data layer that no run can open."""
    types = {name.lower() for name in set(DATA_TYPES) - set(data_layers._TYPES)}
    return field.removesuffix("_param").replace("_", "") in types and field != "data_param"  # which CPMData takes


def of_an_unknown_type(field: str) -> bool:
    """Whether a `…_param` is of a type that is refused by name."""
    types = {name.lower() for name in CONVERTERS}
    return field.endswith("_param") and field.removesuffix("_param").replace("_", "") not in types


@pytest.mark.parametrize("message", sorted(MESSAGES.keys() - UPGRADED))
def test_every_field_is_read_or_harmless(message: str) -> None:
    if not in_use(message):
        pytest.skip("no layer that is known has it")
    fields = [field.name for field in MESSAGES[message].DESCRIPTOR.fields]
    unread = [name for name in fields if f"{message}.{name}" not in HARMLESS and not is_read(message, name)]
    if message == "LayerParameter":
        unread = [name for name in unread if not of_an_unknown_type(name)]
    assert not unread, f"{message}: read these, refuse them by name, or say why they do no harm: {unread}"


def test_the_list_names_fields() -> None:
    for place in HARMLESS:
        message, field = place.split(".")
        assert field in MESSAGES[message].DESCRIPTOR.fields_by_name


def test_a_field_that_nobody_reads_is_found() -> None:
    assert not is_read("PoolingParameter", "engine") and is_read("PoolingParameter", "kernel_h")
    assert not is_read("ReLUParameter", "axis") and is_read("SoftmaxParameter", "axis")
