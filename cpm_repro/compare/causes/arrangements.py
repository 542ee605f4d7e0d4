"""The same values in another order or place: axes, channels, images, mirrored, shifted, cut or resized; or some of them
left out: channels that are empty, dropout."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from data_lmdb.joints import PARTS, mirrored

from .cause import EXPLAINED, ROUNDING, Cause, distance, equal_bits, evidence, explains

BLOB_AXES = ("image", "channel", "row", "column")
WEIGHT_AXES = ("output", "input", "row", "column")
_MOST_AXES = 5
_SHOWN = 8
_WAYS = {-1: " from left to right", -2: " upside down"}


class Arrangement(NamedTuple):
    """What it means if one side is the other like that, how it was made, and the values."""

    what: str
    how: str
    values: np.ndarray


def arrangements(a: np.ndarray, shape: tuple[int, ...], axes: tuple[str, ...] = BLOB_AXES) -> Iterator[Arrangement]:
    """`a` in other orders, as arrays of `shape`: channels, sides of the body, mirrored axes, exchanged axes."""
    if a.shape == shape:
        yield from _channels(a)
        yield from _sides(a)
        yield from _reversed(a, axes)
    yield from _turned(a, shape)
    if a.shape != shape and a.size == np.prod(shape, dtype=np.int64):
        what = "the same values in the same order, but in another shape"
        yield Arrangement(what, f"read as {shape}", a.reshape(shape))
    if a.size == np.prod(shape, dtype=np.int64) and a.ndim <= _MOST_AXES:
        yield from _transposed(a, shape)


def _channels(a: np.ndarray) -> Iterator[Arrangement]:
    for axis, count in ((i, a.shape[i]) for i in range(min(a.ndim, 2))):
        if count in (3, 4):
            order = [2, 1, 0, *range(3, count)]
            yield Arrangement(
                "channels swapped, RGB against BGR", f"channels reversed on axis {axis}", np.take(a, order, axis)
            )


def _sides(a: np.ndarray) -> Iterator[Arrangement]:
    """Belief maps, or labels and belief maps, with the parts of the left for those of the right."""
    for parts, names in PARTS.items() if a.ndim == 4 else ():
        if a.shape[1] not in (parts, parts + 1, 2 * (parts + 1)):
            continue
        maps = parts if a.shape[1] == parts else parts + 1
        order = [*mirrored(names), *range(parts, maps)]
        order = [start + part for start in range(0, a.shape[1], maps) for part in order]
        exchanged = a[:, order]
        yield Arrangement("left and right exchanged", "maps of left and right parts exchanged", exchanged)
        how = "maps of left and right parts exchanged and reversed on axis 3"
        yield Arrangement("mirrored, left and right parts with it", how, exchanged[..., ::-1])


def _reversed(a: np.ndarray, axes: tuple[str, ...]) -> Iterator[Arrangement]:
    for axis in range(a.ndim):
        named = a.ndim == 4 and axis < 2
        what = (
            f"{axes[axis]}s in reversed order" if named else "mirrored" + _WAYS.get(axis - a.ndim, "") * (a.ndim == 4)
        )
        yield Arrangement(what, f"reversed on axis {axis}", np.flip(a, axis))
    if a.ndim > 1:
        last = (a.ndim - 2, a.ndim - 1)
        what = "turned by 180°, a convolution against Caffe's correlation"
        yield Arrangement(what, f"reversed on axes {last}", np.flip(a, last))


def _turned(a: np.ndarray, shape: tuple[int, ...]) -> Iterator[Arrangement]:
    """By quarters: photographs whose orientation was not read, or was read twice."""
    for times, way in ((1, "to the left"), (-1, "to the right")) if a.ndim > 2 else ():
        turned = np.rot90(a, times, (-2, -1))
        if turned.shape == shape:
            yield Arrangement(f"turned by 90° {way}", f"turned by 90° {way}", turned)


def _transposed(a: np.ndarray, shape: tuple[int, ...]) -> Iterator[Arrangement]:
    for order in itertools.permutations(range(a.ndim)):
        moved = a.transpose(order)
        if moved.shape == shape and order != tuple(range(a.ndim)):
            yield Arrangement(f"axes transposed{_layout(order)}", f"transposed to axes {order}", moved)
        elif moved.shape != shape:
            how = f"transposed to axes {order} and read as {shape}"
            what = f"axes transposed{_layout(order)} and the memory read in the old shape"
            yield Arrangement(what, how, moved.reshape(shape))
            if a.shape == shape:
                back = a.reshape(moved.shape).transpose(np.argsort(order))
                how = f"read as {moved.shape} and its axes {order} put back"
                yield Arrangement(f"the memory of axes{_layout(order)} read in Caffe's order", how, back)


def _layout(order: tuple[int, ...]) -> str:
    names = {
        (0, 2, 3, 1): ", channels last (NHWC) against Caffe's NCHW",
        (0, 3, 1, 2): ", channels last (NHWC) against Caffe's NCHW",
        (0, 1, 3, 2): ", height and width (rows and columns) exchanged",
        (1, 0, 2, 3): ", inputs and outputs exchanged",
        (1, 0): ", rows and columns (inputs and outputs) exchanged",
        (3, 2, 1, 0): ", all in reversed order, as MATLAB has them",
    }
    return names.get(order, "")


def rearranged(a: np.ndarray, b: np.ndarray, axes: tuple[str, ...] = BLOB_AXES) -> Cause | None:
    """B holds A's values in another order."""
    if a.size != b.size or not a.size or not _same_values(a, b):
        return None
    fitting = ((distance(new.values, b), new) for new in arrangements(a, b.shape, axes) if explains(new.values, a, b))
    _, best = min(fitting, key=lambda fit: fit[0], default=(0, None))
    if best is not None:
        return Cause(best.what, evidence(f"with A {best.how}", best.values, a, b))
    return next(filter(None, (_slices_in_another_order(a, b, axis, axes) for axis in (1, 0))), None)


