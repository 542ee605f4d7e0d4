"""Names what is likely wrong with an array that differs from its counterpart, by trying it.

Each suspicion (another order, a shift, a scale, fewer rows, another precision …) is an operation; if it turns one side
into the other, that is measured and said. What two dumps of a net, its layers and its weights can tell beyond two
arrays is in `layers`; what a trace can, in `traces`.
"""

from collections.abc import Callable

import numpy as np

from cpm_repro.array_comparison import common_dtype

from .arrangements import BLOB_AXES, WEIGHT_AXES, dropped, part, rearranged, shifted, whole_maps
from .cause import (
    LOW_PRECISION,
    OTHER_VALUES,
    ROUNDING,
    Cause,
    as_bfloat16,
    as_float16,
    distance,
    evidence,
    explains,
)
from .pictures import empty_images, other_peak, picture_causes, repeated
from .places import border, in_one_place, localised
from .scales import mean_image, rearranged_and_scaled, said_of_regions, scaled, scaled_per_channel, scaled_per_image

_SAMPLE = 100_000  # values
_LEVELS = 100  # values, from which few different ones are steps
_LEAST_STEP = 0.2  # of a step: the least that some value must be off, if it is no rounding
_COARSE = 0.05  # relative error that arithmetic of few bits may have after some layers
_NO_ROUNDING = 1.05  # times: what sums in another order make of no value above 0
_SMALL = 0.35  # negative values relative to the positive ones (root mean square): leaky, rather than not rectified
_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "absolute value": np.abs,
    "square": np.square,
    "logarithm": np.log,
    "softmax over the channels": lambda x: _softmax(x),
}


def recognised(a: np.ndarray, b: np.ndarray, axes: tuple[str, ...] = BLOB_AXES, is_input: bool = False) -> list[Cause]:
    """What is likely wrong between two arrays of one name that differ; empty if nothing known fits.

    axes: what the four axes of such an array are called. is_input: whether nothing but a data layer made it; pixels of
    8 bits have few digits of themselves.
    """
    if not all(array.dtype.kind in "fiub" for array in (a, b)):
        return [Cause("not numbers on both sides", f"{a.dtype} and {b.dtype}")]
    if found := damaged(a, b):
        return found
    x, y = (np.asarray(array, common_dtype(a.dtype, b.dtype)).astype(np.float64) for array in (a, b))
    if x.shape == y.shape:  # what is not finite is so on both sides
        x, y = (np.where(np.isfinite(x) & np.isfinite(y), values, 0) for values in (x, y))
        if np.array_equal(x, y):
            return [Cause("signs of zeros alone, -0 for 0", "all values are equal")]
    if x.shape == y.shape and x.ndim == 4 and x.shape[1] == 4 and not np.array_equal(x, y):
        return _of_cpm_input(x, y, axes, is_input)
    return _of_numbers(x, y, axes, is_input)


def _of_cpm_input(x: np.ndarray, y: np.ndarray, axes: tuple[str, ...], is_input: bool) -> list[Cause]:
    """Of four channels: as a whole, and else the picture and the centre map for themselves."""
    centre = _centre_map(x, y)
    if centre or np.array_equal(x[:, 3], y[:, 3]):
        return [centre] if centre else _of_numbers(x[:, :3], y[:, :3], axes, is_input)
    if not is_input:
        return _of_numbers(x, y, axes, is_input)
    if whole := rearranged(x, y, axes) or shifted(x, y) or _one_sided(x, y) or empty_images(x, y) or repeated(x, y):
        return [whole]
    if (x == y).all((1, 2, 3)).any():
        return in_one_place(x, y, lambda x, y: _of_cpm_input(x, y, axes, is_input))
    same = np.concatenate([x[:, :3], y[:, 3:]], 1)
    of_centre = _centre_map(x, same)
    picture = _of_numbers(x[:, :3], y[:, :3], axes, is_input) or by_size(x[:, :3], y[:, :3])
    return [*picture, *([of_centre] if of_centre else [])]


