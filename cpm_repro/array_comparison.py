"""Holds two arrays against each other: equal bits, distance in ULP, errors, and the worst element.

The project's only way to do so: of dumps (`compare`), converted files, benchmarks and tests alike. Distances are
counted in representable float32 values (float64 where both sides are, integers as they are). +0 and −0 are
neighbours, so distance 0 means the same bits. Relative errors are relative to the larger of the two magnitudes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

_PIECE = 1 << 20  # elements worked on at once


@dataclass(frozen=True)
class Limits:
    """Two elements agree if they are at most `max_ulp` apart, or if |a − b| ≤ atol + rtol · max(|a|, |b|).

    Without arguments: equal bits. A NaN agrees with the same NaN only.
    """

    max_ulp: int = 0
    rtol: float = 0.0
    atol: float = 0.0

    def __str__(self) -> str:
        ulp = f"at most {self.max_ulp:,} ULP apart" if self.max_ulp else "equal bits"
        return f"{ulp}, or rtol {self.rtol:g} and atol {self.atol:g}" if self.rtol or self.atol else ulp


EQUAL_BITS = Limits()


@dataclass(frozen=True)
class Element:
    """One element on both sides."""

    index: tuple[int, ...]
    a: float
    b: float


@dataclass
class ArrayComparison:
    """What was measured of one pair; the numbers are there if both sides have the same shape and hold numbers.

    equal: elements with equal bits. nan, inf: how many on either side. broken: elements that are not finite on one
    side only, or infinities of opposite signs. histogram[k]: elements at a distance of 2^(k−1) … 2^k − 1 ULP,
    histogram[0] those at 0; pairs with a NaN are in neither the histogram nor the errors.
    max_ulp: of elements of one sign; signs: how many are of opposite signs, between which ULP count nothing but the
    numbers near 0. largest: A's greatest finite magnitude.
    relative_norm: ‖a − b‖ over the larger of ‖a‖ and ‖b‖. outside: elements that do not agree.
    worst: the element of the largest absolute error, or the first that is broken.
    first: index of the first element that does not agree.
    """

    name: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    dtypes: tuple[str, str]
    measured: bool = False
    passes: bool = False
    size: int = 0
    equal: int = 0
    outside: int = 0
    broken: int = 0
    signs: int = 0
    largest: float = 0.0
    max_ulp: int = 0
    median_ulp: float = 0.0
    max_absolute: float = 0.0
    max_relative: float = 0.0
    relative_norm: float = 0.0
    cosine: float = math.nan
    nan: tuple[int, int] = (0, 0)
    inf: tuple[int, int] = (0, 0)
    histogram: list[int] = field(default_factory=list)
    worst: Element | None = None
    first: tuple[int, ...] | None = None

    @property
    def equal_percent(self) -> float:
        """Elements with equal bits, in percent."""
        return 100 * self.equal / self.size if self.size else 100.0

    @property
    def share_of_largest(self) -> float:
        """The greatest absolute error as a share of A's greatest magnitude (as it is, if that is 0); infinite if
        an element is broken or nothing could be measured."""
        if self.broken or not self.measured:
            return math.inf
        return self.max_absolute / self.largest if self.largest else self.max_absolute

    @property
    def error(self) -> float:
        """`relative_norm`; 1 where shapes, text, or the numbers of NaNs or infinities differ."""
        broken = not self.measured or self.nan[0] != self.nan[1] or self.inf[0] != self.inf[1]
        return float(not self.passes) if broken else self.relative_norm


def compare_arrays(a: np.ndarray, b: np.ndarray, limits: Limits = EQUAL_BITS, name: str = "") -> ArrayComparison:
    """Measures one pair; arrays of any number type, text is held against text. name: what the arrays are called."""
    blob = ArrayComparison(name, (a.shape, b.shape), (str(a.dtype), str(b.dtype)))
    numbers = all(array.dtype.kind in "fiub" for array in (a, b))
    if not numbers or a.shape != b.shape:
        blob.passes = not numbers and a.dtype.kind == b.dtype.kind and np.array_equal(a, b)
        return blob
    blob.measured, blob.size = True, a.size
    measure = _Measure(blob, limits)
    with np.errstate(invalid="ignore", over="ignore"):  # signalling NaNs, float64 beyond what can be squared
        for start, x, y in _pieces(a, b):
            measure.add(start, x, y)
        measure.finish()
    blob.passes = blob.outside == 0
    return blob


def common_dtype(a: np.dtype, b: np.dtype) -> np.dtype:
    """What two arrays are compared as: float64 or int64 if both hold such numbers, float32 else."""
    if a.kind in "iub" and b.kind in "iub":
        return np.dtype(np.int64)
    return np.dtype(np.float64 if a == b == np.float64 else np.float32)


def ulp_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many representable values lie between two arrays of the same type, uint64; 0 where the bits are equal."""
    if a.dtype.kind == "f":
        a, b = _ordered(a), _ordered(b)
    return np.where(a > b, a.view(np.uint64) - b.view(np.uint64), b.view(np.uint64) - a.view(np.uint64))


