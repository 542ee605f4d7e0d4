"""Bit comparison for tests: the ULP histogram and the first differing element, never a tolerance."""

import numpy as np


def ulp_distance(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Distance in representable float32 values, elementwise (int64); NaNs of equal bits are at distance 0."""

    def ordered(values: np.ndarray) -> np.ndarray:
        bits = np.ascontiguousarray(values, np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return np.abs(ordered(actual) - ordered(expected))


def assert_same_bits(actual: np.ndarray, expected: np.ndarray, name: str = "array") -> None:
    """Fail unless both arrays have the same dtype, shape and bytes; say where and how far apart."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{name}: dtype {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    if actual.tobytes() == expected.tobytes():
        return
    unsigned = np.dtype(f"u{actual.dtype.itemsize}")
    differs = np.ascontiguousarray(actual).view(unsigned) != np.ascontiguousarray(expected).view(unsigned)
    first = tuple(int(i) for i in np.argwhere(differs)[0])
    message = (
        f"{name}: {differs.sum()} of {differs.size} elements differ, first at {first}: "
        f"{actual[first]!r}, expected {expected[first]!r}"
    )
    if actual.dtype == np.float32:
        distance, count = np.unique(ulp_distance(actual, expected), return_counts=True)
        shown = ", ".join(f"{d}: {c}" for d, c in list(zip(distance, count, strict=True))[:12])
        message += f"; ULP histogram {{{shown}}}"
    raise AssertionError(message)