def _of_numbers(x: np.ndarray, y: np.ndarray, axes: tuple[str, ...], is_input: bool) -> list[Cause]:
    suspicions: tuple[Callable[[np.ndarray, np.ndarray], Cause | None], ...] = (
        _one_sided,
        lambda a, b: rearranged(a, b, axes),
        lambda a, b: part(a, b, axes),
        shifted,
        said_of_regions,
        lambda a, b: _cut_at_zero(a, b) if is_input else _rectified(a, b),
        whole_maps,
        scaled,
        scaled_per_channel,
        lambda a, b: mean_image(a, b) if is_input else None,
        lambda a, b: None if is_input else _quantised(a, b) or _precision(a, b) or _cut_off(a, b),
        repeated,
        _other_constant,
        border,
        lambda a, b: None if is_input else _small_left_out(a, b, axes == WEIGHT_AXES),
        lambda a, b: None if axes == WEIGHT_AXES else _in_one_place(a, b, is_input) or dropped(a, b),
        _function,
        other_peak,
    )
    for suspicion in suspicions:
        if cause := suspicion(x, y):
            return [cause]
    if is_input and (cause := empty_images(x, y) or scaled_per_image(x, y)):
        return [cause]
    return rearranged_and_scaled(x, y, axes) or (picture_causes(x, y) if is_input else [])


def _in_one_place(x: np.ndarray, y: np.ndarray, is_input: bool) -> Cause | None:
    return next(iter(in_one_place(x, y, lambda x, y: _of_numbers(x, y, BLOB_AXES, is_input))), None)


def same_values(a: np.ndarray, b: np.ndarray, axes: tuple[str, ...] = BLOB_AXES) -> list[Cause]:
    """If both hold the same values to the bit, in which other order; or if one is the other, rounded."""
    if not all(array.dtype.kind == "f" for array in (a, b)):
        return []
    x, y = a.astype(np.float64), b.astype(np.float64)
    same = a.size == b.size and bool(np.isclose(x.sum(), y.sum(), rtol=1e-9, atol=1e-12 * float(np.abs(x).sum())))
    same = same and np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None))
    cause = rearranged(x, y, axes) if same else _quantised(x, y) or _precision(x, y) or _cut_off(x, y) or repeated(x, y)
    return [] if cause is None else [cause]


