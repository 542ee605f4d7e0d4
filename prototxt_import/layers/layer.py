"""The base of all layers, and the registry that finds the class for a prototxt's `type` (Caffe: Layer, LayerRegistry).

A layer is built from its LayerParameter and the shapes of its bottoms; it owns its learnable blobs in Caffe's order
and says the shapes of its tops. What it computes it asks of `self.ops`, the engine's operations (see operations.py).
What other code must know of a type (how far it sees, how it is drawn, …) is an attribute of its class, or a property
where it depends on the layer's parameters; `Layer` has them all, with the values of one of which nothing is known.
"""

import math
from collections.abc import Callable, Collection, ValuesView
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.window import Window
from prototxt_import.files import InputError, require
from prototxt_import.formats import schema
from prototxt_import.formats.own_fields import values
from prototxt_import.operations import Operations
from prototxt_import.share import WHOLE_BATCH, Share

from .fillers import fill
from .own import PYTHON_LAYERS, check_own_fields, unknown_type

Shape = tuple[int, ...]
Channels = tuple[int, ...]
"""An order of channels: which of the former channels stands at each place."""
POINT = Window(kernel=(1, 1))
"""What a unit sees that looks at its own place only."""
INT_MAX = 2**31 - 1  # the most values that Caffe lets a blob have
LayerClass = TypeVar("LayerClass", bound=type["Layer"])
Key = TypeVar("Key", str, tuple[str, str])
CONVERTERS: dict[str, type["Layer"]] = {}
DATA_TYPES = ("Data", "ImageData", "HDF5Data", "WindowData")
"""Caffe's data layers whose shapes lie in other files; `cpm_repro.samples.data_layers` reads them."""


def register(type_name: str) -> Callable[[LayerClass], LayerClass]:
    """Class decorator: this class builds layers of `type: "<type_name>"`. ValueError if another class does; one of the
    same name, such as a notebook's cell run again makes, takes its place, and that of a fork's layer any may take."""
    return _registered_as(type_name, CONVERTERS)


def register_python(module: str, layer: str) -> Callable[[LayerClass], LayerClass]:
    """Class decorator: this class builds layers of `type: "Python"` whose python_param names that module and layer.
    Nothing is imported by these names; `self.spec.python_param.param_str` is theirs. ValueError as with `register`."""
    return _registered_as((module, layer), PYTHON_LAYERS)


def _registered_as(key: Key, classes: dict[Key, type["Layer"]]) -> Callable[[LayerClass], LayerClass]:
    def add(layer_class: LayerClass) -> LayerClass:
        before = classes.get(key)
        names = [(known.__module__, known.__qualname__) for known in (before, layer_class) if known is not None]
        if len(set(names)) > 1 and not (before is not None and before.of_a_fork):
            raise ValueError(f"layer type {key} is registered twice")
        classes[key] = layer_class
        return layer_class

    return add


def make_layer(spec: "schema.LayerParameter", bottom_shapes: list[Shape], ops: Operations) -> "Layer":
    """The layer for `spec` (Caffe: LayerRegistry::CreateLayer); InputError names an unknown type.

    A data layer whose shapes lie in its files takes its tops' in place of bottoms', which it has none of.
    """
    if spec.type in DATA_TYPES and not bottom_shapes:
        raise InputError(
            f"layer '{spec.name}': expected a net whose inputs have shapes (a deploy prototxt with `input` or an Input "
            f"layer), found the data layer type '{spec.type}'"
        )
    layer_class = _class_of(spec)
    if layer_class is None:
        raise unknown_type(spec)
    check_own_fields(spec, taken=layer_class.takes_own_fields)
    return layer_class(spec, bottom_shapes, ops)


def _class_of(spec: "schema.LayerParameter") -> type["Layer"] | None:
    python = (spec.python_param.module, spec.python_param.layer)
    return PYTHON_LAYERS.get(python) if spec.type == "Python" else CONVERTERS.get(spec.type)


def is_known(spec: "schema.LayerParameter") -> bool:
    """Whether there is a class for the layer."""
    return _class_of(spec) is not None


def automatic_tops(type_name: str) -> int:
    """How many tops a layer of that type has even if the prototxt names none."""
    return CONVERTERS[type_name].automatic_tops if type_name in CONVERTERS else 0


