"""Convolutions that tests of FFT try, and how near to float64 their results must be."""

import numpy as np
from torch import Tensor

TOLERANCE = 5e-6  # of the largest value

# images, channels, size, outputs, kernel, pad
CASES = {
    "odd sizes, batch": (3, 15, (29, 37), 48, (5, 5), (2, 2)),
    "one channel": (1, 1, (40, 23), 1, (7, 7), (3, 3)),
    "smaller than a tile": (2, 17, (5, 3), 33, (5, 5), (2, 2)),
    "one pixel": (1, 3, (1, 1), 2, (3, 3), (1, 1)),
    "one column": (2, 5, (19, 1), 6, (3, 3), (1, 1)),
    "rectangular kernel, uneven pad": (1, 6, (21, 18), 20, (3, 7), (0, 5)),
    "pad beyond the kernel": (1, 4, (9, 11), 5, (3, 3), (4, 3)),
    "no pad": (2, 4, (26, 25), 5, (9, 9), (0, 0)),
    "deep": (2, 300, (13, 18), 70, (3, 3), (1, 1)),
    "even kernel": (1, 4, (26, 25), 5, (4, 2), (1, 0)),
}  # fmt: skip


def assert_close(actual: np.ndarray | Tensor, wanted: np.ndarray | Tensor, name: str) -> None:
    """Finite, of the same shape, and within TOLERANCE."""
    actual, wanted = (x.detach().cpu().numpy() if isinstance(x, Tensor) else x for x in (actual, wanted))
    assert actual.shape == wanted.shape and np.isfinite(actual).all(), name
    error = np.abs(actual - wanted).max() / np.abs(wanted).max()
    assert error <= TOLERANCE, f"{name}: error {error:.2e} of the largest value"
