"""Activation checkpointing: large blobs that are not kept for backward but computed again from those that are.

What takes the memory of a pose machine in training lies before the first pooling of its feature extractors: at
368 x 368 one blob of 128 channels has 69 MB per image, and all blobs of a stage on 46 x 46 together have a few, while
its convolutions are most of the work. The same operations give the same bits twice.
"""

import math
from collections.abc import Sequence

from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .layers.layer import Layer


class Segment:
    """Consecutive layers, a function from the blobs they take to those of their blobs that are taken later.

    outputs: of the net, which count as taken. recomputed: whether the blobs in between are computed again.
    """

    def __init__(self, layers: Sequence[Layer], later: Sequence[Layer], outputs: Sequence[str], recomputed: bool):
        self.layers, self.recomputed = layers, recomputed
        self.bottoms = list(dict.fromkeys(_bottoms(layers)))
        taken = {*outputs, *(bottom for layer in later for bottom in layer.spec.bottom)}
        made = dict.fromkeys(top for layer in layers for top in layer.spec.top)
        self.tops = [top for top in made if top in taken]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """The layers one after the other."""
        blobs = dict(zip(self.bottoms, bottoms, strict=True))
        for layer in self.layers:
            layer.compute(blobs)
        return tuple(blobs[top] for top in self.tops)

    def __call__(self, blobs: dict[str, Tensor]) -> None:
        """Adds the tops to the blobs."""
        bottoms = [blobs[bottom] for bottom in self.bottoms]
        if self.recomputed:
            tops = checkpoint(self.forward, *bottoms, use_reentrant=False, preserve_rng_state=False)
        else:
            tops = self.forward(*bottoms)
        blobs.update(zip(self.tops, tops, strict=True))


def _bottoms(layers: Sequence[Layer]) -> list[str]:
    """What the layers take and none of them made before."""
    made: set[str] = set()
    bottoms = []
    for layer in layers:
        bottoms += [bottom for bottom in layer.spec.bottom if bottom not in made]
        made.update(layer.spec.top)
    return bottoms


def segments(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Segment]:
    """All layers. Recomputed is what ends in a pooling and has blobs at least half as large as the net's largest."""
    cut, begin = [], 0
    large = _largest_blob(layers) / 2
    for end, layer in enumerate(layers, 1):
        if layer.pools or not layer.repeatable or end == len(layers):
            own, begin = layers[begin:end], end
            recomputed = layer.pools and layer.repeatable and _largest_blob(own) >= large
            cut.append(Segment(own, layers[end:], outputs, recomputed))
    return cut


def _largest_blob(layers: Sequence[Layer]) -> int:
    """Values of the largest top."""
    return max(math.prod(shape) for layer in layers for shape in layer.shapes_of_tops)
