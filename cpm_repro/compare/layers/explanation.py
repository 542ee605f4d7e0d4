"""Whether a side is what the layer would have made of the recorded bottoms with other settings or other weights."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from cpm_repro.compare.causes.arrays import by_size, recognised
from cpm_repro.compare.causes.cause import EXPLAINED, LOW_PRECISION, ROUNDING, Cause, distance
from cpm_repro.compare.causes.places import border, in_one_place, localised
from prototxt_import.formats import schema
from prototxt_import.tensors import array

from .fields import fitted_settings, other_fields
from .formulas import other_formulas
from .inputs import Others, begun_otherwise, other_bottoms, other_sequences, rounded
from .outputs import other_outputs
from .pieces import Links, Nearest, Tried, cut, piece_of
from .runs import Alternative, Bottoms, LayerRun
from .settings import alternatives, bias_behind, incomplete
from .solved_weights import changed_outputs, dense_weights, quantised, solved_weights, with_weights
from .weights import arranged_and_scaled, best, fitted, other_weights


def _pooling(kernel: int, stride: int, method: str) -> "schema.LayerParameter":
    layer = schema.LayerParameter(type="Pooling", bottom=["bottom"], top=["top"])
    layer.pooling_param.kernel_size.append(kernel)
    layer.pooling_param.stride.append(stride)
    layer.pooling_param.pool = layer.pooling_param.PoolMethod.Value(method)
    return layer


_CPM_POOLINGS = (_pooling(3, 2, "MAX"), _pooling(2, 2, "MAX"), _pooling(9, 8, "AVE"))


def pooling_causes(bottom: np.ndarray, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """Without a prototxt: whether a CPM's pooling of `bottom` makes one side, and other pooling the other."""
    if not all(array.ndim == 4 and array.dtype.kind == "f" for array in (bottom, a, b)):
        return []
    tried = (layer_causes(LayerRun([layer]), {"bottom": bottom}, a, b) for layer in _CPM_POOLINGS)
    return next(filter(None, tried), [])


def layer_causes(
    run: LayerRun,
    bottoms: Bottoms,
    a: np.ndarray,
    b: np.ndarray,
    others: Others | None = None,
    known: Callable[[], list[Cause]] = list,
) -> list[Cause]:
    """Why one side is not what the layers make of the bottoms. Empty if neither side is, or both are, or it is unknown
    (see `unexplained`). others, known: see `explain`."""
    sides = _right_and_wrong(run, bottoms, a, b)
    return [] if sides is None else explain(run, bottoms, sides.name, sides.wrong, sides.made, others, known)


class _Sides(NamedTuple):
    """The name of the wrong side and its array; what the layer makes; how far the right and the wrong one are off."""

    name: str
    wrong: np.ndarray
    made: np.ndarray
    right_error: float
    wrong_error: float


def _right_and_wrong(run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray) -> _Sides | None:
    """None if the layer makes neither side, or both."""
    own = run.top(bottoms)
    if own is None:
        return None
    apart = [distance(side, own) for side in (a, b)]
    if not min(apart) <= EXPLAINED or not max(apart) > max(ROUNDING, 10 * min(apart)):
        return None
    return _Sides("A", a, own, *apart[::-1]) if apart[0] > apart[1] else _Sides("B", b, own, *apart)


def explain(
    run: LayerRun,
    bottoms: Bottoms,
    side: str,
    wrong: np.ndarray,
    own: np.ndarray,
    others: Others | None = None,
    known: Callable[[], list[Cause]] = list,
) -> list[Cause]:
    """Which other settings, bottoms or weights of the layers make `wrong`; empty if none that is known.

    own: what the layers make of the bottoms as they are. others: what else the bottoms may be. known: what the two
    arrays tell for certain, before weights are thought of.
    """
    before = distance(own, wrong)
    links, piece = list(run.links(bottoms)), piece_of(run, bottoms, wrong, own)

    def nearest(tried: Tried) -> tuple[str, float] | None:
        if piece is not None and not piece.may_fit(tried(piece.bottoms, list(run.links(piece.bottoms)), piece.wrong)):
            return None
        return best(tried(bottoms, links, wrong), wrong, before)

    def settings(bottoms: Bottoms, links: Links, wrong: np.ndarray) -> Iterator[Alternative]:
        on_piece = piece is not None and bottoms is piece.bottoms
        cut_others = None if others is None else lambda name: ((what, cut(blob)) for what, blob in others(name))
        yield from _settings(run, bottoms, links, cut_others if on_piece else others)
        yield from (fit for link in links for fit in fitted_settings(*link, wrong))

    if found := nearest(settings):
        return [_comes_from(side, *found, before)]
    known_part = _of_one_part(run, bottoms, own, wrong) or _of_slice(run, bottoms, side, wrong)
    known_part = known_part or begun_otherwise(run, bottoms, side, wrong) or _cut_out(run, side, own, wrong)
    return (
        known_part
        or known()
        or _not_rectified(run, bottoms, side, wrong)
        or _weights(run, bottoms, links, side, wrong, own, nearest)
        or _of_a_place(side, own, wrong)
    )


