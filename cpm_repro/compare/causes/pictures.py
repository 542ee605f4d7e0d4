"""What is wrong with a net's input that holds pictures: 8 bits that ran over, a grey picture, another decoder, another
way to resize, another tone curve; and with its centre map: where the Gaussian's peak is, how wide and how high."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .cause import Cause, distance, equal_bits
from .scales import levels_of

_FEW_LEVELS = 16  # grey levels that two decoders or interpolations are apart at most
_MOVED = 0.5  # of the difference: what a motion may leave of it, to be named
_FITS = 1e-2  # of the height: the most that a map may be off its Gaussian
_FLOOR = 0.05  # of the height: what is above it is fitted
_ENOUGH = 500  # values, from which noise is known from a pattern
_FEWEST = 4  # times as many values as there are different ones, from which a curve is one


def picture_causes(a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """What a reader of pictures, or of a batch of them, gets wrong; float64, (N, C, H, W) both."""
    if a.shape != b.shape or a.ndim != 4 or not np.isfinite(a).all() or not np.isfinite(b).all():
        return []
    tried: tuple[Callable[[np.ndarray, np.ndarray], Cause | None], ...] = (
        repeated,
        _wrapped,
        _grey,
        _levels,  # before the curves, of which rounding is one
        _curve,
        _filtered,
        _moved,
        _noise,
    )
    return next(([cause] for suspicion in tried if (cause := suspicion(a, b))), [])


def empty_images(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Some images have no values on one side; the others are equal."""
    if a.shape != b.shape or a.ndim != 4:
        return None
    for side, one, other in (("B", b, a), ("A", a, b)):
        empty = ~one.any((1, 2, 3)) & other.any((1, 2, 3))
        if empty.any() and np.array_equal(one[~empty], other[~empty]):
            which = ", ".join(str(i) for i in np.flatnonzero(empty)[:8])
            return Cause(f"images {which} of {side} are all zero: a batch that was not filled", "the others are equal")
    return None


