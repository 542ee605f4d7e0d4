"""The Gaussians of centre and label maps: where their peaks are, how wide and how high, on two sides."""

from typing import NamedTuple

import numpy as np

from .cause import Cause

_FITS = 1e-2  # of the height: the most that a map may be off its Gaussian
_FLOOR = 0.05  # of the height: what is above it is fitted


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
    with np.errstate(over="ignore"):
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
    return None if first is None or second is None else _difference(first, second)


def _difference(a: Peak, b: Peak) -> Cause | None:
    measured = f"A: {a}; B: {b}"
    parts = []
    if abs(a.row - b.row) > 0.02 or abs(a.column - b.column) > 0.02:
        parts.append(f"its peak moved by {_shown(b.row - a.row)} rows and {_shown(b.column - a.column)} columns")
    if abs(a.sigma / b.sigma - 1) > 1e-3:
        parts.append(f"sigma {b.sigma:.4g} in place of A's {a.sigma:.4g}")
    if abs(a.height / b.height - 1) > 1e-3:
        parts.append(f"a peak of {b.height:.4g} in place of A's {a.height:.4g}")
    return Cause(f"B's Gaussian has {' and '.join(parts)}", measured) if parts else None


def _shown(pixels: float) -> str:
    return f"{round(pixels, 3) + 0:+.3g}"
