"""How a cost grows with a count: points, the straight line through them on a log-log sheet, and a sentence for where
they leave it.

A cost of so much once and so much each is no straight line there: it is flat up to where both parts are equal.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls

from .. import tables
from ..measure import Rates, passes

NEAR = 1.25
"""A series is a line, or once and each, if no point is further from it than this many times."""

Make = Callable[[int], Callable[[], object]]
"""Of a count, what is timed."""


@dataclass(frozen=True)
class Point:
    """`rates`: how often the work of `count` things can be done per second."""

    count: int
    rates: Rates

    @property
    def seconds(self) -> float:
        return 1 / self.rates.median


class Line(NamedTuple):
    """seconds = factor · count ** slope; `off`: how many times the worst point lies beside it."""

    slope: float
    factor: float
    off: float


class Parts(NamedTuple):
    """seconds = once + each · count; `off` as of a Line."""

    once: float
    each: float
    off: float


@dataclass(frozen=True)
class Series:
    """A cost over counts of `what`; `left_out`: counts that would have taken too long."""

    name: str
    what: str
    points: Sequence[Point]
    left_out: Sequence[int] = ()

    def line(self) -> Line:
        """Least squares of the logarithms."""
        counts, seconds = self._logarithms()
        slope, start = np.polyfit(counts, seconds, 1) if len(counts) > 1 else (0.0, seconds[0])
        return Line(float(slope), float(np.exp(start)), _off(seconds, start + slope * counts))

    def parts(self) -> Parts:
        """Least squares of the relative errors, neither part negative."""
        counts, seconds = (np.exp(values) for values in self._logarithms())
        (once, each), _ = nnls(np.stack([1 / seconds, counts / seconds], axis=1), np.ones(len(counts)))
        return Parts(float(once), float(each), _off(np.log(seconds), np.log(once + each * counts)))

    def _logarithms(self) -> tuple[np.ndarray, np.ndarray]:
        values = np.log([(point.count, point.seconds) for point in self.points])
        return values[:, 0], values[:, 1]

    def sentence(self) -> str:
        """Its line; and where that is none, what it is instead."""
        line, parts = self.line(), self.parts()
        said = f"slope {line.slope:.2f}, every point within {line.off - 1:.0%} of the line"
        if line.off <= NEAR:
            return said
        said = f"slope {line.slope:.2f}, but up to {tables.number(line.off)} times beside the line"
        if parts.off <= NEAR and parts.once and parts.each:
            equal = tables.number(parts.once / parts.each)
            return f"{said}: {duration(parts.once)} once and {duration(parts.each)} each, equal at {equal} {self.what}"
        each = ((tables.number(point.count), duration(point.seconds / point.count)) for point in self.points)
        return f"{said}; each takes, at {', '.join(map(': '.join, each))}"


def _off(logarithms: np.ndarray, line: np.ndarray) -> float:
    return float(np.exp(np.abs(logarithms - line).max()))


def duration(seconds: float) -> str:
    """With a unit in which it is no small fraction: 1.5 s, 20 ms, 3.1 µs."""
    shown = float(f"{seconds:.3g}")  # a second less a rounding error is 1 s, not 1000 ms
    unit, factor = next(((unit, size) for unit, size in _UNITS if shown >= size), _UNITS[-1])
    return f"{tables.number(seconds / factor)} {unit}"


_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))


def grow(name: str, what: str, counts: Iterable[int], make: Make, rounds: int, limit: float) -> Series:
    """Times `make(count)()` for each of the counts, `rounds` times, or fewer within `limit` seconds; after one run of
    the first, to warm up. Counts that by the one before would take longer than the limit are left out."""
    counts = list(counts)
    points: list[Point] = []
    make(counts[0])()
    for index, count in enumerate(counts):
        if points and points[-1].seconds * count / points[-1].count > limit:
            return Series(name, what, points, counts[index:])
        points.append(Point(count, passes(make(count), rounds, limit)))
    return Series(name, what, points)
