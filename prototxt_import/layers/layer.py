"""The base of all layers, and the registry that finds the class for a prototxt's `type` (Caffe: Layer, LayerRegistry).

A layer is built from its LayerParameter and the shapes of its bottoms; it owns its learnable blobs in Caffe's order
and says the shapes of its tops. What it computes it asks of `self.ops`, the engine's operations (see operations.py).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.window import Window
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.operations import Operations
from prototxt_import.share import WHOLE_BATCH, Share

Shape = tuple[int, ...]
INT_MAX = 2**31 - 1  # the most values that Caffe lets a blob have
CONVERTERS: dict[str, type["Layer"]] = {}
DATA_TYPES = ("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData")
"""Caffe's data layers that only training nets have; their shapes lie in other files."""


def register(type_name: str) -> Callable[[type["Layer"]], type["Layer"]]:
    """Class decorator: this class builds layers of `type: "<type_name>"`."""

    def add(layer_class: type["Layer"]) -> type["Layer"]:
        if type_name in CONVERTERS:
            raise KeyError(f"layer type {type_name} is registered twice")
        CONVERTERS[type_name] = layer_class
        return layer_class

    return add


def make_layer(spec: "schema.LayerParameter", bottom_shapes: list[Shape], ops: Operations) -> "Layer":
    """The layer for `spec` (Caffe: LayerRegistry::CreateLayer); InputError names an unknown type."""
    if spec.type in DATA_TYPES:
        raise InputError(
            f"layer '{spec.name}': expected a net whose inputs have shapes (a deploy prototxt with `input` or an Input "
            f"layer), found the data layer type '{spec.type}'"
        )
    if spec.type not in CONVERTERS:
        raise InputError(f"layer '{spec.name}': expected a known type, found '{spec.type}'")
    return CONVERTERS[spec.type](spec, bottom_shapes, ops)


class Layer(nn.Module):
    """One Caffe layer.

    Subclasses set `bottoms` and `tops` (allowed counts), make blobs with `add_blob` in `setup`, and define
    `top_shapes` and `forward`. `forward` takes the bottoms' tensors and returns one tensor or a tuple, one per top.
    """

    bottoms: range = range(1, 2)
    tops: range = range(1, 2)
    operations: tuple[str, ...] = ()  # those it needs that not every engine has
    threads: int = 0  # that Caffe's layer starts; each seeds a generator of its own with a draw from the net's
    random: CaffeRandom  # the net's, set by Net
    share: Share = WHOLE_BATCH  # of the batch, set by Net.share_batch

    def __init__(self, spec: "schema.LayerParameter", bottom_shapes: list[Shape], ops: Operations) -> None:
        super().__init__()
        self.spec, self.ops = spec, ops
        self.fillers: dict[str, schema.FillerParameter] = {}
        computed = ops.lacks.isdisjoint(self.operations)
        self.require(computed, "a type that this engine computes", f"one that only the fast engine does ({spec.type})")
        self._check_count("bottom", len(spec.bottom), self.bottoms)
        self._check_count("top", len(spec.top), self.tops)
        self.setup(bottom_shapes)
        self.shapes_of_tops: list[Shape] = self.top_shapes(bottom_shapes)
        for top, shape in zip(spec.top, self.shapes_of_tops, strict=True):
            self.require(all(d > 0 for d in shape), f"top '{top}' with every dimension above 0", f"shape {shape}")
            self.check_size(f"top '{top}'", shape)

    def compute(self, blobs: dict[str, Tensor]) -> None:
        """Adds the tops to the net's blobs, from which the bottoms are; one made in place takes its bottom's place."""
        tops = self(*(blobs[bottom] for bottom in self.spec.bottom))
        blobs.update(zip(self.spec.top, tops if isinstance(tops, tuple) else (tops,), strict=True))

    def setup(self, bottom_shapes: list[Shape]) -> None:
        """Reads the layer's parameters and makes its blobs (Caffe: LayerSetUp)."""

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        """Shapes of the tops (Caffe: Reshape); by default those of the first bottom."""
        return [bottom_shapes[0]] * len(self.spec.top)

    def add_blob(
        self, name: str, shape: Shape, filler: "schema.FillerParameter | None", learnable: bool = True
    ) -> None:
        """Makes the next learnable blob, as attribute `name`, to be filled by `filler` (None: left at zero)."""
        self.check_size(f"blob '{name}'", shape)
        try:
            values = torch.zeros(shape)
        except RuntimeError:  # as torch says that memory is short
            self.require(False, f"blob '{name}' to fit in memory", f"shape {tuple(shape)}")
        setattr(self, name, nn.Parameter(values, requires_grad=learnable))
        self.fillers[name] = filler if filler is not None else schema.FillerParameter()

    @property
    def blob_names(self) -> list[str]:
        """Attribute names of the blobs, in the order in which a .caffemodel stores them."""
        return list(self.fillers)

    @property
    def where(self) -> str:
        """How messages name this layer."""
        return f"layer '{self.spec.name}' ({self.spec.type})"

    def require(self, condition: bool, expected: str, found: str) -> None:
        """InputError naming this layer unless `condition` holds."""
        if not condition:
            raise InputError(f"{self.where}: expected {expected}, found {found}")

    def require_window(self, window: Window) -> None:
        """InputError unless kernel, stride and dilation are above 0 and everything fits in Caffe's int."""
        for what, sizes in (("kernel size", window.kernel), ("stride", window.stride), ("dilation", window.dilation)):
            self.require(min(sizes) > 0, f"a {what} above 0", str(sizes))
        largest = max(*window.kernel, *window.stride, *window.pad, *window.dilation)
        self.require(largest <= INT_MAX, f"kernel, stride, padding and dilation up to {INT_MAX}", str(largest))

    def axis(self, axis: int, dims: int) -> int:
        """A possibly negative axis as an index into `dims` axes (Caffe: CanonicalAxisIndex)."""
        self.require(-dims <= axis < dims, f"an axis of a {dims}-axis blob", str(axis))
        return axis % dims

    def check_size(self, what: str, shape: Shape) -> None:
        """InputError if `what` has more values than Caffe can count."""
        self.require(math.prod(shape) <= INT_MAX, f"{what} of at most {INT_MAX} values", f"shape {tuple(shape)}")

    def _check_count(self, what: str, count: int, allowed: range) -> None:
        low, high = allowed.start, allowed.stop - 1
        expected = f"{low}" if low == high else f"{low} or more" if high > 100 else f"{low} to {high}"
        self.require(count in allowed, f"{expected} {what}(s)", str(count))


ANY = range(1, 1 << 20)
"""Bottom or top counts of layers that take any number."""
