"""CaffeRandom: mt19937 against NumPy's, the ziggurats' tables against their definition, and state."""

import re
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.random import CaffeRandom
from tests.bits import assert_same_bits

TABLES = Path(__file__).resolve().parents[3] / "kernels/src/exact/ziggurat_tables.h"


@pytest.mark.parametrize("seed", [0, 1, 1701, 2**32 - 1])
def test_raw_draws_are_mt19937(seed):
    expected = np.random.RandomState(seed).randint(0, 2**32, 2000, dtype=np.uint64)
    random = CaffeRandom(seed)
    drawn = np.concatenate([random.draws(n) for n in (1, 622, 0, 2, 1375)])
    np.testing.assert_array_equal(drawn, expected)


def test_a_seed_counts_modulo_2_to_the_32():
    np.testing.assert_array_equal(CaffeRandom(2**32 + 5).draws(3), CaffeRandom(5).draws(3))


def test_normal_moments_tail_and_draws():
    random = CaffeRandom(3)
    values = random.normal(0, 1, 1_000_000)
    assert values.dtype == np.float32 and abs(values.mean()) < 0.004 and values.std() == pytest.approx(1, abs=0.003)
    beyond = np.abs(values) > 3.4426198558966521  # where the tail's own generator begins
    assert beyond.sum() == pytest.approx(576, abs=100) and np.abs(values).max() < 6
    assert np.mean(values**4) == pytest.approx(3, abs=0.05) and abs(np.mean(values**3)) < 0.02


def test_mean_and_deviation_are_one_multiplication_and_one_addition():
    unit, scaled = CaffeRandom(8).normal(0, 1, 5000), CaffeRandom(8).normal(0.3, 0.01, 5000)
    assert_same_bits(scaled, unit * np.float32(0.01) + np.float32(0.3))


def test_uniform_includes_its_bounds_and_is_one_draw_each():
    random, raw = CaffeRandom(4), CaffeRandom(4).draws(10000)
    expected = raw.astype(np.float32) / np.float32(2**32) * np.float32(7) + np.float32(-2)
    values = random.uniform(-2, 5, 10000)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)
    assert values.min() >= -2 and values.max() <= 5
    assert (CaffeRandom(4).uniform(1, 1, 50) == 1).all()


@pytest.mark.parametrize("bounds", [(2, 1), (0, np.inf), (np.nan, 1)])
def test_a_range_that_is_none_is_refused(bounds):
    with pytest.raises(ValueError, match="finite range"):
        CaffeRandom(1).uniform(*bounds, 3)


def test_bernoulli_compares_in_the_type_of_p():
    raw = CaffeRandom(6).draws(100000)
    np.testing.assert_array_equal(CaffeRandom(6).bernoulli(0.3, 100000), raw <= 0.3 * (2**32 - 1))
    share = np.float32(0.3)
    expected = raw.astype(np.float32) <= share * np.float32(2**32)
    np.testing.assert_array_equal(CaffeRandom(6).bernoulli(share, 100000), expected)
    certain, never = CaffeRandom(6), CaffeRandom(6)
    assert certain.bernoulli(1.0, 1000).all() and not never.bernoulli(0.0, 1000).any()
    np.testing.assert_array_equal(certain.draws(1), raw[1000:1001])
    np.testing.assert_array_equal(never.draws(1), raw[:1])  # Boost draws nothing where nothing can come


def test_restore_continues_in_the_middle_of_a_block():
    random, other = CaffeRandom(7), CaffeRandom(99)
    random.normal(0, 1, 333)
    other.restore(random.state())
    assert_same_bits(other.normal(0, 1, 3000), random.normal(0, 1, 3000))


@pytest.mark.parametrize(
    "state", [np.zeros(624, np.uint32), np.zeros(625, np.int64), np.full(625, 625, np.uint32), np.zeros((5, 125))]
)
def test_a_bad_state_is_refused(state):
    with pytest.raises(ValueError, match="625 uint32"):
        CaffeRandom(1).restore(state)


def tables():
    """Name -> values of ziggurat_tables.h."""
    found = re.findall(r"double (\w+)\[\d+\] = \{(.*?)\};", TABLES.read_text(), re.DOTALL)
    return {name: [float(value) for value in values.split(",")] for name, values in found}


@pytest.mark.parametrize(("kind", "layers"), [("normal", 128), ("exponential", 256)])
def test_tables_follow_from_their_definition(kind, layers):
    mpmath = pytest.importorskip("mpmath")  # comes with torch
    with mpmath.workdps(50):
        normal = kind == "normal"
        curve = (lambda x: mpmath.exp(-x * x / 2)) if normal else (lambda x: mpmath.exp(-x))
        inverse = (lambda y: mpmath.sqrt(-2 * mpmath.log(y))) if normal else (lambda y: -mpmath.log(y))
        beyond = (lambda r: mpmath.sqrt(mpmath.pi / 2) * mpmath.erfc(r / mpmath.sqrt(2))) if normal else curve

        def edges(start):
            area = start * curve(start) + beyond(start)
            x = [area / curve(start), start]
            while len(x) < layers:
                x.append(inverse(curve(x[-1]) + area / x[-1]))
            return x, curve(x[-1]) + area / x[-1] - 1  # the top of the last layer is f(0) = 1

        near = tables()[f"ziggurat_{kind}_x"][1]
        start = mpmath.findroot(lambda r: mpmath.re(edges(r)[1]), (near, near + mpmath.mpf("1e-16")))
        x = [*(mpmath.re(edge) for edge in edges(start)[0]), mpmath.mpf(0)]
        assert tables()[f"ziggurat_{kind}_x"] == [float(edge) for edge in x]
        assert tables()[f"ziggurat_{kind}_y"] == [0.0, *(float(curve(edge)) for edge in x[1:])]
