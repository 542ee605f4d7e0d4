"""Another unit: a factor, an offset, or both, of the whole array, of each channel or of each image; which normalisation
of a picture has just that one; and corners of regions that are counted, scaled or said in another way."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .arrangements import BLOB_AXES, arrangements
from .cause import EXPLAINED, Cause, distance, evidence, explains

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
_FEWEST = 8  # values of a channel, from which two numbers are fitted
_SAMPLE = 4096  # values, on which a fit must hold before it is tried on all


class Normalisation(NamedTuple):
    """What a network is given of a pixel p, 0 … 255, of each channel: factor · p + offset."""

    name: str
    factor: np.ndarray
    offset: np.ndarray


def _normalisations() -> Iterator[Normalisation]:
    ones = np.ones(3)
    yield Normalisation("pixels 0 … 255 as they are", ones, 0 * ones)
    yield Normalisation("pixels / 255, 0 … 1", ones / 255, 0 * ones)
    yield Normalisation("pixels / 256, 0 … 1", ones / 256, 0 * ones)
    yield Normalisation("pixels / 127.5 − 1", ones / 127.5, -ones)
    yield Normalisation("pixels / 255 − 0.5", ones / 255, -ones / 2)
    yield Normalisation("(p − 128) / 255", ones / 255, -ones * 128 / 255)
    yield Normalisation("p / 256 − 128, the mean subtracted after the division", ones / 256, -128 * ones)
    yield Normalisation("pixels − 128", ones, -128 * ones)
    yield Normalisation("(p − 128) / 128", ones / 128, -ones)
    for middle, divisor in itertools.product((127, 127.5), (256, 255, 128, 127.5)):
        yield Normalisation(f"(p − {middle:g}) / {divisor:g}", ones / divisor, -ones * middle / divisor)
    for mean in ([104, 117, 123], [103.939, 116.779, 123.68], [103.94, 116.78, 123.68], [104.0, 116.7, 122.7]):
        shown = "" if mean == [104, 117, 123] else " " + ", ".join(f"{value:g}" for value in mean)
        for order, pixels in (("BGR", np.array(mean)), ("RGB", np.array(mean[::-1]))):
            name = f"pixels less ImageNet's mean{shown} ({order})"
            yield Normalisation(name, ones, -pixels)
            yield Normalisation(f"{name}, times 0.017 (MobileNet's)", 0.017 * ones, -0.017 * pixels)
    means, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for order, step in (("RGB", 1), ("BGR", -1)):
        m, d = means[::step], deviation[::step]
        yield Normalisation(f"ImageNet's mean and standard deviation ({order}, torchvision's)", 1 / (255 * d), -m / d)


_CPM = Normalisation("(p − 128) / 256", np.full(3, 1 / 256), np.full(3, -0.5))
_NORMALISATIONS = tuple(_normalisations())


def _normalised(a: np.ndarray, factors: np.ndarray, offsets: np.ndarray) -> str:
    """The normalisation that one side has in place of the other's, if B = factors · A + offsets (three of each); of
    most pairs of them one is the CPM's, in others A must be pixels from 0 to 255."""
    with_cpm = [(side, *pair) for n in _NORMALISATIONS for side, pair in (("B", (_CPM, n)), ("A", (n, _CPM)))]
    possible = [n for n in _NORMALISATIONS if _may_be(a, n)]
    for side, one, other in (*with_cpm, *(("B", n, m) for n in possible for m in _NORMALISATIONS if m is not n)):
        factor = other.factor / one.factor
        offset = other.offset - factor * one.offset
        close = np.allclose(factors, factor, rtol=2e-4, atol=0)
        fits = close and np.allclose(offsets, offset, rtol=1e-3, atol=1e-3 * float(np.abs(factor).max()))
        if fits and _may_be(a, one):
            has, other_has = (other, one) if side == "B" else (one, other)
            return f"{side} has {has.name}, in place of {other_has.name}"
    return ""


def _may_be(a: np.ndarray, n: Normalisation) -> bool:
    """Whether the array holds pixels from 0 to 255, normalised like that."""
    low, high = a.min(axis=(0, 2, 3)), a.max(axis=(0, 2, 3))
    return bool(((low - n.offset) / n.factor > -0.5).all() and ((high - n.offset) / n.factor < 255.5).all())


def levels_of(a: np.ndarray) -> Normalisation | None:
    """The normalisation of which an array (N, 3, H, W) holds whole pixels, if there is one."""
    if a.ndim != 4 or a.shape[1] != 3:
        return None
    for n in (_CPM, *_NORMALISATIONS):
        pixels = (a - n.offset.reshape(1, 3, 1, 1)) / n.factor.reshape(1, 3, 1, 1)
        if _may_be(a, n) and np.abs(pixels - np.rint(pixels)).max() < 0.01:
            return n
    return None


