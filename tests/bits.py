"""Bit comparison for tests: the ULP histogram and the first differing element, never a tolerance."""

import numpy as np

from cpm_repro.array_comparison import compare_arrays, ulp_distance


def assert_same_bits(actual: np.ndarray, expected: np.ndarray, name: str = "array") -> None:
    """Fail unless both arrays have the same dtype, shape and bytes; say where and how far apart."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{name}: dtype {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{name}: shape {actual.shape}, expected {expected.shape}"
    if actual.tobytes() == expected.tobytes():
        return
    compared = compare_arrays(actual, expected)
    message = f"{name}: {compared.outside} of {compared.size} elements differ, first at {compared.first}: "
    message += f"{actual[compared.first]!r}, expected {expected[compared.first]!r}"
    if actual.dtype == np.float32:
        distance, count = np.unique(ulp_distance(actual, expected), return_counts=True)
        shown = ", ".join(f"{d}: {c}" for d, c in list(zip(distance, count, strict=True))[:12])
        message += f"; ULP histogram {{{shown}}}"
    raise AssertionError(message)
