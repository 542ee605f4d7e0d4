"""What a layer makes of other bottoms than the prototxt's: another blob, the same one before a layer in place, its
channels in another order; and of bottoms and weights that are rounded to fewer bits."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from prototxt_import.layers.layer import Layer
from prototxt_import.tensors import array

from .cause import as_bfloat16, as_float16, as_tf32
from .layer_runs import Bottoms, LayerRun
from .layer_settings import Alternative

Others = Callable[[str], Iterator[tuple[str, np.ndarray]]]
"""What may stand in a bottom's place: what it is, and its values, of the bottom's shape."""
Rounding = Callable[[np.ndarray], np.ndarray]

_ROUNDINGS: dict[str, Rounding] = {"float16": as_float16, "bfloat16": as_bfloat16}
_OF_11_BITS = "TF32 (a card's default) or float16"  # the same but for very small and very large numbers


def other_bottoms(run: LayerRun, bottoms: Bottoms, others: Others) -> Iterator[Alternative]:
    """The blob as the first layer makes it of something else."""
    for bottom in bottoms:
        for what, other in others(bottom):
            made = run.top({**bottoms, bottom: other})
            yield Alternative(f"layer {run.first.name} taking {what}", made)


def parts_orders(name: str, array: np.ndarray, sizes: list[int]) -> Iterator[tuple[str, np.ndarray]]:
    """A blob that was joined of parts, in other orders; and as weights see it that were made for other orders."""
    ends = np.cumsum(sizes)
    if array.ndim < 2 or ends[-1] != array.shape[1]:
        return
    parts = [np.arange(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    for order in itertools.islice(itertools.permutations(range(len(parts))), 1, 24):
        channels = np.concatenate([parts[i] for i in order])
        shown = ", ".join(str(i + 1) for i in order)
        yield f"{name} with its parts in the order {shown}", array[:, channels]
        yield f"{name} with weights for its parts in the order {shown}", array[:, np.argsort(channels)]


def channel_orders(name: str, array: np.ndarray, groups: int) -> Iterator[tuple[str, np.ndarray]]:
    """A blob with groups of its channels in another order; halves are tried too."""
    channels = array.shape[1] if array.ndim > 1 else 0
    for count in dict.fromkeys((groups, 2)):
        if 1 < count < channels and channels % count == 0:
            order = np.arange(channels).reshape(count, -1)
            yield f"{name} with its {count} groups of channels in another order", array[:, order[::-1].ravel()]
            yield f"{name} with its channels shuffled over {count} groups", array[:, order.T.ravel()]
            unshuffled = np.arange(channels).reshape(-1, count).T.ravel()
            yield f"{name} with its channels shuffled over {channels // count} groups", array[:, unshuffled]


def rounded(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as the layers make it of rounded weights, and of rounded bottoms too."""
    layer = None if run.net is None else run.net.layer(run.first.name)
    if layer is None or not layer.blob_names:
        return
    for name, to in _ROUNDINGS.items():
        every, few = _rounding(to, layer.blob_names), _rounding(to, layer.blob_names[:1])
        yield Alternative(f"weights that are rounded to {name}", run.top(bottoms, change=every))
        for change in (few, every):
            made = run.top({bottom: to(array) for bottom, array in bottoms.items()}, change=change)
            alike = _OF_11_BITS if name == "float16" else name
            yield Alternative(f"arithmetic in {alike}, of rounded inputs and weights", made)
            yield Alternative(f"arithmetic in {name}, also of the result", None if made is None else to(made))
    for to in (as_tf32, _cut):
        change = _rounding(to, layer.blob_names[:1])
        made = run.top({bottom: to(array) for bottom, array in bottoms.items()}, change=change)
        yield Alternative("arithmetic in TF32, a card's matrix products by default", made)


def _rounding(to: Rounding, blobs: list[str]) -> Callable[[Layer], None]:
    def change(layer: Layer) -> None:
        for name in blobs:
            blob = getattr(layer, name)
            blob.copy_(torch.from_numpy(to(array(blob.float()))))

    return change


def _cut(values: np.ndarray) -> np.ndarray:
    """TF32 without its rounding."""
    return (values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