def _same_values(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether both may hold the same values in some order."""
    return all(np.isclose(f(a), f(b), rtol=EXPLAINED, atol=0) for f in (np.linalg.norm, lambda v: np.abs(v).sum()))


def _slices_in_another_order(a: np.ndarray, b: np.ndarray, axis: int, axes: tuple[str, ...]) -> Cause | None:
    if a.shape != b.shape or a.ndim < 2 or a.shape[axis] < 2:
        return None
    places = {np.ascontiguousarray(one).tobytes(): i for i, one in enumerate(np.moveaxis(a, axis, 0))}
    order = [places.get(np.ascontiguousarray(one).tobytes(), -1) for one in np.moveaxis(b, axis, 0)]
    if -1 in order or order == sorted(order) or len(set(order)) < len(order):
        return None
    shown = str(order[:16]) if len(order) <= 16 else f"{order[:16]} …"
    what = f"{axes[axis]}s"
    if (axis, order) == (1, [3, 0, 1, 2]):
        return Cause(
            "channels in another order, the fourth (a CPM's centre map) first", f"every bit of B is one of A's, {shown}"
        )
    return Cause(f"{what} in another order", f"B's {what} are A's {what} {shown}, every bit equal")


def part(a: np.ndarray, b: np.ndarray, axes: tuple[str, ...] = BLOB_AXES) -> Cause | None:
    """One side is the other without some rows, columns, channels or images, or one of its images alone."""
    if abs(a.ndim - b.ndim) == 1:
        return _one_image(a, b)
    if a.ndim != b.ndim or a.shape == b.shape or not a.ndim:
        return None
    for side, small, large in (("A", a, b), ("B", b, a)):
        extra = [t - s for s, t in zip(small.shape, large.shape, strict=True)]
        for ends in itertools.product((False, True), repeat=a.ndim) if min(extra) >= 0 else ():
            if any(end and not more for end, more in zip(ends, extra, strict=True)):
                continue  # the same part as without `end`
            begin = [more if end else 0 for end, more in zip(ends, extra, strict=True)]
            cut = large[tuple(slice(s, s + n) for s, n in zip(begin, small.shape, strict=True))]
            if distance(small, cut) <= EXPLAINED:
                lacking = f"the other side's part of shape {small.shape} from {tuple(begin)} on"
                what = f"{side} lacks {_missing_part(small.shape, large.shape, ends, axes)}"
                return Cause(what, f"{equal_bits(small, cut):.4g} % of its bits are those of {lacking}")
    return None


def _one_image(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, other, small, large in (("A", "B", a, b), ("B", "A", b, a)):
        for i, image in enumerate(large if large.ndim > small.ndim and large.shape[1:] == small.shape else ()):
            if distance(small, image) <= EXPLAINED:
                shown = f"{equal_bits(small, image):.4g} % of its bits are those of {other}'s {i} along axis 0"
                return Cause(f"{side} lacks the axis of images, and holds image {i} alone", shown)
    return None


def _missing_part(small: tuple[int, ...], large: tuple[int, ...], ends: tuple[bool, ...], axes: tuple[str, ...]) -> str:
    if len(small) == 4 and (small[1], large[1]) == (3, 4) and small[2:] == large[2:]:
        return "the centre map"
    names = axes if len(small) == 4 else tuple(f"of axis {i}" for i in range(len(small)))
    parts = []
    for name, s, t, end in zip(names, small, large, ends, strict=True):
        if s < t:
            which = "first" if end else "last"
            many = f"{t - s} {name}s" if len(small) == 4 else f"{t - s} {name}"
            parts.append(f"the {which} {name}" if t - s == 1 else f"the {which} {many}")
    rounded = set(parts) <= {"the last row", "the last column"}
    return " and ".join(parts) + (", which pooling that rounds down (floor) leaves out" if rounded else "")


def shifted(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """B's maps are A's, moved by whole pixels."""
    if a.shape != b.shape or a.ndim < 3 or not np.isfinite([a.sum(), b.sum()]).all():
        return None
    for steps in dict.fromkeys((*itertools.product((0, 1, -1), repeat=2), _likely_shift(a, b))):
        down, right = steps
        back = (-down, -right)
        moved, still, target = _staying(a, (down, right)), _staying(a, back), _staying(b, back)
        if any(steps) and moved.size and explains(moved, still, target):
            along = " and ".join(f"{step:+d} along {name}" for step, name in zip(steps, "HW", strict=True) if step)
            by = "one" if max(map(abs, steps)) == 1 else f"{max(map(abs, steps))} pixels"
            return Cause(f"shifted by {by} ({along})", evidence(f"with A moved by {along}", moved, still, target))
    return None


def _likely_shift(a: np.ndarray, b: np.ndarray) -> tuple[int, int]:
    """(rows, columns) at which the liveliest map of both correlates best; (0, 0) beyond a quarter of the map."""
    flat_a, flat_b = a.reshape(-1, *a.shape[-2:]), b.reshape(-1, *b.shape[-2:])
    liveliest = int(flat_a.var(axis=(1, 2)).argmax())
    one, other = (flat[liveliest] - flat[liveliest].mean() for flat in (flat_a, flat_b))
    correlation = np.fft.irfft2(np.fft.rfft2(other) * np.conj(np.fft.rfft2(one)), s=one.shape)
    peak = np.unravel_index(correlation.argmax(), one.shape)
    down, right = (int(p) - n if p > n // 2 else int(p) for p, n in zip(peak, one.shape, strict=True))
    near = all(4 * abs(step) <= n for step, n in zip((down, right), one.shape, strict=True))
    return (down, right) if near else (0, 0)


def _staying(array: np.ndarray, steps: tuple[int, int]) -> np.ndarray:
    """The part of the maps that stays within them if they are moved by `steps` (rows, columns)."""
    rows, columns = (slice(max(-s, 0), n - max(s, 0)) for s, n in zip(steps, array.shape[-2:], strict=True))
    return array[..., rows, columns]


def whole_maps(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Of two blobs (N, C, H, W): which of one side's maps are empty, or how all are resized."""
    if a.ndim != 4 or b.ndim != 4 or a.shape[:2] != b.shape[:2]:
        return None
    if a.shape != b.shape:
        return _resized(a, b)
    for side, one, other in (("B", b, a), ("A", a, b)):
        if cause := _channels_gone(side, one, other) or _maps_dropped(side, one, other):
            return cause
    return None


def _channels_gone(side: str, one: np.ndarray, other: np.ndarray) -> Cause | None:
    gone = ~one.any((0, 2, 3)) & other.any((0, 2, 3))
    if not gone.any() or gone.all() or not np.array_equal(one[:, ~gone], other[:, ~gone]):
        return None
    channels = np.flatnonzero(gone)
    which = ", ".join(str(c) for c in channels[:_SHOWN]) + (", …" if len(channels) > _SHOWN else "")
    many = "channels" if len(channels) > 1 else "channel"
    return Cause(f"{many} {which} of {side} all zero: outputs pruned or left out", "the others are equal")


def _maps_dropped(side: str, one: np.ndarray, other: np.ndarray) -> Cause | None:
    empty = ~one.any((2, 3)) & other.any((2, 3))
    kept, whole = one[~empty], other[~empty]
    size = float((whole * whole).sum())
    scale = float((kept * whole).sum()) / size if size else 0.0
    if not empty.any() or scale <= 1 + EXPLAINED or distance(scale * whole, kept) > ROUNDING:
        return None
    measured = f"{empty.sum()} of {empty.size} maps are all zero, the others {scale:.4g} times as large"
    return Cause(f"dropout of whole maps (Dropout2d) is at work in {side}", measured)


def _resized(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, one, other in (("B", a, b), ("A", b, a)):
        x, size = torch.from_numpy(np.ascontiguousarray(one)), other.shape[2:]
        tried = [("by nearest neighbour", functional.interpolate(x, size, mode="nearest"))]
        for mode in ("bilinear", "bicubic"):
            for aligned, means in ((False, "half-pixel"), (True, "corners aligned")):
                made = functional.interpolate(x, size, mode=mode, align_corners=aligned)
                tried.append((f"{mode}, {means} (align_corners={aligned})", made))
        tried.append(("by means over areas", functional.interpolate(x, size, mode="area")))
        for how, made in tried:
            if (left := distance(made.numpy(), other)) <= EXPLAINED:
                what = f"{side} is resized to {size[0]}×{size[1]} from {one.shape[2]}×{one.shape[3]}, {how}"
                return Cause(what, f"relative error {left:.2g}")
    return None


def dropped(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side's values are zero here and there, and times 1 / (1 − ratio) elsewhere."""
    if a.shape != b.shape or a.size < 50:
        return None
    for side, dropped, whole in (("A", a, b), ("B", b, a)):
        zero, kept = (dropped == 0) & (whole != 0), (dropped != 0) & (whole != 0)
        if not kept.any() or not zero.any():
            continue
        count = int(zero.sum() + kept.sum())
        ratio = int(zero.sum()) / count
        scale = float(dropped[kept] @ whole[kept] / (whole[kept] @ whole[kept]))
        fits = distance(scale * whole[kept], dropped[kept]) < 1e-5 and not dropped[whole == 0].any()
        chance = 4 * math.sqrt(ratio * (1 - ratio) / count)  # as so many draws may have it
        if fits and 0.02 < ratio < 0.98 and (abs(1 - 1 / scale - ratio) < 0.05 + chance or abs(scale - 1) < 0.1):
            return Cause(
                f"dropout is at work in {side}",
                f"{ratio:.1%} of the other side's values are zero in {side}, the rest is {scale:.4g} times as large",
            )
    return None
