"""The network as a torch module whose graph is the prototxt's: named blobs, in-place tops, phases, shared weights
(Caffe: net.cpp).
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn

from cpm_kernels.exact.random import CaffeRandom

from . import layers as _registered_layers  # noqa: F401  importing it registers every layer type
from .deployment import Variant, shape_hint
from .engine import make_engine
from .files import InputError, naming
from .formats import schema
from .formats.caffemodel import read_caffemodel
from .formats.prototxt import read_text
from .graph import apart, check_order, filter_net, insert_splits, left_out, names_apart
from .in_place import differentiate_as_caffe
from .layers.alignment import align
from .layers.description import check_inputs, described
from .layers.layer import Layer, Layers, Shape, automatic_tops, make_layer
from .learnable import LearnableBlob, learnable_blobs
from .operations import Operations
from .recomputation import segments
from .share import Share
from .weights import check_weights, copy_weights, matching_layers, stored_blobs

_NO_MEMORY = "can't allocate memory"  # torch has no class of error for it on the CPU


class Net(nn.Module):
    """A Caffe net.

    `net(inputs)` takes the tops of Input and data layers by name and returns every blob by name, as they stand after
    the last layer (an in-place layer's result replaces the blob it overwrote). `state_dict` keys are
    `layers.<layer>.<blob>`, e.g. `layers.conv1_stage1.weight`; a dot in a layer's name becomes `_`.

    Args:
        param: the net, V2 (see `prototxt.read_net`).
        phase: "TRAIN" or "TEST"; keeps the layers whose include/exclude rules admit it.
        engine: that the layers compute with, or its name (see `engine.py`); `net.engine` is the engine.
        seed: of the fillers, or the generator that they draw from; None leaves every blob at zero, to be loaded.
        only_shapes: leaves the blobs without memory, for their shapes to be checked before `allocate` asks for it.
        data_shapes: by layer, the tops' shapes of data layers whose files say them (see `layer.DATA_TYPES`).

    `net.trained` has what is known of its training beside its weights: `target_dist` and `sigma_center` of a pose
    machine, which testing needs. `net.own_parts` names its belief maps but the background, where a file says others
    than the release's.

    `net.random` is the one stream of Caffe's process: the fillers draw from it first, then every pass's dropout.
    """

    __call__: Callable[..., dict[str, Tensor]]  # nn.Module's, which calls `forward`

    def __init__(
        self,
        param: "schema.NetParameter",
        phase: str = "TEST",
        engine: str | Operations = "fast",
        seed: int | CaffeRandom | None = None,
        only_shapes: bool = False,
        data_shapes: Mapping[str, Sequence[Shape]] | None = None,
    ) -> None:
        super().__init__()
        filtered = filter_net(param, phase)
        check_order(filtered, partial(left_out, param, phase))
        self.param = insert_splits(filtered)
        self._where = f"net '{self.param.name}'"
        for spec in self.param.layer:
            if not spec.HasField("phase"):
                spec.phase = getattr(schema, phase)
        self.phase, self.engine = phase, make_engine(engine)
        self.trained: dict[str, float] = {}
        self.own_parts: tuple[str, ...] = ()
        self.layers = Layers()
        self.blob_shapes: dict[str, Shape] = {}
        self._automatic: list[str] = []
        self._folded_poolings: dict[str, tuple[Layer, Layer]] = {}  # by the blob between the layers
        self._make_layers(data_shapes or {})
        if self.engine.folds:
            self._fold_layers()
        differentiate_as_caffe(list(self._layers()))
        self.learnable = learnable_blobs(self._layers())
        self._arrange_blobs()
        if not only_shapes:
            self.allocate(seed)

    def allocate(self, seed: int | CaffeRandom | None = None) -> None:
        """Memory for the blobs of a net that was made of shapes only, and their first values. InputError if this
        machine has not that much."""
        _check_memory([blob.parameter for blob in self.learnable])
        made = {id(blob.parameter): _allocated(blob, self.layers[self._keys[blob.layer]]) for blob in self.learnable}
        self.learnable = [replace(blob, parameter=made[id(blob.parameter)]) for blob in self.learnable]
        for layer in self._layers():
            for name in layer.blob_names:
                layer.take(name, made[id(layer.owner(name))])
        self.random = seed if isinstance(seed, CaffeRandom) else CaffeRandom(seed or 0)
        for layer in self._layers():
            layer.random = self.random
        if seed is not None:
            self._fill()

    def _make_layers(self, data_shapes: Mapping[str, Sequence[Shape]]) -> None:
        names = names_apart(self.param)
        keys = apart([name.replace(".", "_") for name in names])  # in state_dict a dot separates modules
        self._keys = dict(zip(names, keys, strict=True))
        self._first = dict(zip(reversed([spec.name for spec in self.param.layer]), reversed(names), strict=True))
        for name, spec in zip(names, self.param.layer, strict=True):
            self._add_automatic_tops(spec)
            align(spec, self.layers.values(), self.blob_shapes)
            shapes = data_shapes.get(name, [self.blob_shapes[bottom] for bottom in spec.bottom])
            try:
                layer = make_layer(spec, list(shapes), self.engine)
            except InputError as error:
                raise InputError(f"{error}{shape_hint(spec, self.input_shapes)}") from None
            layer.own_name = name
            self.layers._modules[self._keys[name]] = layer  # not add_module: a layer may be called "forward"
            self.blob_shapes.update(zip(spec.top, layer.shapes_of_tops, strict=True))

    def _add_automatic_tops(self, spec: "schema.LayerParameter") -> None:
        """A loss whose top has no name in the prototxt gets one all the same (Net::Init, AutoTopBlobs)."""
        while len(spec.top) < automatic_tops(spec.type):
            self._automatic.append(f"(automatic {len(self._automatic) + 1})")
            spec.top.append(self._automatic[-1])

    def _arrange_blobs(self) -> None:
        """Those of four axes: on a card in the engine's memory order, as torch's kernels want them there; on a CPU as
        Caffe has them, for FFTs take weights tap by tap, and torch's own kernels arrange them anew in any case."""
        for blob in self.learnable:
            order = self.engine.memory_format if blob.parameter.is_cuda else torch.contiguous_format
            if blob.parameter.dim() == 4:
                blob.parameter.data = blob.parameter.data.contiguous(memory_format=order)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Net":
        """What `to` does to every blob."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's
        self._arrange_blobs()
        return self

    def _fold_layers(self) -> None:
        """Where layers follow one in place, or a pooling takes its top, the engine may do all in one pass over it.
        Nobody else takes that top: it would go through a Split."""
        first = None
        for layer in self._layers():
            if first is None or layer.bottom_names != first.top_names or not first.fold(layer):
                first = layer
            elif layer.top_names != first.top_names:
                self._folded_poolings[layer.bottom_names[0]] = first, layer

    def _fill(self) -> None:
        """Sets the layers up as Caffe does, in net order: a data layer takes its draws, and every blob is filled as its
        filler says (a shared one too, into nothing: Caffe shares it afterwards)."""
        owned = {(blob.layer, blob.index) for blob in self.learnable}
        for layer in self._layers():
            layer.drawn = self.random.draws(layer.draws)
            names = enumerate(layer.blob_names)
            layer.fill_blobs(self.random, [name for index, name in names if (layer.own_name, index) in owned])

    def _layers(self) -> Iterator[Layer]:
        return iter(self.layers.values())

    def named_layers(self) -> list[tuple[str, Layer]]:
        """Every layer with the name that no other has, in the order in which they compute."""
        return [(layer.own_name, layer) for layer in self._layers()]

    def share_batch(self, share: Share) -> None:
        """From now on `forward` gets the images of that share of each batch."""
        self.engine.share_batch(share.count)
        for layer in self._layers():
            layer.share = share

    def layer(self, name: str) -> Layer:
        """The layer of that name, of several the first; KeyError if there is none."""
        return self.layers[self._keys[self._first.get(name, name)]]

    @property
    def input_shapes(self) -> dict[str, Shape]:
        """The blobs that `forward` takes: tops of Input and data layers, with the shapes the prototxt gives them."""
        tops = [top for layer in self._layers() if layer.is_source for top in layer.top_names]
        return {top: self.blob_shapes[top] for top in tops}

    @property
    def blob_names(self) -> list[str]:
        """Every blob, in the order in which the layers make them."""
        return list(self.blob_shapes)

    @property
    def output_names(self) -> list[str]:
        """The blobs that no later layer takes, in Caffe's order: by name; without those that have no name in the
        prototxt."""
        waiting: set[str] = set()
        for layer in self.param.layer:
            waiting.difference_update(layer.bottom)
            waiting.update(layer.top)
        return sorted(waiting.difference(self._automatic))

    @property
    def computed_names(self) -> list[str]:
        """Of the `output_names` those that a layer computes, an input overwritten in place among them."""
        computed = {top for layer in self._computing() for top in layer.top_names}
        return [name for name in self.output_names if name in computed]

    @property
    def loss_weights(self) -> dict[str, float]:
        """`loss_weight` of every top that counts as loss."""
        weights = {}
        for spec in self.param.layer:
            weights.update({top: weight for top, weight in zip(spec.top, spec.loss_weight, strict=False) if weight})
        return weights

    def forward(self, inputs: dict[str, Tensor], wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Every blob by name, or only those `wanted`: the memory of the others is free as soon as no layer needs them.

        Spatial sizes and batch may differ from the prototxt's where the layers allow it.
        """
        blobs, pooled = self._inputs(inputs), self._pooled_at_once(wanted)
        for layer in self._computing():
            layer.compute(blobs, pooled)
            if wanted is not None:
                for name in set(self._last_used_by[layer.own_name]).difference(wanted):
                    del blobs[name]
        return blobs

    def _pooled_at_once(self, wanted: Collection[str] | None) -> set[str]:
        """Blobs that a pass need not make: they are between a layer and the pooling folded into it, without a gradient,
        and neither wanted nor seen by a hook."""
        if wanted is None or torch.is_grad_enabled():
            return set()
        unseen = {blob: layers for blob, layers in self._folded_poolings.items() if blob not in wanted}
        return {blob for blob, layers in unseen.items() if not any(layer.watched for layer in layers)}

    @cached_property
    def _last_used_by(self) -> dict[str, list[str]]:
        """By layer, the blobs that no later layer takes: its own tops may be among them."""
        last = {name: layer.own_name for layer in self._layers() for name in (*layer.spec.bottom, *layer.spec.top)}
        names: dict[str, list[str]] = {layer.own_name: [] for layer in self._layers()}
        for blob, layer in last.items():
            names[layer].append(blob)
        return names

    def forward_recomputing(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """What `forward` gives, but for the blobs that backward will compute again (see `recomputation.py`)."""
        blobs = self._inputs(inputs)
        for segment in segments(self._computing(), self.output_names):
            segment(blobs)
        return blobs

    def _computing(self) -> list[Layer]:
        return [layer for layer in self._layers() if not layer.is_source]

    def _inputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Those that there must be, in the engine's memory order."""
        check_inputs(self._where, self.input_shapes, inputs)
        return {name: self._arranged(blob) for name, blob in inputs.items()}

    def _arranged(self, blob: Tensor) -> Tensor:
        """The same values in the engine's memory order."""
        return blob.contiguous(memory_format=self.engine.memory_format) if blob.dim() == 4 else blob

    def __repr__(self) -> str:
        """A line a layer: its name, type, and the sizes of its tops and blobs."""
        return described(self.param.name, list(self._layers()))

    def loss(self, blobs: dict[str, Tensor]) -> Tensor:
        """Σ loss_weight · top over all losses, a 0-axis tensor (paper, equation 6: the sum over the stages)."""
        losses = (blobs[name].sum() * weight for name, weight in self.loss_weights.items())
        return sum(losses, start=torch.zeros(()))

    def load_weights(
        self, weights: "schema.NetParameter", where: str = "weights", every_layer: bool = False
    ) -> list[str]:
        """Copies blobs by layer name, as Caffe does: layers of other names are left alone, a shape that differs is
        an error (Net::CopyTrainedLayersFrom), as is, with `every_layer`, a layer without weights. Nothing is copied
        then; the InputError lists the first five differences. Returns the names of the layers that got theirs."""
        pairs = self.check_weights(weights, where, every_layer)
        copy_weights(pairs, where)
        return [layer.spec.name for _, layer in pairs]

    def check_weights(
        self, weights: "schema.NetParameter", where: str, every_layer: bool = False
    ) -> "list[tuple[schema.LayerParameter, Layer]]":
        """What `load_weights` would copy, stored layers and those of the net; its InputErrors."""
        return check_weights(list(self._layers()), weights, where, every_layer)

    def check_trained_layers(self, trained: "Net") -> None:
        """InputError unless `share_trained_layers` can be done."""
        matching_layers(list(self._layers()), list(trained._layers()))

    def share_trained_layers(self, trained: "Net") -> list[str]:
        """From now on the layers have the blobs of the trained net's layers of the same names; returns the names of
        those that this net has not (Net::ShareTrainedLayersWith)."""
        pairs, ignored = matching_layers(list(self._layers()), list(trained._layers()))
        for layer, source in pairs:
            for name, other in zip(layer.blob_names, source.blob_names, strict=True):
                layer.take(name, source.owner(other))
        return ignored

    @property
    def automatic_names(self) -> list[str]:
        """The tops that have no name in the prototxt."""
        return list(self._automatic)

    def to_caffemodel(self, diff: bool = False) -> "schema.NetParameter":
        """The net with its blobs, as Caffe writes it to a `.caffemodel` (Net::ToProto); `diff`: and their gradients."""
        param = schema.NetParameter(name=self.param.name)  # Caffe sets it even if empty
        for layer in self._layers():
            spec = param.layer.add()
            spec.CopyFrom(layer.spec)
            del spec.blobs[:]
            spec.blobs.extend(stored_blobs(layer, diff))
            tops = [top for top in spec.top if top not in self._automatic]
            del spec.top[len(tops) :]
        return param


def _check_memory(blobs: Sequence[Tensor]) -> None:
    """InputError if this machine has not the memory for them."""
    needed = sum(blob.nbytes for blob in blobs)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        expected, found = (f"{count / 1e9:.1f} GB" for count in (memory, needed))
        raise InputError(f"expected learnable blobs that fit in this machine's {expected}, found {found} of them")


def _allocated(blob: LearnableBlob, layer: Layer) -> nn.Parameter:
    """Zeros in the blob's shape and memory order; InputError if memory is short."""
    try:
        values = torch.empty_strided(blob.parameter.shape, blob.parameter.stride()).zero_()  # zeros_like imports SymPy
    except RuntimeError as error:
        expected, shape = f"blob '{layer.blob_names[blob.index]}' to fit in memory", tuple(blob.parameter.shape)
        layer.require(_NO_MEMORY not in str(error), expected, f"shape {shape}")
        raise
    return nn.Parameter(values, requires_grad=blob.parameter.requires_grad)


def load_net(
    prototxt: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    phase: str = "TEST",
    engine: str | Operations = "fast",
    seed: int | None = None,
    stages: Sequence[str] = (),
    level: int | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
) -> Net:
    """The net of a `.prototxt` with the weights of a `.caffemodel` or `.caffemodel.h5`; every layer with blobs must
    find its weights there. Without weights the fillers fill it from `seed`. InputErrors name the files.

    stages, level, input_shapes: which of the prototxt's nets is meant, see `deployment.Variant`: `input_shapes` makes
    a train/val net one to deploy, and puts sizes where a prototxt has 1 for "at run time".
    """
    engine = make_engine(engine)
    param = Variant(phase, stages, level, input_shapes or {}).of(read_text(prototxt), str(prototxt))
    stored = None if weights is None else read_caffemodel(weights)
    with naming(prototxt):
        net = Net(param, phase, engine, only_shapes=True)
        if stored is not None:
            net.check_weights(stored, str(weights), every_layer=True)
        net.allocate(seed)
    if stored is not None:
        net.load_weights(stored, str(weights))
    return net