class Layer(nn.Module):
    """One Caffe layer.

    Subclasses set `bottoms` and `tops` (allowed counts), make blobs with `add_blob` in `setup`, and define
    `top_shapes` and `forward`. `forward` takes the bottoms' tensors and returns one tensor or a tuple, one per top.
    """

    bottoms: range = range(1, 2)
    tops: range = range(1, 2)
    traceable: bool = True
    """Whether a program traced from it does the same: not if it keeps a state, or values decide what it does."""
    drops: bool = False
    """Whether it is a dropout that is at work."""
    sizes_may_vary: bool = True
    """Whether such a program may leave sizes open."""
    takes_own_fields: bool = False
    """Whether the prototxt may have fields for it that Caffe's messages have not: see `own`."""
    of_a_fork: bool = False
    """Whether forks alone have it, which differ: then a class of the reader's own may take its place."""
    automatic_tops: int = 0
    """Tops that it makes where the prototxt names fewer: losses (Caffe: AutoTopBlobs)."""
    drawn: np.ndarray = np.zeros(0, np.uint32)
    """The numbers that it took of the net's generator when it was set up, `draws` of them."""
    is_source: bool = False
    """Whether its tops are handed to the net by its caller: Input and data layers."""
    image_by_image: bool = False
    """Whether it computes, and adds up its blobs' gradients, one image after the other: then several processes can
    share a batch."""
    pools: bool = False
    """Whether it is there to make maps smaller."""
    keeps_channels: bool = False
    """Whether channel c of the top is channel c of the bottom, worked on alike for every c but for blobs of a value per
    channel."""
    sees_backwards: bool = False
    """Whether `receptive_window` is that of the opposite layer, which makes the bottom of the top: deconvolution."""
    reads_top: bool = False
    """Whether Caffe's backward reads the top's values; so for the next."""
    reads_bottom: bool = False
    reads_signs: bool = False
    """Whether it reads no more than their signs."""
    keeps_signs: bool = False
    """Whether working in place changes no sign where a gradient passes."""
    overwrites_gradient: bool = False
    """Whether, in place, Caffe's backward puts the layer's slope where the gradient from above stands: see in_place."""
    short_name: str = ""
    """How drawings call it; empty: by its type."""
    fill: str = "white"
    """The colour of its box in drawings."""
    folded: bool = False
    """Whether the layer before does its work, in place, where no gradient is wanted: see `fold`."""
    own_name: str  # which no other layer of the net has, set by Net
    random: CaffeRandom  # the net's, set by Net
    share: Share = WHOLE_BATCH  # of the batch, set by Net.share_batch

    def __init__(self, spec: "schema.LayerParameter", bottom_shapes: list[Shape], ops: Operations) -> None:
        super().__init__()
        self.spec, self.ops = spec, ops
        self.fillers: dict[str, schema.FillerParameter] = {}
        self._reshaped: dict[str, tuple[nn.Parameter, Shape]] = {}
        self._check_count("bottom", len(spec.bottom), self.bottoms)
        self._check_count("top", len(spec.top), self.tops)
        self.bottom_names, self.top_names = tuple(spec.bottom), tuple(spec.top)  # torch.compile reads no protobuf
        self.passes_down = tuple(spec.propagate_down) or (True,) * len(spec.bottom)
        passes = len(spec.propagate_down)
        self.require(passes in (0, len(spec.bottom)), f"no propagate_down or {len(spec.bottom)}", str(passes))
        self.setup(bottom_shapes)
        self.shapes_of_tops: list[Shape] = self.top_shapes(bottom_shapes)
        for top, shape in zip(spec.top, self.shapes_of_tops, strict=True):
            self.require(all(d > 0 for d in shape), f"top '{top}' with every dimension above 0", f"shape {shape}")
            self.check_size(f"top '{top}'", shape)

    def compute(self, blobs: dict[str, Tensor], pooled: Collection[str] = ()) -> None:
        """Adds the tops to the net's blobs, from which the bottoms are; one made in place takes its bottom's place.

        pooled: blobs that, between a layer and the pooling folded into it, hold what is pooled already: see `fold`."""
        if self.folded and not torch.is_grad_enabled():
            return
        tops = self(*self._bottoms(blobs))
        blobs.update(zip(self.top_names, tops if isinstance(tops, tuple) else (tops,), strict=True))

    def _bottoms(self, blobs: dict[str, Tensor]) -> list[Tensor]:
        """Those with `propagate_down: false` get no gradient from here."""
        bottoms = [blobs[bottom] for bottom in self.bottom_names]
        return [x if passes else x.detach() for x, passes in zip(bottoms, self.passes_down, strict=True)]

    @property
    def own(self) -> dict[str, Any]:
        """The fields of the prototxt that Caffe's messages have not, by name: `my_param { gain: 2 }` is
        {"my_param": {"gain": 2}}."""
        return {field.name: values(field.text, f"{self.where}: {field.name}") for field in self.spec.own_param}

    def setup(self, bottom_shapes: list[Shape]) -> None:
        """Reads the layer's parameters and makes its blobs (Caffe: LayerSetUp)."""

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        """Shapes of the tops (Caffe: Reshape); by default those of the first bottom."""
        return [bottom_shapes[0]] * len(self.spec.top)

    @property
    def repeatable(self) -> bool:
        """Whether forward may be done again in backward: not where it draws random numbers, changes its blobs, or adds
        up over processes."""
        return True

    @property
    def recordable(self) -> bool:
        """Whether forward does nothing but launch kernels, the same each time: then a CUDA graph can replay it."""
        return False

    @property
    def differs_in_place(self) -> bool:
        """Whether Caffe's gradient is another in place than with a top of its own."""
        return False

    @property
    def rectifies(self) -> bool:
        """Whether it computes max(x, 0)."""
        return False

    @property
    def max_window(self) -> Window | None:
        """Of which the top is the maximum, channel by channel, if that is all that it does."""
        return None

    @property
    def watched(self) -> bool:
        """Whether somebody sees what `forward` takes and gives, or has put another in its place."""
        return bool(self._forward_hooks or self._forward_pre_hooks or "forward" in vars(self))

    @property
    def receptive_window(self) -> Window | None:
        """What a unit of a top sees of the bottoms around its place; None: everything, or the top is no map."""
        return None

    def seen_by(self, top: int) -> list[str]:
        """The bottoms whose values the top of that index is made of."""
        return list(self.spec.bottom)

    def flop(self, bottom_shapes: list[Shape]) -> int:
        """Multiplications and additions of its weights, one each; 0 where that is little."""
        return 0

    @property
    def draws(self) -> int:
        """How many numbers of the net's generator Caffe's layer takes when it is set up, to seed generators of its own:
        those of its threads, its shuffling and its cropping."""
        return 0

    def forget(self) -> None:
        """Puts back the state that forward carries on from batch to batch, if there is one, to that of a new net."""

    def fold(self, after: "Layer") -> bool:
        """Takes over, where no gradient is wanted, what the layer after it does to its tops: whether it can. What is
        not done in place, a pooling, it does in those passes only that do not want its own top."""
        return False

    def reorder(self, order: Channels) -> tuple[dict[str, Tensor], list[Channels]]:
        """For a bottom whose channels come in another order: the blobs, by name, with which the layer computes what it
        did before, and the order of each top's channels. InputError if there are no such blobs."""
        expected = "a convolution or a layer without weights on the image, to swap red and blue"
        self.require(self.keeps_channels and len(self.spec.bottom) == 1, expected, self.spec.type)
        blobs = {name: getattr(self, name).detach() for name in self.blob_names}
        by_channel = {name: blob for name, blob in blobs.items() if tuple(blob.shape) == (len(order),)}
        return {name: blob[list(order)] for name, blob in by_channel.items()}, [order] * len(self.spec.top)

    def add_blob(
        self, name: str, shape: Shape, filler: "schema.FillerParameter | None", learnable: bool = True
    ) -> None:
        """Makes the next learnable blob, as attribute `name`, to be filled by `filler` (None: left at zero). It is a
        shape without memory until the net allocates it (see Net.allocate)."""
        self.check_size(f"blob '{name}'", shape)
        setattr(self, name, nn.Parameter(torch.empty(shape, device="meta"), requires_grad=learnable))
        self.fillers[name] = filler if filler is not None else schema.FillerParameter()

    def fill_blobs(self, random: CaffeRandom, own: Collection[str]) -> None:
        """First values for its blobs, drawn in their order (Caffe: LayerSetUp); those that are not its `own` are drawn
        into nothing: Caffe makes a layer's blobs before it shares them."""
        for name in self.blob_names:
            blob = getattr(self, name)
            fill(blob if name in own else torch.empty_like(blob), self.fillers[name], random, self.where)

    def owner(self, name: str) -> nn.Parameter:
        """The parameter that holds a blob's values: another layer's where the two share it."""
        return self._reshaped[name][0] if name in self._reshaped else getattr(self, name)

    def take(self, name: str, parameter: nn.Parameter) -> None:
        """A blob is that parameter from now on. If its shape is another, as `share_mode: PERMISSIVE` allows, the layer
        sees its values in the blob's shape."""
        shape = tuple(getattr(self, name).shape)
        if tuple(parameter.shape) == shape:
            setattr(self, name, parameter)
        else:
            self._parameters.pop(name, None)
            self._reshaped[name] = (parameter, shape)

    def __getattr__(self, name: str) -> Any:
        reshaped = self.__dict__.get("_reshaped", {})
        if name not in reshaped:
            return super().__getattr__(name)
        parameter, shape = reshaped[name]
        blob = parameter.reshape(shape)
        blob.owner = parameter  # the exact engine adds gradients there
        return blob

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
        require(self.where, condition, expected, found)

    def require_maps(self, shape: Shape) -> None:
        """InputError unless a bottom's shape is that of maps."""
        self.require(len(shape) == 4, "an N x C x H x W bottom", str(shape))

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


class Layers(nn.ModuleDict):
    """A net's layers by their keys in its state_dict, in its order; to a type checker each is a Layer."""

    def __getitem__(self, key: str) -> Layer:
        return cast(Layer, super().__getitem__(key))

    def values(self) -> ValuesView[Layer]:
        """The layers, from the first to the last."""
        return cast(ValuesView[Layer], super().values())


class NeuronLayer(Layer):
    """One blob in, one of the same shape out, value by value (Caffe: NeuronLayer)."""

    image_by_image = True
    keeps_channels = True
    receptive_window = POINT


ANY = range(1, 1 << 20)
"""Bottom or top counts of layers that take any number."""