def repeated(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Each of one side's images, or channels, is one of the other's, and one of them twice."""
    if a.shape != b.shape or a.ndim < 2:
        return None
    why = "a batch that was not filled again, or one image in all places", "memory used again, or outputs not computed"
    for axis, (side, other, one, rest) in itertools.product((0, 1), (("B", "A", b, a), ("A", "B", a, b))):
        named = ("images", "channels")[axis]
        places = {part.tobytes(): i for i, part in reversed(list(enumerate(np.moveaxis(rest, axis, 0))))}
        order = [places.get(part.tobytes(), -1) for part in np.moveaxis(one, axis, 0)]
        if len(order) > 1 and -1 not in order and len(set(order)) < len(set(places.values())):
            measured = f"{side}'s {named} are {other}'s {order[:16]}, every bit equal"
            return Cause(f"{named} repeated in {side}: {why[axis]}", measured)
    return None


def _wrapped(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """The difference is one of two numbers, 256 grey levels apart."""
    apart = b - a
    low, high = float(apart.min()), float(apart.max())
    step, above = high - low, apart > (low + high) / 2
    share = float(above.mean())
    if not 0.01 < share < 0.99 or np.abs(apart - np.where(above, high, low)).max() > 1e-4 * step:
        return None
    known = levels_of(a) or levels_of(b)
    if known is None or abs(step / float(known.factor[0]) - 256) > 0.1:
        return None
    measured = f"{share:.1%} of the values are off by {high:.6g}, the others by {low:.6g}: 256 grey levels apart"
    return Cause("8 bits that ran over on one side: a mean subtracted as uint8, or pixels read as int8", measured)


def _grey(a: np.ndarray, b: np.ndarray) -> Cause | None:
    for side, one, other in (("B", b, a), ("A", a, b)):
        if one.shape[1] == 3 and (one == one[:, :1]).all() and not (other == other[:, :1]).all():
            return Cause(f"{side} is a grey picture", "its three channels are equal, the other side's are not")
    return None


def _curve(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """The same value always becomes the same other one."""
    for side, one, other in (("B", a, b), ("A", b, a)):
        values, place = np.unique(one, return_inverse=True)
        if _FEWEST * values.size > one.size:
            continue
        place = place.ravel()
        low, high = np.full(values.size, np.inf), np.full(values.size, -np.inf)
        np.minimum.at(low, place, other.ravel())
        np.maximum.at(high, place, other.ravel())
        if (high - low).max() > 1e-6 * np.abs(other).max() or (np.diff(low) < 0).any():
            continue
        kept = equal_bits(one, other)
        if kept > 1 and np.array_equal(low, np.clip(values, low.min(), low.max())):
            what = f"{side} is cut off at {low.min():.4g} and {low.max():.4g}"
            return Cause(what, f"{kept:.3g} % of the values are equal, the others at the ends")
        measured = f"each of its {values.size} values always becomes the same one, brighter ones stay brighter"
        return Cause(f"{side} has another tone curve: gamma, contrast or an equalised histogram", measured)
    return None


def _levels(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Grey levels: whole ones on one side only, or few of them apart."""
    one, other = levels_of(a), levels_of(b)
    known = one or other
    if known is None:
        return None
    most = float((np.abs(b - a) / known.factor.reshape(1, -1, 1, 1)).max())
    if most > _FEW_LEVELS:
        return None
    share = 100 - equal_bits(a, b)
    measured = f"{share:.3g} % of the values differ, by {most:.3g} grey levels at most"
    white = ", or noise was added" if _is_white(a, b) else ""
    if one is None or other is None:
        side = "A" if one is None else "B"
        what = f"{side}'s pixels are no whole grey levels: resized in floats, or not rounded to 8 bits"
        return Cause(f"{what}{white}", measured)
    what = "pixels a few grey levels apart: another JPEG decoder, colour conversion or interpolation"
    return Cause(f"{what}{white}", measured)


def _is_white(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether the difference depends neither on the picture nor on what it is beside: noise."""
    apart = b - a
    spread, level = float(apart.std()), 4 / np.sqrt(apart.size)
    if not 0 < spread < a.std() / 2 or abs(float(apart.mean())) > level * spread:
        return False
    centred = apart - apart.mean()
    beside = [(centred[..., 1:], centred[..., :-1]), (centred[..., 1:, :], centred[..., :-1, :])]
    pairs = [(centred, a - a.mean()), (centred, b - b.mean() - centred), *beside]
    return all(abs(_correlation(x, y)) <= max(level, 0.02) for x, y in pairs)


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size else 1.0


def _noise(a: np.ndarray, b: np.ndarray) -> Cause | None:
    if a.size < _ENOUGH or not _is_white(a, b):
        return None
    apart = b - a
    whole = levels_of(a), levels_of(b)
    known = whole[0] or whole[1]
    side = "one side" if (whole[0] is None) == (whole[1] is None) else "A" if whole[0] is None else "B"
    levels = f" ({float((apart / known.factor.reshape(1, -1, 1, 1)).std()):.3g} grey levels)" if known else ""
    measured = f"of mean {apart.mean():.2g}, and {max(abs(apart.min()), abs(apart.max())):.3g} at most"
    what = (
        f"noise in {side}, of standard deviation {apart.std():.3g}{levels}, that depends on no pixel (an augmentation?)"
    )
    return Cause(what, measured)


def _filtered(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Every pixel is the same sum of those around it: blurred, sharpened, or moved by parts of a pixel."""
    if min(a.shape[2:]) < 8:
        return None
    for side, one, other in (("B", a, b), ("A", b, a)):
        windows = np.lib.stride_tricks.sliding_window_view(one, (3, 3), (2, 3))
        target = other[..., 1:-1, 1:-1].ravel()
        taps, *_ = np.linalg.lstsq(windows.reshape(-1, 9), target, rcond=None)
        if distance(windows.reshape(-1, 9) @ taps, target) < 0.02 * min(1, 2 * distance(a, b)):
            shown = "; ".join(", ".join(f"{tap:.2g}" for tap in row) for row in np.round(taps.reshape(3, 3), 3) + 0)
            what = f"{side} is filtered: blurred, sharpened, or moved by parts of a pixel"
            return Cause(what, f"each value is the sum of the 3×3 around it, weighted by {shown}")
    return None


def _moved(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """By parts of a pixel, or stretched: the same picture resized with another alignment."""
    height, width = a.shape[2:]
    if min(height, width) < 8:
        return None
    down, right = np.gradient((a + b) / 2, axis=(2, 3))
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    inner = (..., slice(1, -1), slice(1, -1))
    terms = np.stack([t[inner].ravel() for t in (down, down * y, right, right * x)], 1)
    apart = (a - b)[inner].ravel()
    found, *_ = np.linalg.lstsq(terms, apart, rcond=None)
    left = distance(terms @ found, apart)
    if left > _MOVED or max(abs(found)) < 0.02:
        return None
    rows, taller, columns, wider = found
    measured = (
        f"moved by {rows:+.2f} rows and {columns:+.2f} columns, at the edges of the map {taller:+.2f} and {wider:+.2f} "
        f"more, A explains {1 - left**2:.0%} of the difference"
    )
    return Cause("the same picture, moved by parts of a pixel: resized with another alignment (half a pixel)", measured)


class Peak(NamedTuple):
    """height · exp(−((x − column)² + (y − row)²) / (2 sigma²)), in pixels of the map."""

    row: float
    column: float
    sigma: float
    height: float

    def __str__(self) -> str:
        return (
            f"sigma {self.sigma:.4g}, peak {self.height:.4g} at row {self.row:.2f}, column {self.column:.2f} of the map"
        )


def peak_of(values: np.ndarray) -> Peak | None:
    """The Gaussian that a map (H, W) is; None if it is no single one with its peak in it."""
    top = float(values.max())
    if not np.isfinite(top) or top <= 0:
        return None
    rows, columns = np.nonzero(values > _FLOOR * top)
    if rows.size < 6:
        return None
    terms = np.column_stack([rows**2 + columns**2, rows, columns, np.ones(rows.size)]).astype(np.float64)
    (curve, down, right, level), *_ = np.linalg.lstsq(terms, np.log(values[rows, columns]), rcond=None)
    if curve >= 0:
        return None
    row, column = -down / (2 * curve), -right / (2 * curve)
    with np.errstate(over="ignore", invalid="ignore"):
        peak = Peak(row, column, float(np.sqrt(-0.5 / curve)), float(np.exp(level - curve * (row**2 + column**2))))
        model = np.exp((terms[:, 0] - 2 * row * terms[:, 1] - 2 * column * terms[:, 2] + row**2 + column**2) * curve)
        off = np.abs(peak.height * model - values[rows, columns]).max()
    return peak if off <= _FITS * top else None


def other_peak(a: np.ndarray, b: np.ndarray) -> Cause | None:
    """Both sides have a Gaussian in the map (the last two axes) that differs most, and not the same one."""
    if a.shape != b.shape or a.ndim < 2:
        return None
    maps = (array.reshape(-1, *array.shape[-2:]) for array in (a, b))
    one, other = maps
    where = int(np.abs(one - other).max(axis=(1, 2)).argmax())
    first, second = peak_of(one[where]), peak_of(other[where])
    return None if first is None or second is None else _between(first, second)


def _between(a: Peak, b: Peak) -> Cause | None:
    measured = f"A: {a}; B: {b}"
    parts = []
    if abs(a.row - b.row) > 0.02 or abs(a.column - b.column) > 0.02:
        parts.append(f"its peak moved by {_moved_by(b.row - a.row)} rows and {_moved_by(b.column - a.column)} columns")
    if abs(a.sigma / b.sigma - 1) > 1e-3:
        parts.append(f"sigma {b.sigma:.4g} in place of A's {a.sigma:.4g}")
    if abs(a.height / b.height - 1) > 1e-3:
        parts.append(f"a peak of {b.height:.4g} in place of A's {a.height:.4g}")
    return Cause(f"B's Gaussian has {' and '.join(parts)}", measured) if parts else None


def _moved_by(pixels: float) -> str:
    return f"{round(pixels, 3) + 0:+.3g}"
