"""In-place layers as Caffe differentiates them: its backward reads what a blob holds then, and not what the layer saw.

Layers that work in place on one blob share its memory. So a Sigmoid whose output a Power overwrites takes Power's
output for its own in backward; and a layer that puts its slope where the gradient from above stands multiplies that
slope by itself. Such gradients are not those of the net's value: they are what nets of this kind were trained with.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.autograd.graph import saved_tensors_hooks

from .function import Context, Function
from .layers.layer import Layer

Forward = Callable[..., Tensor | tuple[Tensor, ...]]


class Content:
    """What a blob's memory holds: in backward, what the last layer left that wrote it."""

    now: Tensor


class _Saved:
    """A tensor that an operation saved for backward; if it is the blob's, backward gets the blob's content."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor: Tensor | None = tensor.detach()
        self.content: Content | None = None

    def belongs_to(self, blob: Tensor) -> bool:
        tensor = self.tensor
        return tensor is not None and tensor.data_ptr() == blob.data_ptr() and tensor.shape == blob.shape

    def get(self) -> Tensor:
        if self.content is not None:
            return self.content.now
        assert self.tensor is not None
        return self.tensor


def differentiate_as_caffe(layers: Sequence[Layer]) -> None:
    """Makes those layers, of a net's in their order, read later content whose gradient depends on it."""
    for chain in _chains(layers):
        if _reads_other(chain):
            for place, layer in enumerate(chain):
                layer.forward = partial(_forward, layer, layer.forward, place > 0)


def _chains(layers: Sequence[Layer]) -> list[list[Layer]]:
    """Layers that write one blob, its maker first, then those that work on it in place."""
    chains: dict[str, list[Layer]] = {}
    finished = []
    for layer in layers:
        bottoms = set(layer.bottom_names)
        for top in layer.top_names:
            if top in bottoms and top in chains:
                chains[top].append(layer)
            else:
                finished += [chains[top]] if top in chains else []
                chains[top] = [layer]
    return [chain for chain in (*finished, *chains.values()) if len(chain) > 1]


def _reads_other(chain: list[Layer]) -> bool:
    """Whether the gradient of some layer depends on what a blob holds that the layer did not leave so."""
    kept = later_keep_signs = True  # what the layers after this one do to the blob: nothing, or not to its signs
    for place in reversed(range(len(chain))):
        layer = chain[place]
        if place > 0 and layer.differs_in_place:
            return True
        reads = layer.reads_top or (place > 0 and layer.reads_bottom)
        if reads and not (kept or (layer.reads_signs and later_keep_signs)):
            return True
        kept, later_keep_signs = False, later_keep_signs and layer.keeps_signs
    return False


def _forward(layer: Layer, forward: Forward, in_place: bool, *bottoms: Tensor) -> Tensor | tuple[Tensor, ...]:
    """The layer's forward, whose saved values of the blob will be the blob's content."""
    if not torch.is_grad_enabled():
        return forward(*bottoms)
    content = getattr(bottoms[0], "content", None) if in_place else None
    content = content or Content()
    if in_place and layer.overwrites_gradient and bottoms[0].requires_grad:
        made: Tensor | tuple[Tensor, ...] = _SquaredSlope.apply(bottoms[0], layer, forward, content)
    else:
        made = _computed(layer, forward, content, in_place, bottoms)
    top = made[0] if isinstance(made, tuple) else made
    content.now = top.detach()
    setattr(top, "content", content)  # noqa: B010  found by the layer that works on the blob next
    return made


def _computed(
    layer: Layer, forward: Forward, content: Content, in_place: bool, bottoms: Sequence[Tensor]
) -> Tensor | tuple[Tensor, ...]:
    if not (layer.reads_top or layer.reads_bottom):
        return forward(*bottoms)
    saved: list[_Saved] = []

    def pack(tensor: Tensor) -> _Saved:
        saved.append(_Saved(tensor))
        return saved[-1]

    with saved_tensors_hooks(pack, _Saved.get):
        made = forward(*bottoms)
    top = made[0] if isinstance(made, tuple) else made
    own = [top] if layer.reads_top or in_place else []
    own += [bottoms[0]] if in_place else []
    for one in saved:
        if any(one.belongs_to(blob) for blob in own):
            one.tensor, one.content = None, content
    return made


class _SquaredSlope(Function[Tensor]):
    """(x, layer, its forward, content) -> y. The layer puts its slope where the gradient stands, and multiplies that by
    what stands there."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, layer: Layer, forward: Forward, content: Content) -> Tensor:
        with torch.enable_grad():
            inner = x.detach().requires_grad_()
            y = _computed(layer, forward, content, True, (inner,))
        assert isinstance(y, Tensor)
        ctx.graph = inner, y
        return y.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, None, None, None]:
        inner, y = ctx.graph
        (slope,) = torch.autograd.grad(y, inner, torch.ones_like(dy))
        return slope * slope, None, None, None
