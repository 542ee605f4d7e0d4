"""GlibcRand against this machine's C library."""

import ctypes
import platform

import numpy as np
import pytest

from cpm_kernels.samples.rand import GlibcRand

SEEDS = [0, 1, 5, 1701, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library here is not glibc")
@pytest.mark.parametrize("seed", [*SEEDS, *np.random.default_rng(3).integers(0, 2**32, 8).tolist()])
def test_same_numbers_as_the_c_library(seed: int) -> None:
    libc, random = ctypes.CDLL(None), GlibcRand(seed)
    libc.srand(ctypes.c_uint(seed))
    assert [random.rand() for _ in range(500)] == [libc.rand() for _ in range(500)]


def test_known_start() -> None:
    assert [GlibcRand().rand(), GlibcRand(1).rand()] == [1804289383] * 2


def test_restore_continues() -> None:
    random, other = GlibcRand(7), GlibcRand(99)
    for _ in range(50):
        random.rand()
    other.restore(random.state())
    assert [other.rand() for _ in range(100)] == [random.rand() for _ in range(100)]


@pytest.mark.parametrize("state", [[], [1] * 30, [1] * 30 + [-1], [1] * 30 + [2**32]])
def test_bad_state_is_refused(state: list[int]) -> None:
    with pytest.raises(ValueError, match="31 integers"):
        GlibcRand().restore(state)


def test_dice_is_float32_from_0_to_1() -> None:
    random = GlibcRand(2)
    dice = [random.dice() for _ in range(1000)]
    assert all(type(die) is np.float32 and 0 <= die <= 1 for die in dice)