def _not_rectified(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray) -> list[Cause]:
    """Two causes at once: a last ReLU that is not there, and what explains the rest."""
    relu, rest = run.layers[-1], LayerRun(run.layers[:-1], run.net, run.blob)
    if relu.type != "ReLU" or relu is run.first or not (wrong < 0).any() or (own := rest.top(bottoms)) is None:
        return []
    causes = explain(rest, bottoms, side, wrong, own)
    without = Cause(f"{side} comes from a net without layer {relu.name} (ReLU)", "together with the next cause")
    return [without, *causes] if causes else []


def _of_one_part(run: LayerRun, bottoms: Bottoms, own: np.ndarray, wrong: np.ndarray) -> list[Cause]:
    """What is wrong with one bottom's channels, if all others are joined as they should be."""
    if run.first.type != "Concat" or len(bottoms) == 1 or own.shape != wrong.shape or own.ndim < 2:
        return []
    ends = np.cumsum([part.shape[1] for part in bottoms.values()])
    apart = [c for c in range(own.shape[1]) if not np.array_equal(own[:, c], wrong[:, c])]
    off = set(np.searchsorted(ends, apart, side="right").tolist())
    if ends[-1] != own.shape[1] or len(off) != 1:
        return []
    first, last, which = apart[0], apart[-1], f"bottom {off.pop() + 1}"
    channels = f"channel {first}" if first == last else f"channels {first} to {last}"
    a, b = (np.ascontiguousarray(array[:, first : last + 1]) for array in (own, wrong))
    causes = recognised(a, b) or by_size(a, b)
    return [
        Cause(f"only {channels}, of {which}, {'differs' if first == last else 'differ'}: {cause.what}", cause.evidence)
        for cause in causes
    ]


def _of_a_place(side: str, own: np.ndarray, wrong: np.ndarray) -> list[Cause]:
    """What is wrong where `wrong` is not what the layers make, if that is one place."""
    a, b = (own, wrong) if side == "B" else (wrong, own)
    edge = border(a, b)
    return [edge] if edge else in_one_place(a.astype(np.float64), b.astype(np.float64), recognised)


def _of_slice(run: LayerRun, bottoms: Bottoms, side: str, wrong: np.ndarray) -> list[Cause]:
    """Which other part of its bottom a top of a Slice has."""
    if run.first.type != "Slice" or len(run.layers) > 1:
        return []
    (bottom,) = bottoms.values()
    p = run.first.slice_param
    along = (p.slice_dim if p.HasField("slice_dim") else p.axis) % bottom.ndim
    shape = (*bottom.shape[:along], wrong.shape[along], *bottom.shape[along + 1 :]) if wrong.ndim == bottom.ndim else ()
    if wrong.shape != shape:
        return []
    count = wrong.shape[along]
    for first in range(bottom.shape[along] - count + 1):
        if np.array_equal(bottom.take(range(first, first + count), along), wrong):
            what = f"{side} holds {first} to {first + count - 1} along axis {along} of the bottom of layer"
            return [Cause(f"{what} {run.first.name}: other slice points", "every value is that")]
    return []


def _cut_out(run: LayerRun, side: str, own: np.ndarray, wrong: np.ndarray) -> list[Cause]:
    """Whether a side's maps are the inner part of what the layers make."""
    if own.ndim != 4 or wrong.ndim != 4 or own.shape[:2] != wrong.shape[:2]:
        return []
    more = [n - m for n, m in zip(own.shape[2:], wrong.shape[2:], strict=True)]
    if min(more) < 0 or not any(more):
        return []
    for top, left in itertools.product(*(range(n + 1) for n in more)):
        part = own[:, :, top : top + wrong.shape[2], left : left + wrong.shape[3]]
        if np.array_equal(part[0, 0], wrong[0, 0]) and np.array_equal(part, wrong):
            lacking = f"{top} rows above, {more[0] - top} below, {left} columns left, {more[1] - left} right"
            return [
                Cause(
                    f"{side} is cut out of what layer {run.first.name} makes: {lacking} are gone",
                    "every bit of the rest is equal",
                )
            ]
    return []


