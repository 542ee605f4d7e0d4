"""The weights that a convolution must have had, from what it made of its bottom: each output is a system of linear
equations, one for each place of the map. Where these are more than the weights, the solution says which weights differ,
and that it was the weights and nothing else."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from cpm_repro.compare.causes.arrangements import WEIGHT_AXES
from cpm_repro.compare.causes.arrays import recognised
from cpm_repro.compare.causes.cause import Cause, distance
from prototxt_import.layers.convolution import Convolution
from prototxt_import.layers.inner_product import InnerProduct
from prototxt_import.layers.layer import Layer
from prototxt_import.tensors import array

from .outputs import RECTIFIERS, affine_behind
from .pieces import Links, Nearest, Tried
from .runs import Alternative, Bottoms, Change, LayerRun
from .weights import setting

_MOST_WEIGHTS, _MOST_OUTPUTS, _MOST_PLACES = 6000, 128, 20000  # what is looked at
_MOST_SOLVED = 1300  # unknowns of a system that is solved, in seconds
_MOST_VALUES = 40_000_000  # of all windows of a map: 320 MB
_SPARE = 1.3  # times as many equations as weights
_FEW = 200
_FITS_ONE = 1e-3  # that of a single weight's change
_FITS = 1e-4  # relative error of a solution
_CHANGED = 1e-3  # of the largest weight: a difference that is none of the solution's rounding
_LEFT = 0.01  # relative error: what solved weights may leave of a blob
_FAR_NEARER = 0.02  # of the distance to the second nearest slice
_UNKNOWN = ": of another file or snapshot"
_TRIED = 6  # limits of weights


class _Weights(NamedTuple):
    """(outputs, inputs, rows, columns), and the bias (outputs); of outputs that could be solved."""

    weight: np.ndarray
    bias: np.ndarray
    outputs: np.ndarray


def solved_weights(
    run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray, made: np.ndarray, nearest: Nearest
) -> list[Cause]:
    """Which weights made `wrong`, where the layers' own make `made`; empty if they cannot be known, or if none did."""
    layer = run.net.layer(run.first.name) if run.net else None
    if not isinstance(layer, Convolution) or layer.receptive_window is None or len(bottoms) != 1:
        return []
    if not np.isfinite(wrong).all():
        return []
    weight = array(layer.weight.double())
    bias = np.zeros(len(weight)) if layer.bias is None else array(layer.bias.double())
    own = _Weights(weight, bias, np.arange(len(weight)))
    theirs = _solved(run, layer, own, bottoms, wrong, made)
    what = [] if theirs is None else list(_described(own, theirs))
    if theirs is None or not what:
        return []
    if unknown := [text for text in what if text.endswith(_UNKNOWN)]:
        lossy = _lossy(run, nearest, own, theirs)
        what = [lossy if text in unknown and lossy else text for text in what]
    apart = distance(theirs.weight, own.weight[theirs.outputs])
    measured = f"{side} is what {run.first.name} makes of these inputs with weights that are {apart:.2g} off"
    again = run.top(bottoms, change=_with(theirs))
    left = 0.0 if again is None else distance(again[:, theirs.outputs], wrong[:, theirs.outputs])
    if left > _LEFT:  # places that are 0 tell no weight
        measured += f", which leave a relative error of {left:.2g}: more may be wrong"
    return [Cause(f"{side} has other weights of layer {run.first.name}: {' and '.join(what)}", measured)]


def _with(theirs: _Weights) -> Change:
    def change(layer: Layer) -> None:
        layer.weight[theirs.outputs] = torch.from_numpy(theirs.weight).to(layer.weight)
        if layer.bias is not None:
            layer.bias[theirs.outputs] = torch.from_numpy(theirs.bias).to(layer.bias)

    return change


