"""Names what is likely wrong with an array that differs from its counterpart, by trying it.

Each suspicion (another order of axes or channels, a shift, a scale, fewer rows, another precision …) is an operation;
if it turns one side into the other, that is measured and said. What two dumps of a net, its layers and its weights
can tell beyond two arrays is in `layer_trials`; what a trace can, in `trace_cause`.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cpm_repro.array_comparison import common_dtype

EXPLAINED = 1e-4  # relative norm of what an explanation may leave over
ROUNDING, _LOW_PRECISION = 1e-5, 5e-3  # relative errors that sums in another order, or float16, stay below
_MOST_AXES = 5
OTHER_VALUES = "other values"
_NAMED_SCALES = {
    -1.0: "the opposite sign",
    256 / 255: "a division by 255 in place of 256 on one side",
    255 / 256: "a division by 255 in place of 256 on one side",
    256.0: "a division by 256 that one side lacks",
    1 / 256: "a division by 256 that one side lacks",
    255.0: "a division by 255 that one side lacks",
    1 / 255: "a division by 255 that one side lacks",
    2.0: "a factor of 2, such as that of dropout or of a batch counted twice",
    0.5: "a factor of 2, such as that of dropout or of a batch counted twice",
}


class Cause(NamedTuple):
    """A likely cause and the measurement that speaks for it."""

    what: str
    evidence: str


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖ in float64, and 1 for NaNs, for different shapes and where b is zero."""
    if a.shape != b.shape:
        return 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.linalg.norm(b.ravel().astype(np.float64))
        apart = np.linalg.norm(np.subtract(a, b, dtype=np.float64).ravel())
    return float(apart / size) if size > 0 and np.isfinite([size, apart]).all() else 1.0


def equal_bits(a: np.ndarray, b: np.ndarray) -> float:
    """Elements with the same value, in percent."""
    return 100.0 * float((a == b).mean()) if a.size else 100.0


