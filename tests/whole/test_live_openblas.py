"""Every family's products and sums against an OpenBLAS that runs its kernels (see live_openblas), on random shapes.

A few of the shapes always, thousands with `-m slow`. With several threads the rules are 0.3.21's: those tests need
CPM_OPENBLAS to name such a library.
"""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from cpm_kernels.exact.blas import add_column_sums, add_row_sums, asum, axpy, dot
from cpm_kernels.exact.gemm import TILE_VERSIONS, best_version, gemm
from cpm_kernels.exact.profiles import FAMILIES, Profile
from tests.bits import assert_same_bits
from tests.live_openblas import LiveOpenBlas, bundled_library

SHAPES = [60, pytest.param(2000, marks=pytest.mark.slow)]
LAST_OLD = (0, 3, 7)
"""The last OpenBLAS whose Haswell and Zen are `haswell-0.3.7`."""
LAST_KNOWN = (0, 3, 31)
"""The last OpenBLAS against which the rules were held; 0.3.34 has others."""
NEEDS = {
    "cooperlake": "avx512",
    "skylakex": "avx512",
    "haswell": "avx2",
    "zen": "avx2",
    "haswell-0.3.7": "avx2",
    "sandybridge": "avx2",
}
"""The least version of TILE_VERSIONS whose CPUs run a family."""


@pytest.fixture(params=[(family, threads) for family in FAMILIES for threads in (1, 2, 3)], ids=str, scope="module")
def oracle(request: pytest.FixtureRequest) -> Iterator[tuple[Profile, LiveOpenBlas]]:
    """A profile, and an OpenBLAS that runs it; skips what this CPU or this library has not got."""
    profile = Profile(*request.param)
    if best_version() < TILE_VERSIONS[NEEDS.get(profile.family, "portable")]:
        pytest.skip(f"this CPU cannot run the kernels of {profile.family}")
    if bundled_library() is None:
        pytest.skip("neither NumPy nor SciPy brings an OpenBLAS")
    family, _, newest = profile.family.partition("-")
    with LiveOpenBlas(family, profile.threads) as live:
        core, config = live.ask([("core",), ("config",)])
        if core.lower() != family:
            pytest.skip(f"asked for {profile.family}, this OpenBLAS takes {core}")
        said = re.search(r"OpenBLAS (\d+)\.(\d+)\.(\d+)", config)  # the oldest do not say their version
        version = (0, 3, 0) if said is None else tuple(map(int, said.groups()))
        old = version <= LAST_OLD
        if version > LAST_KNOWN:
            pytest.skip(f"the rules are those of OpenBLAS up to 0.3.31, this is {config.split()[1]}")
        if newest and not old:
            pytest.skip(f"the rules are those of OpenBLAS up to {newest}, this is {config.split()[1]}")
        if old and not newest and family in ("haswell", "zen"):
            pytest.skip(f"the rules of {family} are younger than this OpenBLAS")
        if profile.threads > 1 and "0.3.21" not in config:
            pytest.skip("the rules for several threads are those of OpenBLAS 0.3.21")
        yield profile, live


def sizes(random: np.random.Generator, most: int) -> int:
    """Small numbers as often as large ones."""
    return int(np.exp(random.uniform(0, np.log(most + 1))))


def compare(live: LiveOpenBlas, calls: list[tuple[object, ...]], found: list[np.ndarray | np.float32]) -> None:
    for call, values, expected in zip(calls, found, live.ask(calls), strict=True):
        shapes = [argument.shape for argument in call[1:] if isinstance(argument, np.ndarray)]
        assert_same_bits(np.asarray(values), np.asarray(expected), f"{call[0]} of {shapes}")


def normals(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal(shape, np.float32)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("count", [40, pytest.param(700, marks=pytest.mark.slow)])
def test_products(oracle: tuple[Profile, LiveOpenBlas], count: int, transpose_a: bool, transpose_b: bool) -> None:
    """Of up to 3 million multiplications, onto C or not."""
    profile, live = oracle
    random = np.random.default_rng(count)
    for number in range(count):
        rows, columns, depth = (sizes(random, most) for most in ((300, 2500, 2000) if number % 2 else (80, 200, 700)))
        depth = min(depth, 3_000_000 // (rows * columns) + 1)
        a = normals(random, *((depth, rows) if transpose_a else (rows, depth)))
        b = normals(random, *((columns, depth) if transpose_b else (depth, columns)))
        c = normals(random, rows, columns) if random.integers(2) else None
        found = gemm(a, b, None if c is None else c.copy(), transpose_a, transpose_b, profile)
        compare(live, [("gemm", a, b, c, transpose_a, transpose_b)], [found])


@pytest.mark.parametrize("count", SHAPES)
def test_row_sums(oracle: tuple[Profile, LiveOpenBlas], count: int) -> None:
    profile, live = oracle
    random, calls, found = np.random.default_rng(count), [], []
    for number in range(count):
        rows, length = sizes(random, 140), sizes(random, (20, 300, 9000)[number % 3])
        a, sums = normals(random, rows, length), normals(random, rows)
        scale = 1.0 if number % 4 else float(np.float32(random.uniform()))
        calls.append(("gemv", a, np.ones(length, np.float32), sums.copy(), False, scale))
        add_row_sums(a, sums, scale, profile)
        found.append(sums)
    compare(live, calls, found)


@pytest.mark.parametrize("count", SHAPES)
def test_column_sums(oracle: tuple[Profile, LiveOpenBlas], count: int) -> None:
    profile, live = oracle
    random, calls, found = np.random.default_rng(count), [], []
    for number in range(count):
        rows, columns = sizes(random, 140), sizes(random, (20, 300, 9000)[number % 3])
        a = normals(random, *((rows, columns) if number % 2 else (columns, rows)))
        sums = normals(random, a.shape[1])
        calls.append(("gemv", a, np.ones(len(a), np.float32), sums.copy(), True, 1.0))
        add_column_sums(a, sums, profile)
        found.append(sums)
    compare(live, calls, found)


@pytest.mark.parametrize("count", SHAPES)
def test_dot_asum_and_axpy(oracle: tuple[Profile, LiveOpenBlas], count: int) -> None:
    profile, live = oracle
    random, calls, found = np.random.default_rng(count), [], []
    for _ in range(count):
        x, y = normals(random, 2, sizes(random, 30_000))
        factor = float(np.float32(random.uniform()))
        total = y.copy()
        axpy(factor, x, total, profile)
        offset = int(random.integers(16))
        calls += [("dot", x, y), ("asum", x, offset), ("axpy", factor, x, y)]
        found += [dot(x, y, profile), asum(x, profile, offset), total]
    compare(live, calls, found)