def scaled(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """b = scale · a + offset, by least squares."""
    if a.shape != b.shape or a.size < 3 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return None
    mean_a, mean_b = a.mean(), b.mean()
    spread = float(((a - mean_a) ** 2).sum())
    if not spread:
        return None
    slope = float(((a - mean_a) * (b - mean_b)).sum() / spread)
    for scale, offset in (
        (float((a * b).sum() / (a * a).sum()), 0.0),
        (1.0, float(mean_b - mean_a)),
        (slope, float(mean_b - slope * mean_a)),
    ):
        fitted = scale * a + offset
        if explains(fitted, a, b) and _follows(fitted, b, mean_b):
            pictures = a.ndim == 4 and a.shape[1] == 3
            named = _normalised(a, np.full(3, scale), np.full(3, offset)) if pictures else ""
            measured = evidence(f"with {scale:.7g} · A {offset:+.5g}", fitted, a, b)
            return Cause(_scale_name(scale, offset, named), measured)
    return None


def _follows(fitted: np.ndarray, b: np.ndarray, mean: np.ndarray) -> bool:
    """Whether the fit leaves little even of how b varies about its mean."""
    return bool(np.linalg.norm((fitted - b).ravel()) <= EXPLAINED * np.linalg.norm((b - mean).ravel()))


def _scale_name(scale: float, offset: float, normalised: str) -> str:
    named = next((f": {name}" for value, name in _NAMED_SCALES.items() if abs(scale / value - 1) < 1e-4), "")
    named += f"; {normalised}" if normalised else ""
    if abs(offset) < 1e-6:
        return f"a constant factor of {scale:.6g}{named}"
    if abs(scale - 1) < 1e-6:
        halves = ": the 128/256 that Caffe's input has subtracted" if abs(abs(offset) - 0.5) < 1e-4 else ""
        return f"a constant offset of {offset:.6g}{halves}" + (f": {normalised}" if normalised and not halves else "")
    return f"a factor of {scale:.6g} and an offset of {offset:.6g}{named}"


def scaled_per_channel(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Another factor and offset, or one of them, in each channel."""
    if a.shape != b.shape or a.ndim < 3 or a.shape[1] < 2 or not np.isfinite(a - b).all():
        return None
    axes = (0, *range(2, a.ndim))
    mean_b = b.mean(axes, keepdims=True)
    for what, factors, offsets in _channel_fits(a, b, axes):
        fitted = factors * a + offsets
        if explains(fitted, a, b) and _follows(fitted, b, mean_b):
            what = _of_batch(what, a, factors, offsets, axes)
            factors, offsets = factors.ravel(), offsets.ravel()
            normalised = _normalised(a, factors, offsets) if a.shape[1] == 3 and a.ndim == 4 else ""
            measured = evidence(f"with {_shown(factors, offsets)}", fitted, a, b)
            return Cause(normalised or what, measured)
    return None


def _of_batch(what: str, a: np.ndarray, factors: np.ndarray, offsets: np.ndarray, axes: tuple[int, ...]) -> str:
    """Whether the constants are the means of the batch's own channels, where these have such."""
    means = a.mean(axes, keepdims=True)
    own = (factors == 1).all() and np.abs(offsets + means).max() <= EXPLAINED * np.abs(means).max()
    return "B has the mean of each channel over the batch subtracted" if own else what


def mean_image(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """The same picture was subtracted from every image: what the first image tells of it, the others confirm."""
    if a.shape != b.shape or a.ndim != 4 or len(a) < 2 or not np.isfinite(a - b).all():
        return None
    apart = b - a
    made = a + apart[:1]
    if not apart.any() or not explains(made, a, b) or distance(made[1:], b[1:]) > 0.01 * distance(a[1:], b[1:]):
        return None
    measured = evidence("with what the first image is off by added to all", made, a, b)
    for side, whole, sign in (("B", a, 1), ("A", b, -1)):
        if explains(whole - whole.mean(0), a if sign > 0 else b, b if sign > 0 else a):
            return Cause(f"{side} has the batch's own mean image subtracted, that of the other side's images", measured)
    return Cause("one side has a picture subtracted, the same from every image: a mean image", measured)


def _channel_fits(a: np.ndarray, b: np.ndarray, axes: tuple[int, ...]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    mean_a, mean_b = a.mean(axes, keepdims=True), b.mean(axes, keepdims=True)
    ones = np.ones_like(mean_a)
    yield "a constant per channel, such as a bias or a mean image", ones, mean_b - mean_a
    if a.size // a.shape[1] < _FEWEST:
        return
    factors = _slopes(a, b, axes)
    yield "a factor per channel, such as another scale of a batch normalisation", factors, 0 * ones
    factors = _slopes(a - mean_a, b - mean_b, axes)
    what = "a factor and an offset per channel, such as batch normalisation left out or folded otherwise"
    yield what, factors, mean_b - factors * mean_a


def _slopes(a: np.ndarray, b: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The factors, one for all values along the axes, by which A comes nearest to B; 1 where A is 0."""
    squares = (a * a).sum(axes, keepdims=True)
    factors: np.ndarray = np.divide(
        (a * b).sum(axes, keepdims=True), squares, out=np.ones_like(squares), where=squares > 0
    )
    return factors


def scaled_per_image(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Every image with a factor and an offset of its own, or every channel of it."""
    if a.shape != b.shape or a.ndim != 4 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return None
    for axes, each in (((1, 2, 3), "image"), ((2, 3), "image and channel")):
        mean_a, mean_b = a.mean(axes, keepdims=True), b.mean(axes, keepdims=True)
        centred = a - mean_a
        factors = _slopes(centred, b - mean_b, axes)
        for what, times in (("an offset", np.ones_like(factors)), ("a factor and an offset", factors)):
            made = times * centred + mean_b
            if _follows(made, b, mean_b):
                means = " (the mean subtracted of each?)" if np.abs(mean_b).max() < 1e-3 * np.abs(b).max() else ""
                left = f"with them the relative error is {distance(made, b):.2g}, before {distance(a, b):.2g}"
                return Cause(f"{what} of each {each} of its own{means}", left)
    return None


def _shown(factors: np.ndarray, offsets: np.ndarray) -> str:
    more = ", …" if factors.size > 4 else ""
    added = ", ".join(f"{offset:.4g}" for offset in offsets[:4])
    if (factors == 1).all():
        return f"{added}{more} added to A's channels"
    times = ", ".join(f"{factor:.5g}" for factor in factors[:4])
    return f"A's channels times {times}{more}" + (f" plus {added}{more}" if offsets.any() else "")


def rearranged_and_scaled(a: np.ndarray, b: np.ndarray, axes: tuple[str, ...] = BLOB_AXES) -> list[Cause]:
    """Two causes at once: the values in another order, and in another unit."""
    if a.shape != b.shape or a.size < _FEWEST or not np.isfinite([a.sum(), b.sum()]).all():
        return []
    sample = np.unravel_index(np.random.default_rng(0).integers(0, a.size, _SAMPLE), a.shape)
    for new in arrangements(a, b.shape, axes):
        if _may_be_scaled(new.values[sample], b[sample], sample):
            cause = scaled(new.values, b) or scaled_per_channel(new.values, b)
            if cause:
                return [Cause(new.what, f"with A {new.how}, together with the next cause"), cause]
    return []


def _may_be_scaled(a: np.ndarray, b: np.ndarray, sample: tuple[np.ndarray, ...]) -> bool:
    """Whether a straight line per channel goes through the sampled values (one line for all is one of these)."""
    channel = sample[1] if len(sample) > 2 else np.zeros(a.size, np.int64)
    left = 0.0
    for _, group in itertools.groupby(np.argsort(channel, kind="stable"), key=lambda i: channel[i]):
        rows = np.fromiter(group, np.int64)
        x, y = a[rows] - a[rows].mean(), b[rows] - b[rows].mean()
        slope = float(x @ y / (x @ x)) if x.any() else 0.0
        left += float(((y - slope * x) ** 2).sum())
    return left <= (10 * EXPLAINED) ** 2 * float((b**2).sum())


def said_of_regions(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """How B's regions say what A's say, rows (image, x1, y1, x2, y2) as Fast R-CNN and its heirs hand them on."""
    if a.shape != b.shape or a.ndim < 2 or np.prod(a.shape[1:]) != 5 or not np.isfinite(a - b).all():
        return None
    one, other = (table.reshape(-1, 5) for table in (a, b))
    if not np.array_equal(one[:, 0], other[:, 0]):
        return None
    for what, corners in (*_said_otherwise(one[:, 1:]), *_sized_otherwise(one[:, 1:], other[:, 1:])):
        made = np.concatenate([one[:, :1], corners], 1)
        if explains(made, one, other):
            return Cause(f"regions: {what}", evidence("with A's like that", made, one, other))
    return None


def _said_otherwise(corners: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    first, last = corners[:, :2], corners[:, 2:]
    yield "B's corners are counted from 1, A's from 0", corners + 1
    yield "B's corners are counted from 0, A's from 1", corners - 1
    for step, what in ((1, "one behind the last pixel"), (-1, "the last pixel itself, A's one behind it")):
        yield f"B's second corner is {what}", np.concatenate([first, last + step], 1)
    for more in (0, 1):
        size = last - first + more
        yield "B has width and height in place of the second corner", np.concatenate([first, size], 1)
        yield "B has the second corner in place of width and height", np.concatenate([first, last + first - more], 1)
        for half in (size / 2, (size - 1) / 2):
            yield "B has the centre, width and height in place of corners", np.concatenate([first + half, size], 1)


def _sized_otherwise(corners: np.ndarray, other: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """One factor for both axes, or one for each."""
    x, y = corners[:, ::2], corners[:, 1::2]
    if not (x.any() and y.any()):
        return
    both = float((corners * other).sum() / (corners * corners).sum())
    yield f"B's corners are {both:.6g} times A's: of a picture of another size", both * corners
    each = [float((part * other[:, axis::2]).sum() / (part * part).sum()) for axis, part in enumerate((x, y))]
    what = f"B's corners are {each[0]:.6g} times A's across and {each[1]:.6g} times down: shares, or another shape"
    yield what, corners * np.array([*each, *each])