def explains(changed: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether `changed`, made of `a`, is `b` up to rounding, and much nearer to it than `a` was."""
    after = distance(changed, b)
    return after <= EXPLAINED and after <= 0.1 * distance(a, b)


def evidence(how: str, changed: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    """The sentence that says what trying it gave."""
    before = f"before: {equal_bits(a, b):.3g} %" if a.shape == b.shape else f"before: shape {a.shape} against {b.shape}"
    return (
        f"{how}, {equal_bits(changed, b):.4g} % of the bits are equal ({before}) and the relative error is "
        f"{distance(changed, b):.2g}"
    )


def arrangements(a: np.ndarray, shape: tuple[int, ...]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(what, how, array of `shape`): the same values in other orders: channels, mirrored axes, exchanged axes."""
    axes = range(a.ndim)
    if a.shape == shape:
        for axis, count in ((i, a.shape[i]) for i in axes[:2]):
            if count in (3, 4):
                order = [2, 1, 0, *range(3, count)]
                yield "channels swapped, RGB against BGR", f"channels reversed on axis {axis}", np.take(a, order, axis)
        for flipped in [(i,) for i in axes] + ([(a.ndim - 2, a.ndim - 1)] if a.ndim > 1 else []):
            turned = len(flipped) == 2
            what = "turned by 180°, a convolution against Caffe's correlation" if turned else "mirrored"
            yield (
                what,
                f"reversed on axes {flipped}" if turned else f"reversed on axis {flipped[0]}",
                np.flip(a, flipped),
            )
    if a.size != np.prod(shape, dtype=np.int64) or a.ndim > _MOST_AXES:
        return
    for order in itertools.permutations(axes):
        moved = a.transpose(order)
        if moved.shape == shape and order != tuple(axes):
            yield f"axes transposed{_layout(order)}", f"transposed to axes {order}", moved
        elif moved.shape != shape:
            how = f"transposed to axes {order} and read as {shape}"
            yield f"axes transposed{_layout(order)} and the memory read in the old shape", how, moved.reshape(shape)


def _layout(order: tuple[int, ...]) -> str:
    names = {
        (0, 2, 3, 1): ", channels last (NHWC) against Caffe's NCHW",
        (0, 3, 1, 2): ", channels last (NHWC) against Caffe's NCHW",
        (0, 1, 3, 2): ", height and width (rows and columns) exchanged",
        (1, 0, 2, 3): ", inputs and outputs exchanged",
        (1, 0): ", rows and columns (inputs and outputs) exchanged",
    }
    return names.get(order, "")


def recognised(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What is likely wrong between two arrays of one name that differ; empty if nothing known fits."""
    if not all(array.dtype.kind in "fiub" for array in (a, b)):
        return [Cause("not numbers on both sides", f"{a.dtype} and {b.dtype}")]
    dtype = common_dtype(a.dtype, b.dtype)
    a, b = (np.asarray(array, dtype) for array in (a, b))
    if a.shape == b.shape and (found := _single(a, b) + _not_finite(a, b)):
        return found
    x, y = a.astype(np.float64), b.astype(np.float64)
    if x.shape == y.shape and x.ndim == 4 and x.shape[1] == 4 and np.array_equal(x[:, 3], y[:, 3]):
        x, y = x[:, :3], y[:, :3]  # a CPM's input whose centre map is as it should be
    for suspicion in (
        _one_sided,
        _rearranged,
        _part,
        _shifted,
        _precision,
        _rectified,
        _scaled,
        _channel_offsets,
        _border,
    ):
        if found := suspicion(x, y):
            return [found]
    return []


def _not_finite(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    bad = [~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool) for array in (a, b)]
    causes = []
    for side, other, where, fine in (("A", "B", *bad), ("B", "A", *bad[::-1])):
        only = where & ~fine
        if only.any():
            values = (a if side == "A" else b)[only]
            kind = "NaN" if np.isnan(values).any() else "Inf"
            index = tuple(int(i) for i in np.unravel_index(only.argmax(), a.shape))
            count = f"{only.sum():,} of {a.size:,} values"
            causes.append(Cause(f"{kind} in {side}", f"{count}, first at {index}; {other} is finite there"))
    return causes


def _single(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    bits = np.dtype(f"u{a.dtype.itemsize}")
    x, y = (np.ascontiguousarray(array).reshape(-1).view(bits) for array in (a, b))
    differing = np.flatnonzero(x != y)
    if differing.size != 1:
        return []
    place = int(differing[0])
    index = tuple(int(i) for i in np.unravel_index(place, a.shape))
    changed = int(x[place] ^ y[place])
    if changed.bit_count() > 1:
        values = f"{a[index]!s} in A, {b[index]!s} in B"
        finite = np.isfinite(a[index]) and np.isfinite(b[index])
        return [Cause("a single element", f"only element {index} differs: {values}")] if finite else []
    bit, width = changed.bit_length() - 1, 2 * a.dtype.itemsize
    shown = f"0x{int(x[place]):0{width}x} in A, 0x{int(y[place]):0{width}x} in B"
    return [Cause("a single flipped bit", f"only element {index} differs, by bit {bit}{_role(a.dtype, bit)}: {shown}")]


def _role(dtype: np.dtype, bit: int) -> str:
    if dtype.kind != "f":
        return ""
    mantissa, width = np.finfo(dtype).nmant, 8 * dtype.itemsize
    return " (the sign)" if bit == width - 1 else " (mantissa)" if bit < mantissa else " (exponent)"


def _one_sided(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, array, other in (("A", a, b), ("B", b, a)):
        if array.size and other.size and not array.any() and other.any():
            return Cause(f"{side} is all zero", f"{array.size:,} zeros against values up to {np.abs(other).max():.4g}")
    if a.shape == b.shape and a.ndim == 4 and a.shape[1] == 4 and np.array_equal(a[:, :3], b[:, :3]):
        for side, array in (("A", a), ("B", b)):
            if not array[:, 3].any():
                return Cause(
                    f"{side} lacks the centre map", "its channel 3 is all zero, the three of the image are equal"
                )
    return None


def _rearranged(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.size != b.size or not a.size or not _same_values(a, b):
        return None
    fitting = ((distance(new, b), what, how, new) for what, how, new in arrangements(a, b.shape) if explains(new, a, b))
    best = min(fitting, key=lambda fit: fit[0], default=None)
    if best is not None:
        return Cause(best[1], evidence(f"with A {best[2]}", best[3], a, b))
    return _channels_in_another_order(a, b)


def _same_values(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether both may hold the same values in some order."""
    return all(np.isclose(f(a), f(b), rtol=EXPLAINED, atol=0) for f in (np.linalg.norm, lambda v: np.abs(v).sum()))


def _channels_in_another_order(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.shape != b.shape or a.ndim < 2:
        return None
    places = {np.ascontiguousarray(a[:, c]).tobytes(): c for c in range(a.shape[1])}
    order = [places.get(np.ascontiguousarray(b[:, c]).tobytes()) for c in range(b.shape[1])]
    if None in order or order == sorted(order) or len(set(order)) < len(order):
        return None
    shown = str(order[:16]) if len(order) <= 16 else f"{order[:16]} …"
    return Cause("channels in another order", f"B's channels are A's channels {shown}, every bit equal")


def _part(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side is the other without some rows, columns, channels or images."""
    if a.ndim != b.ndim or a.shape == b.shape or not a.ndim:
        return None
    for side, small, large in (("A", a, b), ("B", b, a)):
        if any(s > t for s, t in zip(small.shape, large.shape, strict=True)):
            continue
        for ends in itertools.product((False, True), repeat=a.ndim):
            extra = [t - s for s, t in zip(small.shape, large.shape, strict=True)]
            if any(end and not more for end, more in zip(ends, extra, strict=True)):
                continue  # the same part as without `end`
            begin = [more if end else 0 for end, more in zip(ends, extra, strict=True)]
            cut = large[tuple(slice(s, s + n) for s, n in zip(begin, small.shape, strict=True))]
            if distance(small, cut) <= EXPLAINED:
                lacking = f"the other side's part of shape {small.shape} from {tuple(begin)} on"
                what = f"{side} lacks {_missing_part(small.shape, large.shape, ends)}"
                return Cause(what, f"{equal_bits(small, cut):.4g} % of its bits are those of {lacking}")
    return None


def _missing_part(small: tuple[int, ...], large: tuple[int, ...], ends: tuple[bool, ...]) -> str:
    if len(small) == 4 and (small[1], large[1]) == (3, 4) and small[2:] == large[2:]:
        return "the centre map"
    names = (
        ("image", "channel", "row", "column") if len(small) == 4 else tuple(f"of axis {i}" for i in range(len(small)))
    )
    parts = []
    for name, s, t, end in zip(names, small, large, ends, strict=True):
        if s < t:
            which = "first" if end else "last"
            parts.append(f"the {which} {name}" if t - s == 1 else f"the {which} {t - s} {name}s")
    rounded = set(parts) <= {"the last row", "the last column"}
    return " and ".join(parts) + (", which pooling that rounds down (floor) leaves out" if rounded else "")


def _shifted(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.shape != b.shape or a.ndim < 3:
        return None
    for steps in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)):
        back = (-steps[0], -steps[1])
        moved, still, target = _staying(a, steps), _staying(a, back), _staying(b, back)
        if moved.size and explains(moved, still, target):
            along = " and ".join(f"{step:+d} along {name}" for step, name in zip(steps, "HW", strict=True) if step)
            return Cause(f"shifted by one ({along})", evidence(f"with A moved by {along}", moved, still, target))
    return None


def _staying(array: np.ndarray, steps: tuple[int, int]) -> np.ndarray:
    """The part of the maps that stays within them if they are moved by `steps` (rows, columns)."""
    rows, columns = (slice(max(-s, 0), n - max(s, 0)) for s, n in zip(steps, array.shape[-2:], strict=True))
    return array[..., rows, columns]


def _precision(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side holds the other's values rounded to fewer bits."""
    if a.shape != b.shape or not a.size:
        return None
    for side, coarse, fine in (("A", a, b), ("B", b, a)):
        for name, rounded in (("float16", _as_float16(fine)), ("bfloat16", _as_bfloat16(fine))):
            if np.array_equal(coarse, rounded):
                return Cause(
                    f"{side} is rounded to {name}", f"with the other side rounded to {name} all values are equal"
                )
        low_bits = fine.astype(np.float32).view(np.uint32), coarse.astype(np.float32).view(np.uint32)
        if not (low_bits[1] & 0x1FFF).any() and (low_bits[0] & 0x1FFF).any() and distance(coarse, fine) < 1e-2:
            return Cause(
                f"{side} has the precision of TF32, float16 or less",
                f"the lowest 13 bits of all its {coarse.size:,} values are zero, the relative error is "
                f"{distance(coarse, fine):.2g}",
            )
    return None


def _as_float16(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float64)


def _as_bfloat16(values: np.ndarray) -> np.ndarray:
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32).astype(np.float64)


def _rectified(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, other, array, target in (("B", "A", a, b), ("A", "B", b, a)):
        if explains(np.maximum(array, 0), array, target):
            what = f"a ReLU that {other} lacks"
            return Cause(
                what, evidence(f"with {other} rectified, max(x, 0) as in {side}", np.maximum(array, 0), array, target)
            )
    return None


def _scaled(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """b = scale · a + offset, by least squares."""
    if a.shape != b.shape or a.size < 3 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return None
    mean_a, mean_b = a.mean(), b.mean()
    spread = float(((a - mean_a) ** 2).sum())
    if not spread:
        return None
    for scale, offset in (
        (float((a * b).sum() / (a * a).sum()), 0.0),
        (slope := float(((a - mean_a) * (b - mean_b)).sum() / spread), float(mean_b - slope * mean_a)),
    ):
        fitted = scale * a + offset
        if explains(fitted, a, b) and np.linalg.norm((fitted - b).ravel()) <= EXPLAINED * np.linalg.norm(
            (b - mean_b).ravel()
        ):
            return Cause(_scale_name(scale, offset), evidence(f"with {scale:.7g} · A {offset:+.5g}", fitted, a, b))
    return None


def _scale_name(scale: float, offset: float) -> str:
    named = next((f": {name}" for value, name in _NAMED_SCALES.items() if abs(scale / value - 1) < 1e-4), "")
    if abs(offset) < 1e-6:
        return f"a constant factor of {scale:.6g}{named}"
    if abs(scale - 1) < 1e-6:
        halves = ": the 128/256 that Caffe's input has subtracted" if abs(abs(offset) - 0.5) < 1e-4 else ""
        return f"a constant offset of {offset:.6g}{halves}"
    return f"a factor of {scale:.6g} and an offset of {offset:.6g}{named}"


def _channel_offsets(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.shape != b.shape or a.ndim < 3 or a.shape[1] < 2 or not np.isfinite(a - b).all():
        return None
    axes = (0, *range(2, a.ndim))
    offsets = (b - a).mean(axes, keepdims=True)
    if not explains(a + offsets, a, b):
        return None
    shown = ", ".join(f"{offset:.4g}" for offset in offsets.ravel()[:4])
    return Cause(
        "a constant per channel, such as a bias or a mean image",
        evidence(f"with {shown}, … added to A's channels", a + offsets, a, b),
    )


def _border(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Only the last rows and columns differ."""
    if a.shape != b.shape or a.ndim != 4 or min(a.shape[2:]) < 4:
        return None
    differs = (a != b).any((0, 1))
    if not differs.any() or differs[:-1, :-1].any():
        return None
    parts = [name for name, part in (("row", differs[-1, :-1]), ("column", differs[:-1, -1])) if part.any()]
    what = f"only the last {' and the last '.join(parts) or 'corner'} differ: windows over the edge were left out"
    measured = f"all {int((a != b).sum()):,} differences are there, the rest is equal"
    return Cause(f"{what} (pooling that rounds down, floor, and was filled up?)", measured)


def by_size(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What place and size of the error alone suggest."""
    if a.shape != b.shape:
        return [Cause("another shape", f"{a.shape} against {b.shape}")]
    a, b = a.astype(np.float64), b.astype(np.float64)
    apart = distance(a, b)
    cosine = float((a * b).sum() / max(np.linalg.norm(a.ravel()) * np.linalg.norm(b.ravel()), 1e-300))
    measured = f"the relative error is {apart:.2g}, the cosine {cosine:.6f}"
    if apart < ROUNDING:
        return [
            Cause("rounding: the same sums in another order (another engine, library or number of threads)", measured)
        ]
    causes = localised(a, b)
    if apart < _LOW_PRECISION:
        causes.append(Cause("arithmetic of low precision (TF32, float16), or a small change of the inputs", measured))
    return causes or [Cause(OTHER_VALUES, measured)]


def localised(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """One index of an axis that holds all differences, such as one channel."""
    differs = a != b
    names = {0: "image", 1: "channel"} if a.ndim == 4 else {}
    for axis in range(a.ndim):
        where = np.flatnonzero(differs.any(tuple(i for i in range(a.ndim) if i != axis)))
        if a.shape[axis] > 2 and where.size == 1:
            name = names.get(axis, f"index of axis {axis}:")
            share = f"all {differs.sum():,} differences are in it; the other {a.shape[axis] - 1} are equal"
            return [Cause(f"only {name} {where[0]} differs", share)]
    return []
