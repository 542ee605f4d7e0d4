"""What a layer makes of other bottoms than the prototxt's: another blob, the same one before a layer in place, its
channels in another order; of bottoms and weights that are rounded to fewer bits; and of sequences taken otherwise: an
LSTM's gates, where a sequence begins, the order of its steps, and what state it begins with."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch

from cpm_repro.compare.causes.cause import Cause, as_bfloat16, as_float16, as_tf32, distance
from prototxt_import.layers.layer import Layer
from prototxt_import.tensors import array

from .runs import Alternative, Bottoms, Change, LayerRun

Others = Callable[[str], Iterator[tuple[str, np.ndarray]]]
"""What may stand in a bottom's place: what it is, and its values, of the bottom's shape."""
Rounding = Callable[[np.ndarray], np.ndarray]

_ROUNDINGS: dict[str, Rounding] = {"float16": as_float16, "bfloat16": as_bfloat16}
_FOLLOWS = 1e-3  # relative error of steps that follow from the one before, whose cell is worked out
_FEWEST = 3  # steps, from which one is foretold
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
        alike = _OF_11_BITS if name == "float16" else name
        exact = all(np.array_equal(to(array), array) for array in bottoms.values())
        inputs_too = f", or arithmetic in {alike}: the inputs have no more digits" if exact else ""
        every, few = _rounding(to, layer.blob_names), _rounding(to, layer.blob_names[:1])
        for change, which in ((every, ""), (few, ", not the bias,") if len(layer.blob_names) > 1 else (few, "")):
            yield Alternative(f"weights{which} that are rounded to {name}{inputs_too}", run.top(bottoms, change=change))
        made = run.top({bottom: to(array) for bottom, array in bottoms.items()})
        yield Alternative(f"inputs that are rounded to {alike}", made)
        for change in (few, every):
            made = run.top({bottom: to(array) for bottom, array in bottoms.items()}, change=change)
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


def other_sequences(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The blob as an LSTM or an RNN with the same weights makes it that takes its bottoms or its weights otherwise."""
    if run.first.type not in ("LSTM", "RNN") or len(bottoms) != 2:
        return
    yield from _steps(run, bottoms)
    if run.net is None:
        return
    if run.first.type == "LSTM":
        yield from _gates(run, bottoms)
    yield from _transposed(run, bottoms)


def _steps(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    layer = f"layer {run.first.name}"
    (x, steps), (cont, goes_on) = bottoms.items()
    for what, value in (
        ("never begins anew (its second bottom is not looked at)", 1),
        ("begins anew with every step", 0),
    ):
        made = run.top({x: steps, cont: np.full_like(goes_on, value)})
        yield Alternative(f"{layer} whose state {what}", made)
    turned = run.top({x: np.ascontiguousarray(steps[::-1]), cont: goes_on})
    yield Alternative(f"{layer} on its steps from the last to the first", turned)
    back = None if turned is None else np.ascontiguousarray(turned[::-1])
    yield Alternative(f"{layer} on its steps from the last to the first, its outputs turned back", back)
    swapped = run.top({name: np.ascontiguousarray(values.swapaxes(0, 1)) for name, values in bottoms.items()})
    back = None if swapped is None else np.ascontiguousarray(swapped.swapaxes(0, 1))
    yield Alternative(f"{layer} over the other axis: its images taken for steps (batch first)", back)


def _gates(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """In another order, another forget gate's bias, no bias."""
    layer, gates = run.first.name, ("input", "forget", "output", "candidate")

    def reordered(order: tuple[int, ...]) -> Change:
        def change(lstm: Layer) -> None:
            for name in lstm.blob_names:
                blob = getattr(lstm, name)
                blob.copy_(torch.cat([blob.chunk(4)[i] for i in order]))

        return change

    def biased(by: float, times: float = 1) -> Change:
        def change(lstm: Layer) -> None:
            lstm.input_bias.mul_(times).chunk(4)[1].add_(by)

        return change

    for order in itertools.islice(itertools.permutations(range(4)), 1, 24):
        what = ", ".join(gates[i] for i in order)
        yield Alternative(
            f"layer {layer} with its gates in the order {what}", run.top(bottoms, change=reordered(order))
        )
    for by in (1, -1):
        what = f"layer {layer} with {by:+} in the forget gate's bias"
        yield Alternative(what, run.top(bottoms, change=biased(by)))
    yield Alternative(f"layer {layer} without its bias", run.top(bottoms, change=biased(0, 0)))


def _transposed(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    def change(layer: Layer) -> None:
        parts = layer.hidden_weight.chunk(len(layer.hidden_weight) // layer.hidden_weight.shape[1])
        layer.hidden_weight.copy_(torch.cat([part.t() for part in parts]))

    what = f"layer {run.first.name} with the hidden state's weights transposed, each gate's for itself"
    yield Alternative(what, run.top(bottoms, change=change))


def begun_otherwise(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray) -> list[Cause]:
    """Whether an LSTM's steps follow from each other, whatever state they began with: of what a step holds, the cell
    can be worked out, and with it the step after."""
    layer = run.net.layer(run.first.name) if run.net is not None else None
    if layer is None or run.first.type != "LSTM" or len(run.layers) > 1 or len(bottoms) != 2 or len(wrong) < _FEWEST:
        return []
    (steps, goes_on), states = bottoms.values(), wrong.astype(np.float64)
    by_x, bias, by_state = (
        array(blob.double()) for blob in (layer.input_weight, layer.input_bias, layer.hidden_weight)
    )
    kept = goes_on.reshape(len(wrong), -1, 1)[1:]
    sums = steps.reshape(*steps.shape[:2], -1)[1:] @ by_x.T + bias + (kept * states[:-1]) @ by_state.T
    enters, forgets, leaves = (1 / (1 + np.exp(-gate)) for gate in np.split(sums, 4, 2)[:3])
    candidates = np.tanh(np.split(sums, 4, 2)[3])
    with np.errstate(invalid="ignore", divide="ignore"):
        cells = np.arctanh(states[1:] / leaves)
    foretold = leaves[1:] * np.tanh(kept[1:] * forgets[1:] * cells[:-1] + enters[1:] * candidates[1:])
    off = distance(foretold, states[2:])
    if not off <= _FOLLOWS:
        return []
    what = f"{side} begins with another state than zeros: that which the batch before left, or one of its own"
    measured = f"from the third step on, what layer {run.first.name} makes of {side}'s own steps is off by {off:.2g}"
    return [Cause(what, measured)]