def _solved(
    run: LayerRun, layer: Convolution, own: _Weights, bottoms: Bottoms, wrong: np.ndarray, made: np.ndarray
) -> _Weights | None:
    after = affine_behind(run, wrong.shape)
    outputs, per_output = len(own.weight), own.weight[0].size
    if after is None or made.shape != wrong.shape or per_output > _MOST_WEIGHTS:
        return None
    differing = [c for c in range(outputs) if not np.array_equal(made[:, c], wrong[:, c])]
    if len(differing) > _MOST_OUTPUTS:
        return None
    if own.weight[0].size * layer.group * wrong[:, 0].size > _MOST_VALUES:
        return None
    places = np.random.default_rng(0).permutation(wrong[:, 0].size)[:_MOST_PLACES]
    groups = _columns(layer, next(iter(bottoms.values())), places)
    rectified = any(other.type in RECTIFIERS for other in run.layers[1:])
    weight, bias, unknown = own.weight.copy(), own.bias.copy(), []
    for c in differing:
        target = wrong[:, c].astype(np.float64).ravel()[places]
        used = target > 0 if rectified else np.ones(len(target), bool)
        known = np.append(weight[c], bias[c])
        found = _fit(groups[c * layer.group // outputs][used], ((target - after[1][c]) / after[0][c])[used], known)
        if found is None:
            unknown.append(c)
        else:
            weight[c], bias[c] = found[:-1].reshape(weight[c].shape), found[-1]
    solved = np.setdiff1d(own.outputs, unknown)
    return _Weights(weight[solved], bias[solved], solved) if 2 * len(unknown) <= len(differing) else None


def dense_weights(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray, made: np.ndarray) -> list[Cause]:
    """Whether outputs of a convolution of groups were made of all inputs: weights that are solved on some places must
    foretell the others."""
    layer = run.net.layer(run.first.name) if run.net else None
    if not isinstance(layer, Convolution) or layer.receptive_window is None or layer.group == 1:
        return []
    if wrong.shape != made.shape or not np.isfinite(wrong).all() or (after := affine_behind(run, wrong.shape)) is None:
        return []
    bottom, rectified = next(iter(bottoms.values())), any(other.type in RECTIFIERS for other in run.layers[1:])
    unknowns = layer.weight[0].numel() * layer.group + 1
    places = np.random.default_rng(0).permutation(wrong[:, 0].size)[:_MOST_PLACES]
    if unknowns > _MOST_SOLVED or unknowns * wrong[:, 0].size > _MOST_VALUES:
        return []
    columns, off = _unfolded(layer, torch.from_numpy(np.asarray(bottom, np.float64)), places), []
    for c in range(min(wrong.shape[1], _TRIED)):
        target = wrong[:, c].astype(np.float64).ravel()[places]
        used = np.flatnonzero(target > 0 if rectified else np.ones(len(target), bool))
        known, held = np.split(used, [3 * len(used) // 4])
        if len(known) < _SPARE * unknowns or not target[held].any():
            continue
        values = (target - after[1][c]) / after[0][c]
        off.append(distance(columns[held] @ _least_squares(columns[known], values[known]), values[held]))
    if not off or not max(off) <= _FITS:
        return []
    what = f"{side} is a convolution over all inputs (dense weights, of one group)"
    measured = f"weights for all inputs, solved on three quarters of the map, foretell the rest: off by {max(off):.2g}"
    return [Cause(f"{what}; layer {run.first.name} has {layer.group} groups", measured)]


def changed_outputs(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray, made: np.ndarray) -> list[Cause]:
    """Of a fully connected layer, whose images are fewer than its weights: which outputs differ, and whether one weight
    or the bias explains them."""
    layer = run.net.layer(run.first.name) if run.net else None
    if (
        not isinstance(layer, InnerProduct)
        or made.shape != wrong.shape
        or made.ndim != 2
        or not np.isfinite(wrong).all()
    ):
        return []
    apart = wrong.astype(np.float64) - made
    least = 1e-5 * float(np.abs(made).max())
    outputs = np.flatnonzero((np.abs(apart) > least).any(axis=0))
    if not 0 < len(outputs) <= made.shape[1] // 4:
        return []
    first = int(outputs[0])
    what = _one_change(run, bottoms, apart[:, first], wrong[:, first]) if len(outputs) == 1 else ""
    shown = ", ".join(str(output) for output in outputs[:8]) + (", …" if len(outputs) > 8 else "")
    which = f"output {shown}" if len(outputs) == 1 else f"outputs {shown}"
    measured = f"the other {made.shape[1] - len(outputs)} outputs are what {run.first.name} makes of these inputs"
    return [Cause(f"{side} has other weights of layer {run.first.name}: those of {which} alone{what}", measured)]


def _one_change(run: LayerRun, bottoms: Bottoms, apart: np.ndarray, wrong: np.ndarray) -> str:
    """Which input's weight, or the bias, of an output explains its differences; empty if that cannot be told."""
    used = wrong > 0 if any(layer.type in RECTIFIERS for layer in run.layers[1:]) else np.ones(len(wrong), bool)
    x = next(iter(bottoms.values()))
    columns = np.concatenate([x.reshape(len(apart), -1), np.ones((len(apart), 1))], 1)[used].astype(np.float64)
    rest = apart[used]
    if len(rest) < 2:
        return ""
    changes = (columns * rest[:, None]).sum(0) / np.maximum((columns * columns).sum(0), 1e-300)
    left = np.linalg.norm(columns * changes - rest[:, None], axis=0) / np.linalg.norm(rest)
    fits = np.flatnonzero(left <= _FITS)
    if left[-1] <= _FITS:
        return f", as a bias that is {changes[-1]:+.5g} off makes it"
    return f", as the weight of input {fits[0]} that is {changes[fits[0]]:+.5g} off makes it" if len(fits) == 1 else ""


def _columns(layer: Convolution, bottom: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
    """For each group (places, weights of an output + 1): what each is multiplied with, and 1 for the bias."""
    x = torch.from_numpy(np.asarray(bottom, np.float64))
    return [_unfolded(layer, group, places) for group in x.chunk(layer.group, dim=1)]


def _unfolded(layer: Convolution, x: torch.Tensor, places: np.ndarray) -> np.ndarray:
    """Of these channels."""
    w = layer.window
    unfolded = functional.unfold(x, w.kernel, w.dilation, w.pad, w.stride)
    rows = unfolded.transpose(1, 2).reshape(-1, unfolded.shape[1])[torch.from_numpy(places)].numpy()
    return np.concatenate([rows, np.ones((len(rows), 1))], 1)


def _fit(columns: np.ndarray, target: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """Least squares, if there are equations to spare and they agree; what no equation tells stays its own, and an
    output without a value gets zeros."""
    if not target.size or not target.any():
        return np.zeros(columns.shape[1])
    rest = target - columns @ own
    if (one := _one_weight(columns, rest)) is not None:
        return np.asarray(own + one)
    known = np.count_nonzero(columns.any(axis=0))
    if len(target) < _SPARE * known or known > _MOST_SOLVED:
        return None
    found: np.ndarray = own + _least_squares(columns, rest)
    return found if distance(columns @ found, target) <= _FITS else None


def _one_weight(columns: np.ndarray, rest: np.ndarray) -> np.ndarray | None:
    """The change of a single weight that leaves nothing, which fewer equations than weights tell, too."""
    sizes = (columns * columns).sum(axis=0)
    shares = columns.T @ rest
    best = int(np.argmax(shares**2 / np.maximum(sizes, 1e-300)))
    change = np.zeros(columns.shape[1])
    change[best] = shares[best] / max(float(sizes[best]), 1e-300)
    return change if distance(columns[:, best] * change[best], rest) <= _FITS_ONE else None


def _least_squares(columns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The shortest solution; of many unknowns by the normal equations, in a hundredth of the time."""
    found: np.ndarray
    if columns.shape[1] <= _FEW:
        found = np.linalg.lstsq(columns, target, rcond=1e-10)[0]
        return found
    equations = columns.T @ columns
    equations[np.diag_indices_from(equations)] += 1e-12 * np.trace(equations) / len(equations)
    try:
        found = np.linalg.solve(equations, columns.T @ target)
    except np.linalg.LinAlgError:
        return np.zeros(len(equations))
    return found


def _described(own: _Weights, theirs: _Weights) -> list[str]:
    """What differs, of the weights and of the bias; nothing where each output has a factor of its own, which
    `weights` fits."""
    found = []
    for name in ("weight", "bias"):
        a, b = getattr(own, name)[theirs.outputs], getattr(theirs, name)
        changed = np.argwhere(np.abs(b - a) > _CHANGED * max(float(np.abs(own.weight).max()), 1e-12))
        if len(changed):
            changed[:, 0] = theirs.outputs[changed[:, 0]]
            found.append(_difference(name, getattr(own, name), a, b, changed, theirs.outputs))
    return [] if "" in found else found


def _difference(
    name: str, whole: np.ndarray, a: np.ndarray, b: np.ndarray, changed: np.ndarray, solved: np.ndarray
) -> str:
    outputs = sorted({int(index[0]) for index in changed})
    if len(changed) == 1:
        where = tuple(int(i) for i in changed[0])
        value = b[(int(np.searchsorted(solved, where[0])), *where[1:])]
        return f"only {name} {where} differs, {value:.6g} in place of {whole[where]:.6g}"
    if name == "bias":
        return "without the bias" if not np.abs(b).max() > 1e-3 * np.abs(a).max() else "with another bias"
    rows = np.searchsorted(solved, outputs)
    factors = [_factor(a[row], b[row]) for row in rows]
    if len(outputs) == 1 < len(a) and factors[0] is not None:
        return f"only output {outputs[0]}'s differ, times {round(factors[0], 5) + 0.0:.4g}"
    if all(factor is not None for factor in factors):
        return ""
    inputs = {int(index[1]) for index in changed}
    if len(inputs) == 1 < a.shape[1] and a.ndim == 4:
        (one,) = inputs
        factor = _factor(a[:, one], b[:, one])
        times = "" if factor is None else f", times {round(factor, 5) + 0.0:.4g}"
        return f"only those of input {one} differ{times}"
    if known := recognised(_few_digits(a), _few_digits(b), WEIGHT_AXES):
        return known[0].what
    if order := _order(whole, b, solved) or _order(whole.swapaxes(0, 1)[:, solved], b.swapaxes(0, 1)):
        named = "outputs" if len(order) == len(b) else "inputs"
        which = f" at {solved.tolist()[:16]}" if named == "outputs" and len(solved) < len(whole) else ""
        return f"{named} in another order, {order[:16]}{which}"
    apart = distance(b, a)
    shown = f"output {outputs[0]} differ" if len(outputs) == 1 else f"{len(outputs)} of {len(whole)} outputs differ"
    return f"those of {shown}, {apart:.2g} in all{_UNKNOWN}"


def _lossy(run: LayerRun, nearest: Nearest, own: _Weights, theirs: _Weights) -> str:
    """What was done to all weights to have fewer of them, or fewer bits, if the layer makes that of such."""
    found = nearest(with_weights(run, list(_smaller(own, theirs))))
    return found[0] if found else ""


def with_weights(run: LayerRun, named: Sequence[tuple[str, np.ndarray]]) -> Tried:
    """What the layers make with these weights of the first."""

    def tried(bottoms: Bottoms, _: Links, __: np.ndarray) -> Iterator[Alternative]:
        yield from (Alternative(what, run.top(bottoms, change=setting("weight", weight))) for what, weight in named)

    return tried


def _smaller(own: _Weights, theirs: _Weights) -> Iterator[tuple[str, np.ndarray]]:
    """Small weights left out, large ones cut off, few bits; how small and how large, the solutions tell."""
    whole, a, b = own.weight, own.weight[theirs.outputs], theirs.weight
    least = _CHANGED * float(np.abs(whole).max())
    gone = (np.abs(b) < least) & (np.abs(a) >= least)
    known = {float(np.abs(row[left_out]).max()) for row, left_out in zip(a, gone, strict=True) if left_out.any()}
    limits = [up for limit in sorted(known, reverse=True)[:_TRIED] for up in (limit, *_rounded_up(limit))]
    for limit in dict.fromkeys(limits):
        yield f"the smallest, up to {limit:.4g}, are 0: pruned", np.where(np.abs(whole) <= limit, 0, whole)
    cut = [row for row, before in zip(b, a, strict=True) if np.ptp(row) < np.ptp(before) - least]
    for row in cut[:_TRIED]:
        low, high = float(row.min()), float(row.max())
        yield f"cut off at {low:.4g} and {high:.4g}", np.clip(whole, low, high)
    yield from quantised(whole, (8, 4, 6, 7, 5, 3, 2))


def quantised(whole: np.ndarray, numbers_of_bits: Sequence[int] = (8, 4)) -> Iterator[tuple[str, np.ndarray]]:
    """Weights of few bits: whole numbers times a factor, and from the least to the largest in equal steps."""
    rows, along = whole.reshape(len(whole), -1), (-1, *(1,) * (whole.ndim - 1))
    low, high = (limit.reshape(along) for limit in (rows.min(axis=1), rows.max(axis=1)))
    for bits, each in itertools.product(numbers_of_bits, ("", " an output")):
        lowest, highest = (low, high) if each else (low.min(), high.max())
        step = np.maximum(np.maximum(highest, -lowest) / (2 ** (bits - 1) - 1), 1e-300)
        yield f"whole numbers of {bits} bits times one factor{each}: quantised", np.rint(whole / step) * step
        step = np.maximum((highest - lowest) / (2**bits - 1), 1e-300)
        from_least = np.rint((whole - lowest) / step) * step + lowest
        yield f"equal steps of {bits} bits from the least to the largest{each}: quantised", from_least
        zero = np.rint(-lowest / step)
        to_zero = (np.clip(np.rint(whole / step) + zero, 0, 2**bits - 1) - zero) * step
        yield f"equal steps of {bits} bits, of which one is 0,{each or ' in all'}: quantised", to_zero


def _rounded_up(limit: float) -> list[float]:
    """To two digits, and to one: as people choose limits."""
    places = np.floor(np.log10(limit))
    return [float(np.ceil(limit / 10.0 ** (places - digits)) * 10.0 ** (places - digits)) for digits in (1, 0)]


def _factor(a: np.ndarray, b: np.ndarray) -> float | None:
    """b = factor · a; None if it is not."""
    factor = float((a * b).sum() / max(float((a * a).sum()), 1e-300))
    return factor if np.abs(b - factor * a).max() <= _CHANGED * np.abs(a).max() else None


def _order(a: np.ndarray, b: np.ndarray, places: np.ndarray | None = None) -> list[int] | None:
    """Which of A's slices stands at each of B's places, if each is one, or nearer to one by far than to any other:
    weights that the blobs hardly tell are solved to few digits. None if all stand where they did."""
    order = []
    for one in b:
        apart = np.abs(a - one).reshape(len(a), -1).max(axis=1)
        nearest, *others = np.sort(apart)[:2]
        if nearest > _CHANGED * np.abs(a).max() and not (others and nearest < _FAR_NEARER * others[0]):
            return None
        order.append(int(apart.argmin()))
    return None if order == list(range(len(b)) if places is None else places) else order


def _few_digits(values: np.ndarray) -> np.ndarray:
    """float32, in which values that are 0 but for the solution's rounding are 0."""
    least = 1e-5 * float(np.abs(values).max())
    return np.where(np.abs(values) < least, 0, values).astype(np.float32)