def _ordered(values: np.ndarray) -> np.ndarray:
    """int64 that count floats upwards: −0 is −1, +0 is 0."""
    bits = values.view(np.int64) if values.dtype == np.float64 else values.view(np.int32).astype(np.int64)
    mask = np.int64(0x7FFFFFFFFFFFFFFF if values.dtype == np.float64 else 0x7FFFFFFF)
    return np.where(bits < 0, ~(bits & mask), bits)


def _pieces(a: np.ndarray, b: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(start, part of a, part of b) in C order and in the type they are compared as."""
    dtype = common_dtype(a.dtype, b.dtype)
    a, b = a.reshape(-1), b.reshape(-1)
    for start in range(0, a.size, _PIECE):
        part = slice(start, start + _PIECE)
        yield start, np.ascontiguousarray(a[part], dtype), np.ascontiguousarray(b[part], dtype)


class _Measure:
    """Gathers an ArrayComparison piece by piece: the largest blob of a CPM has 17 million elements."""

    def __init__(self, blob: ArrayComparison, limits: Limits) -> None:
        self.blob, self.limits = blob, limits
        self.distances = np.empty(blob.size, np.uint64)
        self.counts = np.zeros(65, np.int64)
        self.ordered = 0  # distances gathered so far
        self.products = np.zeros(4)  # a·b, a·a, b·b, |a − b|²
        self.worst_error = -1.0

    def add(self, start: int, a: np.ndarray, b: np.ndarray) -> None:
        distance = ulp_distance(a, b)
        nan_a, nan_b = np.isnan(a), np.isnan(b)
        numbers = ~(nan_a | nan_b)
        self.blob.nan = tuple(np.add(self.blob.nan, (nan_a.sum(), nan_b.sum())).tolist())
        self.blob.inf = tuple(np.add(self.blob.inf, (np.isinf(a).sum(), np.isinf(b).sum())).tolist())
        self.blob.equal += int((distance == 0).sum())
        opposite = numbers & (np.sign(a) * np.sign(b) < 0)
        self.blob.signs += int(opposite.sum())
        self.blob.max_ulp = max(self.blob.max_ulp, int(distance[numbers & ~opposite].max(initial=0)))
        self._add_distances(distance[numbers])
        self._add_errors(start, a, b, distance)

    def _add_distances(self, distance: np.ndarray) -> None:
        self.distances[self.ordered : self.ordered + distance.size] = distance
        self.ordered += distance.size
        exponents = np.frexp(distance.astype(np.float64))[1]  # of 2^(k−1) … 2^k − 1: k
        self.counts += np.bincount(np.minimum(exponents, 64), minlength=65)

    def _add_errors(self, start: int, a: np.ndarray, b: np.ndarray, distance: np.ndarray) -> None:
        x, y = a.astype(np.float64), b.astype(np.float64)
        finite = np.isfinite(x) & np.isfinite(y)
        x, y = np.where(finite, x, 0), np.where(finite, y, 0)
        error, size = np.abs(x - y), np.maximum(np.abs(x), np.abs(y))
        relative = np.divide(error, size, out=np.zeros(x.shape), where=size > 0)
        self.blob.max_absolute = max(self.blob.max_absolute, float(error.max()))
        self.blob.max_relative = max(self.blob.max_relative, float(relative.max()))
        self.products += (x @ y, x @ x, y @ y, error @ error)
        self.blob.largest = max(self.blob.largest, float(np.abs(a[np.isfinite(a)], dtype=np.float64).max(initial=0)))
        self.blob.broken += int((~finite & (a != b) & ~(np.isnan(a) & np.isnan(b))).sum())
        error[~finite & (distance > 0)] = np.inf
        outside = self._outside(distance, error, size)
        self._note_elements(start, a, b, np.where(distance > 0, error, -1), outside)

    def _outside(self, distance: np.ndarray, error: np.ndarray, size: np.ndarray) -> np.ndarray:
        limits = self.limits
        outside: np.ndarray = (distance > limits.max_ulp) | np.isinf(error)
        if limits.rtol or limits.atol:
            outside &= error > limits.atol + limits.rtol * size
        return outside

    def _note_elements(self, start: int, a: np.ndarray, b: np.ndarray, error: np.ndarray, outside: np.ndarray) -> None:
        blob, worst = self.blob, int(error.argmax())
        shape = blob.shapes[0]
        if error[worst] > self.worst_error:
            self.worst_error = float(error[worst])
            blob.worst = Element(_index(start + worst, shape), a[worst].item(), b[worst].item())
        if blob.first is None and outside.any():
            blob.first = _index(start + int(outside.argmax()), shape)
        blob.outside += int(outside.sum())

    def finish(self) -> None:
        distances = self.distances[: self.ordered]
        if distances.size:
            self.blob.median_ulp = float(np.median(distances))
        last = np.flatnonzero(self.counts)
        self.blob.histogram = self.counts[: last[-1] + 1].tolist() if last.size else []
        both, of_a, of_b, of_error = self.products
        largest = max(of_a, of_b)
        self.blob.relative_norm = math.sqrt(of_error / largest) if largest > 0 else 0.0
        self.blob.cosine = float(both / math.sqrt(of_a * of_b)) if of_a * of_b > 0 else math.nan


def _index(position: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(position, shape))