def _settings(run: LayerRun, bottoms: Bottoms, links: Links, others: Others | None) -> Iterator[Alternative]:
    for link in links:
        yield from alternatives(*link)
        yield from other_formulas(*link)
        yield from other_sequences(*link)
    yield from incomplete(run, bottoms)
    yield from bias_behind(run, bottoms)
    yield from _of_order(run, bottoms)
    if others is not None:
        yield from other_bottoms(run, bottoms, others)
    for link in links:
        if not link[0].has_blobs:
            yield from other_fields(*link)


def _weights(
    run: LayerRun,
    bottoms: Bottoms,
    links: Links,
    side: str,
    wrong: np.ndarray,
    own: np.ndarray,
    nearest: Nearest,
) -> list[Cause]:
    before = distance(own, wrong)
    with_blobs = [place for place, (link, _) in enumerate(links) if link.has_blobs]
    for place in with_blobs:
        if found := nearest(_of_link(place, lambda run, given, _: other_weights(run, given))):
            return [_of_weights(links[place][0].first.name, side, *found, before)]
    for place in with_blobs:
        if found := nearest(_of_link(place, _fields_and_rounding)):
            return [_comes_from(side, *found, before)]
    for link in links:
        if found := best(fitted(*link, wrong), wrong, before):
            return [_of_weights(link[0].first.name, side, *found, before)]
    for place in with_blobs:
        if found := nearest(_of_link(place, arranged_and_scaled)):
            return [_of_weights(links[place][0].first.name, side, *found, before)]
    return (
        other_outputs(run, bottoms, side, wrong, own)
        or solved_weights(run, bottoms, side, wrong, own, nearest)
        or dense_weights(run, bottoms, side, wrong, own)
        or _of_few_bits(run, side, before, nearest)
        or changed_outputs(run, bottoms, side, wrong, own)
    )


def _of_link(place: int, tried: Callable[[LayerRun, Bottoms, np.ndarray], Iterator[Alternative]]) -> Tried:
    def of_link(_: Bottoms, links: Links, wrong: np.ndarray) -> Iterator[Alternative]:
        return tried(*links[place], wrong)

    return of_link


def _fields_and_rounding(run: LayerRun, bottoms: Bottoms, _: np.ndarray) -> Iterator[Alternative]:
    yield from other_fields(run, bottoms)
    yield from rounded(run, bottoms)


def _of_few_bits(run: LayerRun, side: str, before: float, nearest: Nearest) -> list[Cause]:
    """Quantised weights that the map is too small to solve."""
    weight = getattr(run.net.layer(run.first.name), "weight", None) if run.net else None
    if weight is None or weight.dim() < 2:
        return []
    found = nearest(with_weights(run, list(quantised(array(weight.double())))))
    return [_of_weights(run.first.name, side, *found, before)] if found else []


def _comes_from(side: str, what: str, after: float, before: float) -> Cause:
    measured = f"of the same inputs that makes {side}: relative error {after:.2g}, as the layer is: {before:.2g}"
    return Cause(f"{side} comes from {what}", measured)


def _of_weights(name: str, side: str, what: str, after: float, before: float) -> Cause:
    measured = f"{side} is what layer {name} makes like that: relative error {after:.2g} (as it is: {before:.2g})"
    if "ReLU" in what or "slopes" in what:
        return Cause(f"{side} comes from {what}", measured)
    return Cause(f"{side} has other weights of layer {name}: {what}", measured)


def _of_order(run: LayerRun, bottoms: Bottoms) -> Iterator[Alternative]:
    """The layers in place in another order."""
    in_place = range(1, len(run.layers))
    for order in itertools.islice(itertools.permutations(in_place), 1, 24):
        names = ", ".join(run.layers[i].name for i in order)
        yield Alternative(f"the layers in place in the order {names}", run.reordered(bottoms, (0, *order)))


def unexplained(run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What can be said if it is known which side is wrong, and not why."""
    sides = _right_and_wrong(run, bottoms, a, b)
    if sides is None:
        return []
    errors = f"relative error {sides.right_error:.2g}) and not {sides.name} ({sides.wrong_error:.2g}); "
    measured = f"of the same inputs that layer makes the other side ({errors}"
    return [of_other_weights(run, sides.name, measured, sides.wrong_error), *localised(a, b)]


def of_other_weights(run: LayerRun, side: str, measured: str = "", error: float = 0.0) -> Cause:
    """That a side is none of all that was tried. error: relative, if it is known."""
    what = "weights or settings" if run.net is not None else "settings"
    few_bits = "few bits (TF32, float16) or " if 0 < error < LOW_PRECISION else ""
    return Cause(
        f"{side} was computed with {few_bits}other {what} of layer {run.first.name}",
        f"{measured}none of the usual mistakes makes {side}",
    )