def damaged(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """A single element, or values that are not finite on one side only."""
    if a.shape != b.shape or not all(array.dtype.kind in "fiub" for array in (a, b)):
        return []
    dtype = common_dtype(a.dtype, b.dtype)
    a, b = (np.asarray(array, dtype) for array in (a, b))
    return _single(a, b) or _turned_bytes(a, b) or _not_finite(a, b)


def _turned_bytes(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    if a.dtype.itemsize == 1 or np.array_equal(a, b) or a.byteswap().tobytes() != b.tobytes():
        return []
    return [Cause("each number's bytes are in reversed order: written big-endian, read little-endian", "all bits are")]


def _not_finite(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    bad = [~np.isfinite(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool) for array in (a, b)]
    causes = []
    for side, other, (where, fine) in (("A", "B", bad), ("B", "A", bad[::-1])):
        only: np.ndarray = where & ~fine
        if only.any():
            values = (a if side == "A" else b)[only]
            kind = "NaN" if np.isnan(values).any() else "Inf"
            index = tuple(int(i) for i in np.unravel_index(only.argmax(), a.shape))
            count = f"{only.sum():,} of {a.size:,} values{_in_one_channel(only)}"
            causes.append(Cause(f"{kind} in {side}", f"{count}, first at {index}; {other} is finite there"))
    return causes


def _in_one_channel(only: np.ndarray) -> str:
    channels = np.flatnonzero(only.any((0, *range(2, only.ndim)))) if only.ndim > 2 else np.zeros(0)
    return f", all in channel {channels[0]}" if len(channels) == 1 < min(only.shape[1], int(only.sum())) else ""


def _single(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    bits = np.dtype(f"u{a.dtype.itemsize}")
    x, y = (np.ascontiguousarray(array).reshape(-1).view(bits) for array in (a, b))
    differing = np.flatnonzero(x != y)
    if differing.size != 1 or a.size == 1:  # a loss is not damaged for being another
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
    return None


def _centre_map(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Of a CPM's input only the fourth channel differs."""
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 4 or not np.array_equal(a[:, :3], b[:, :3]):
        return None
    one, other = a[:, 3], b[:, 3]
    for side, array in (("A", one), ("B", other)):
        if not array.any():
            return Cause(f"{side} lacks the centre map", "its channel 3 is all zero, the three of the image are equal")
        if not np.ptp(array):
            return Cause(f"{side}'s centre map is {array.flat[0]:.6g} everywhere", "the image's channels are equal")
    found = rearranged(one, other) or scaled(one, other) or _precision(one, other) or other_peak(one, other)
    found = found or empty_images(a[:, 3:], b[:, 3:])
    within = Cause("other values, of which no one Gaussian's peak, sigma or height is the reason", "")
    what, measured = found or within
    return Cause(f"the centre map alone differs: {what}", measured or f"relative error {distance(one, other):.2g}")


def _quantised(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side holds the other's values rounded to steps of one size."""
    if a.shape != b.shape or a.size < _LEVELS:
        return None
    for side, coarse, fine in (("A", a, b), ("B", b, a)):
        if np.unique(coarse.ravel()[:_SAMPLE]).size > _SAMPLE // 2:
            continue
        levels = np.unique(coarse)
        if levels.size < 3 or 4 * levels.size > coarse.size:
            continue
        step = float(np.diff(levels).min())
        places = (coarse - levels[0]) / step
        most = float(np.abs(coarse - fine).max())
        if (
            np.abs(places - np.rint(places)).max() < 1e-2
            and _LEAST_STEP * step < most <= 1.01 * step
            and np.unique(fine).size > levels.size
        ):
            measured = (
                f"its {coarse.size:,} values are {levels.size:,} different ones; none is off by more than {most:.3g}"
            )
            return Cause(f"{side} is quantised in steps of {step:.6g}", measured)
    return None


def _cut_off(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side is the other, limited from above."""
    if a.shape != b.shape or not a.size:
        return None
    for side, cut, whole in (("A", a, b), ("B", b, a)):
        top = cut.max()
        if np.isfinite(top) and (cut == top).sum() > 1 and np.array_equal(np.minimum(whole, top), cut):
            return Cause(
                f"{side} is cut off at {top:.6g}", f"{(whole > top).sum():,} of {cut.size:,} values are above it"
            )
    return None


def _precision(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """One side holds the other's values rounded to fewer bits."""
    if a.shape != b.shape or not a.size or distance(a, b) < ROUNDING:
        return None
    for side, coarse, fine in (("A", a, b), ("B", b, a)):
        some, theirs = coarse.ravel()[:_SAMPLE], fine.ravel()[:_SAMPLE]
        for name, rounded in (("float16", as_float16), ("bfloat16", as_bfloat16)):
            if np.array_equal(some, rounded(theirs)) and np.array_equal(coarse, rounded(fine)):
                return Cause(
                    f"{side} is rounded to {name}", f"with the other side rounded to {name} all values are equal"
                )
        low_bits = fine.astype(np.float32).view(np.uint32), coarse.astype(np.float32).view(np.uint32)
        if distance(coarse, fine) < _COARSE and not (low_bits[1] & 0x1FFF).any() and (low_bits[0] & 0x1FFF).any():
            return Cause(
                f"{side} has the precision of TF32, float16 or less",
                f"the lowest 13 bits of all its {coarse.size:,} values are zero, the relative error is "
                f"{distance(coarse, fine):.2g}",
            )
    return None


def _rectified(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, other, array, target in (("B", "A", a, b), ("A", "B", b, a)):
        rectified = np.maximum(array, 0)
        if explains(rectified, array, target):
            measured = evidence(f"with {other} rectified, max(x, 0) as in {side}", rectified, array, target)
            negative, positive = (np.sqrt(np.square(part).mean()) for part in (array[array < 0], array[array > 0]))
            small = negative / positive
            if small > _SMALL:
                return Cause(f"a ReLU that {other} lacks", measured)
            return Cause(
                f"a ReLU that {other} lacks, or {other}'s is leaky",
                f"{measured}; {other}'s negative values are {small:.2g} of its positive ones in size",
            )
    return None


def _cut_at_zero(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Of an input, which no layer rectifies."""
    for side, array, target in (("B", a, b), ("A", b, a)):
        rectified = np.maximum(array, 0)
        if explains(rectified, array, target):
            measured = evidence(f"with max(x, 0) as in {side}", rectified, array, target)
            return Cause(f"{side} is cut off at 0: its negative values are 0 (unsigned numbers, a ReLU)", measured)
    return None


def _small_left_out(a: np.ndarray, b: np.ndarray, of_weights: bool) -> Cause | None:
    """One side's values are zero where the other's are smallest, and equal elsewhere."""
    if a.shape != b.shape:
        return None
    for side, fewer, whole in (("A", a, b), ("B", b, a)):
        gone, kept = (fewer == 0) & (whole != 0), fewer != 0
        if not gone.any() or not kept.any() or distance(fewer[kept], whole[kept]) > ROUNDING:
            continue
        limit = float(np.abs(whole[gone]).max())
        if limit <= np.abs(whole[kept]).min():
            why = "pruned" if of_weights else "a threshold, or numbers too small for the other's arithmetic (denormals)"
            what = f"the smallest, up to {limit:.4g}, are 0 in {side}: {why}"
            return Cause(what, f"{gone.sum():,} are, of {a.size:,}")
    return None


def _function(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.shape != b.shape:
        return None
    for other, array, target in (("A", a, b), ("B", b, a)):
        for name, function in _FUNCTIONS.items():
            with np.errstate(all="ignore"):
                made = function(array)
            if np.isfinite(made).all() and explains(made, array, target):
                what = f"a {name} that {other} lacks" if name[0] != "a" else f"an {name} that {other} lacks"
                return Cause(what, evidence(f"with the {name} of {other}", made, array, target))
    return None


def _softmax(x: np.ndarray) -> np.ndarray:
    if x.ndim < 2:
        return np.full_like(x, np.nan)
    shifted_to_0 = np.exp(x - x.max(axis=1, keepdims=True))
    shares: np.ndarray = shifted_to_0 / shifted_to_0.sum(axis=1, keepdims=True)
    return shares


def _other_constant(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """All differences are where both sides are constant, each with its own value."""
    if a.shape != b.shape:
        return None
    differs = a != b
    one, other = a[differs], b[differs]
    if not 1 < one.size < a.size or np.ptp(one) or np.ptp(other):
        return None
    if np.isin(a[~differs], (one[0], other[0])).all():  # they have two values everywhere, as a threshold's
        return None
    return Cause(
        "another constant where there is nothing, as padding has",
        f"all {one.size:,} differences are {one[0]:.6g} in A and {other[0]:.6g} in B, the other {a.size - one.size:,} "
        "values are equal",
    )


def by_size(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What place and size of the error alone suggest."""
    if a.shape != b.shape:
        return [Cause("another shape", f"{a.shape} against {b.shape}")]
    a, b = a.astype(np.float64), b.astype(np.float64)
    apart = distance(a, b)
    cosine = float((a * b).sum() / max(np.linalg.norm(a.ravel()) * np.linalg.norm(b.ravel()), 1e-300))
    measured = f"the relative error is {apart:.2g}, the cosine {cosine:.6f}"
    if apart < ROUNDING and (times := _factors_of_small(a, b)) > _NO_ROUNDING:
        largest = "values that are small against the largest, by more than rounding (other inputs of a softmax?)"
        return [Cause(largest, f"up to {times:.3g} times one another; {measured}")]
    if apart < ROUNDING:
        return [
            Cause("rounding: the same sums in another order (another engine, library or number of threads)", measured)
        ]
    causes = localised(a, b)
    if apart < LOW_PRECISION:
        causes.append(Cause("arithmetic of low precision (TF32, float16), or a small change of the inputs", measured))
    return causes or [Cause(OTHER_VALUES, measured)]


def _factors_of_small(a: np.ndarray, b: np.ndarray) -> float:
    """The most that values are times each other where all are above 0, as a softmax' are; else 1."""
    if not a.size or not (a > 0).all() or not (b > 0).all():
        return 1.0
    return float(np.exp(np.minimum(np.abs(np.log(a) - np.log(b)).max(), 700)))
