"""Caffe's one random stream: boost::mt19937 and the distributions of Boost 1.74 (Caffe: caffe_rng_*).

Fillers draw from it in net order, then dropout in forward order. The data layer's rand() is another: see rand.py.
"""

import numpy as np
from numpy.typing import NDArray

from cpm_kernels.host import library

_STATE_WORDS = 625  # 624 of mt19937, and how many of them are used up


class CaffeRandom:
    """The generator that Caffe seeds with `random_seed` (taken modulo 2**32)."""

    def __init__(self, seed: int) -> None:
        self._state = np.empty(_STATE_WORDS, np.uint32)
        library().cpm_random_seed(self._pointer, seed % 2**32)

    @property
    def _pointer(self) -> int:
        return self._state.ctypes.data

    def draws(self, count: int) -> NDArray[np.uint32]:
        """The next `count` raw numbers, uint32."""
        out = np.empty(count, np.uint32)
        library().cpm_random_draws(self._pointer, count, out.ctypes.data)
        return out

    def normal(self, mean: float, deviation: float, count: int) -> NDArray[np.float32]:
        """(count,) float32, of a normal distribution; one draw each, rarely more."""
        out = np.empty(count, np.float32)
        library().cpm_random_normal(self._pointer, *_floats(mean, deviation), count, out.ctypes.data)
        return out

    def uniform(self, low: float, high: float, count: int) -> NDArray[np.float32]:
        """(count,) float32 from `low` to `high`, both included; ValueError unless low <= high and both are finite."""
        if not -np.inf < low <= high < np.inf:
            raise ValueError(f"uniform numbers need a finite range from low to high, not {low} to {high}")
        above = np.nextafter(np.float32(high), np.float32(np.inf))
        out = np.empty(count, np.float32)
        library().cpm_random_uniform(self._pointer, *_floats(low, above), count, out.ctypes.data)
        return out

    def bernoulli(self, p: float | np.float32, count: int) -> NDArray[np.uint8]:
        """(count,) uint8, 1 with probability p, one draw each. With p a np.float32 the comparison is in float32, as in
        Caffe's sparse filler; with p a float in double, as in its dropout, which computes `1. - ratio`."""
        kind = "float" if isinstance(p, np.float32) else "double"
        out = np.empty(count, np.uint8)
        getattr(library(), f"cpm_random_bernoulli_{kind}")(self._pointer, float(p), count, out.ctypes.data)
        return out

    def state(self) -> NDArray[np.uint32]:
        """(625,) uint32: what `restore` takes."""
        return self._state.copy()

    def restore(self, state: NDArray[np.uint32]) -> None:
        """Continue from a `state()`; ValueError unless it is one."""
        state = np.asarray(state)
        if state.shape != (_STATE_WORDS,) or state.dtype != np.uint32 or state[-1] > 624:
            raise ValueError("the state of mt19937 must be 625 uint32, the last at most 624")
        self._state[:] = state


def _floats(*values: float) -> list[float]:
    """Rounded to float32, as Caffe's Dtype holds them."""
    return [float(np.float32(value)) for value in values]
