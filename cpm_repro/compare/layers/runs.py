"""Runs layers of a net again on recorded bottoms, with their own settings and weights or with others."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

Bottoms = dict[str, np.ndarray]
Change = Callable[[Layer], None]
"""What is done to the blobs of the first layer before it runs."""


class Alternative(NamedTuple):
    """What a side comes from if it holds `made`; None where the layer cannot run like that."""

    what: str
    made: np.ndarray | None


class LayerRun:
    """The layers that make one blob, the first from its bottoms, others in place; `net` has their weights.

    Without a net only layers without weights can run. blob: by default the first top.
    """

    def __init__(
        self, layers: Sequence["schema.LayerParameter"], net: Net | None = None, blob: str | None = None
    ) -> None:
        self.layers, self.net = list(layers), net
        self.blob = blob or layers[0].top[0]

    @property
    def first(self) -> "schema.LayerParameter":
        """The layer that makes the blob."""
        return self.layers[0]

    @property
    def has_blobs(self) -> bool:
        """Whether the first layer has weights, which are at hand."""
        return self.net is not None and bool(self.net.layer(self.first.name).blob_names)

    def top(
        self,
        bottoms: Bottoms,
        first: "schema.LayerParameter | None" = None,
        change: Change | None = None,
        alone: bool = False,
        without: Sequence["schema.LayerParameter"] = (),
    ) -> np.ndarray | None:
        """The blob, float32; None if the layers cannot run on these bottoms or need weights that are not at hand.

        first: other settings of the first layer. change: of its blobs. alone: without the layers in place.
        without: some of these.
        """
        layers = [first or self.first, *([] if alone else self.layers[1:])]
        layers = [layer for layer in layers if not any(layer is other for other in without)]
        as_it_is = first is None and not without and not alone
        try:
            if self.net is not None and as_it_is and not self._is_folded(self.net):
                return self._in_net(self.net, bottoms, change)
            return self._made(layers, bottoms, change)
        except (InputError, RuntimeError, ValueError, ArithmeticError):  # settings that the layer cannot run with
            return None

    def _is_folded(self, net: Net) -> bool:
        """Whether the net's first layer does nothing by itself, or a ReLU's work that is none of this run's."""
        layer = net.layer(self.first.name)
        return layer.folded or (getattr(layer, "folded_relu", False) and len(self.layers) == 1)

    def links(self, bottoms: Bottoms) -> Iterator[tuple["LayerRun", Bottoms]]:
        """The run itself, and for each layer in place the run that starts with it, on what it gets."""
        yield self, bottoms
        made = self.top(bottoms, alone=True)
        for place, layer in enumerate(self.layers[1:], 1):
            if made is None or len(layer.bottom) != 1:
                return
            run, given = LayerRun(self.layers[place:], self.net, self.blob), {layer.bottom[0]: made}
            yield run, given
            made = run.top(given, alone=True)

    def rest(self, made: np.ndarray) -> np.ndarray | None:
        """The blob of what the first layer made: through those in place."""
        if len(self.layers) == 1:
            return made
        return LayerRun(self.layers[1:], self.net, self.blob).top({self.layers[1].bottom[0]: made})

    def reordered(self, bottoms: Bottoms, order: Sequence[int]) -> np.ndarray | None:
        """The blob if the layers came in that order."""
        try:
            return self._made([self.layers[i] for i in order], bottoms)
        except InputError:
            return None

    def _made(
        self, layers: Sequence["schema.LayerParameter"], bottoms: Bottoms, change: Change | None = None
    ) -> np.ndarray | None:
        """In a net of these layers alone, with the given net's weights; None if these are not at hand."""
        net = self._alone(layers, bottoms)
        if net.learnable and (self.net is None or not _take_weights(net, self.net, layers)):
            return None
        if change is not None:
            with torch.no_grad():
                change(net.layer(self.first.name))
        with torch.inference_mode():
            blobs = net.to(self._device())({name: self._tensor(array) for name, array in bottoms.items()})
        return blobs[self.blob].float().cpu().contiguous().numpy()

    def built(self, bottoms: Bottoms) -> Layer | None:
        """The first layer as it stands on these bottoms, without its weights; None if it cannot."""
        try:
            return self._alone([self.first], bottoms).layer(self.first.name)
        except InputError:
            return None

    def _in_net(self, net: Net, bottoms: Bottoms, change: Change | None) -> np.ndarray:
        """With the net's own layers, whose blobs are put back."""
        first, *others = [net.layer(layer.name) for layer in self.layers]
        before = {name: getattr(first, name).detach().clone() for name in first.blob_names if change}
        first.forget()
        with torch.no_grad():
            try:
                if change is not None:
                    change(first)
                tops = first(*(self._tensor(bottoms[bottom]) for bottom in self.first.bottom))
                top: Tensor = tops[list(self.first.top).index(self.blob)] if isinstance(tops, tuple) else tops
                for layer in others:
                    top = layer(top)
            finally:
                for name, values in before.items():
                    getattr(first, name).copy_(values)
        return top.float().cpu().contiguous().numpy()

    def _alone(self, layers: Sequence["schema.LayerParameter"], bottoms: Bottoms) -> Net:
        param = schema.NetParameter()
        for name, array in bottoms.items():
            source = param.layer.add(name=f"input {name}", type="Input", top=[name])
            source.input_param.shape.add(dim=array.shape)
        for layer in layers:
            copied = param.layer.add()
            copied.CopyFrom(layer)
            del copied.include[:], copied.exclude[:], copied.loss_weight[:]
            for blob in copied.param:
                blob.ClearField("name")  # a sharer has the owner's values
        return Net(param) if self.net is None else Net(param, self.net.phase, self.net.engine)

    def _device(self) -> torch.device:
        first = next(iter(self.net.parameters()), None) if self.net else None
        return torch.device("cpu") if first is None else first.device

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(array, np.float32)).to(self._device())


def changed(layer: "schema.LayerParameter", **fields: object) -> "schema.LayerParameter":
    """A copy of the layer; `conv__pad=0` sets a field of `convolution_param`, None clears it, lists replace."""
    copy = schema.LayerParameter()
    copy.CopyFrom(layer)
    for path, value in fields.items():
        message, field = path.split("__")
        param = getattr(copy, f"{message}_param")
        param.ClearField(field)
        if isinstance(value, list):
            getattr(param, field).extend(value)
        elif value is not None:
            setattr(param, field, value)
    return copy


def _take_weights(net: Net, given: Net, layers: Sequence["schema.LayerParameter"]) -> bool:
    """Whether the net given has blobs of those shapes."""
    for layer in layers:
        to, source = net.layer(layer.name), given.layer(layer.name)
        for name in to.blob_names:
            mine, theirs = getattr(to, name), getattr(source, name, None)
            if theirs is None or theirs.shape != mine.shape:
                return False
            mine.data.copy_(theirs.detach())
    return True
