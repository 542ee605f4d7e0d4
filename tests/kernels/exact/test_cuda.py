"""The CUDA twin against the CPU's exact kernels, bit for bit: its kernels run on the host, tile by tile.

On a CUDA device the same comparisons run as `gpu` tests.
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cpm_kernels import cuda_module
from cpm_kernels.exact import blas, convolution, cuda, elementary, gemm, pooling, solvers
from cpm_kernels.exact.profiles import FAMILIES, Profile
from cpm_kernels.window import Window
from tests.bits import assert_same_bits
from tests.kernels.cuda_on_host import HostLauncher


@pytest.fixture(params=["host", "host, threads reversed", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the kernels run: "cpu" (compiled for the host) or "cuda"."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        pytest.importorskip("cupy", reason="CuPy is not installed")
        yield "cuda"
        return
    kernels = request.getfixturevalue("kernels_on_host")
    launcher = HostLauncher(*kernels, reversed_threads=request.param != "host")
    monkeypatch.setattr(cuda_module, "launch", launcher)
    yield "cpu"


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """New tensors are full of NaN: what a kernel leaves out shows."""
    empty = torch.empty

    def poisoned_empty(*args: object, **kwargs: object) -> torch.Tensor:
        tensor = empty(*args, **kwargs)
        return tensor.fill_(float("nan") if tensor.is_floating_point() else -77)

    monkeypatch.setattr(torch, "empty", poisoned_empty)


def values(*shape: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng([seed, *shape])
    return (random.standard_normal(shape) * 2.0 ** random.integers(-6, 6, shape)).astype(np.float32)


def on(device: str, *arrays: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(array.copy()).to(device) for array in arrays]


PROFILES = [Profile(family, threads) for family in FAMILIES for threads in (1, 2)]
PRODUCTS = [
    # m, n, k: small (one chain), lanes where B is transposed, then blocks: halves, several, odd ends
    (5, 7, 3),
    (15, 70, 40),
    (33, 35, 129),
    (6, 190, 700),
    (130, 140, 320),
    (70, 133, 321),
    (66, 68, 641),
    (140, 129, 967),
    (17, 260, 1300),
]


@pytest.mark.parametrize("sizes", PRODUCTS, ids=str)
@pytest.mark.parametrize("transposed", ["", "a", "b"])
def test_products(device: str, sizes: tuple[int, int, int], transposed: str) -> None:
    m, n, k = sizes
    a = values(k, m) if transposed == "a" else values(m, k)
    b = values(n, k, seed=1) if transposed == "b" else values(k, n, seed=1)
    how = {"transpose_a": transposed == "a", "transpose_b": transposed == "b"}
    c = values(m, n, seed=2)
    for profile in PROFILES:
        expected = gemm.gemm(a, b, profile=profile, **how)
        actual = cuda.gemm(*on(device, a, b), profile=profile, **how)
        assert_same_bits(actual.cpu().numpy(), expected, str(profile))
        onto = cuda.gemm(*on(device, a, b, c), **how, profile=profile)
        assert_same_bits(onto.cpu().numpy(), gemm.gemm(a, b, c.copy(), **how, profile=profile), f"onto c, {profile}")


@pytest.mark.parametrize("tile", cuda.TILES)
def test_every_tile_size(device: str, monkeypatch: pytest.MonkeyPatch, tile: str) -> None:
    monkeypatch.setattr(cuda, "_tile", lambda *sizes: tile)
    test_products(device, (131, 150, 700), "")
    test_convolution(device, *CONVOLUTIONS["9 x 9"])
    test_convolution(device, *CONVOLUTIONS["strides, dilation, groups"])


def test_the_tile_follows_the_product() -> None:
    assert cuda._tile(128, 46 * 46, 16) == "128x128"
    assert cuda._tile(128, 46 * 46, 1) == "64x64"
    assert cuda._tile(15, 46 * 46, 16) == "32x128"


@pytest.mark.parametrize("form", [{}, {"transpose_a": True}, {"transpose_b": True}], ids=str)
@pytest.mark.parametrize("size", [1, 40, 101])
def test_the_sign_of_zero(device: str, size: int, form: dict[str, bool]) -> None:
    """Products below float32's range give -0, which a small product keeps (but A · Bᵀ) and a large one adds to 0."""
    tiny = np.full((size, size), 1e-38, np.float32)
    expected = gemm.gemm(-tiny, tiny, **form)
    assert np.signbit(expected).all() == (size < 101 and not form.get("transpose_b"))
    assert_same_bits(cuda.gemm(*on(device, -tiny, tiny), **form).cpu().numpy(), expected, "zeros")


def test_subnormal_numbers_are_kept(device: str) -> None:
    """They are what is left of a history that momentum lets decay; a card can be told to take them for zero."""
    small = np.float32([1e-39, -3e-42, 1.5e-38, -1e-45])
    a, b = np.diag(small), np.full((4, 4), 0.5, np.float32)
    expected = gemm.gemm(a, b)
    assert ((expected != 0) & (np.abs(expected) < np.finfo(np.float32).tiny)).sum() == 12
    assert_same_bits(cuda.gemm(*on(device, a, b)).cpu().numpy(), expected, "product")
    assert_same_bits(cuda.relu(*on(device, small), 0.5).cpu().numpy(), elementary.relu(small, 0.5), "ReLU")
    step = solvers.SolverStep(rate=0.1, momentum=0.9)
    weight, gradient, history = np.zeros(4, np.float32), small.copy(), small[::-1].copy()
    tensors = [on(device, array) for array in (weight, gradient, history)]
    cuda.solver_update(*tensors, [step], [None])
    solvers.solver_update(weight, gradient, history, step)
    assert_same_bits(tensors[0][0].cpu().numpy(), weight, "weight")
    assert_same_bits(tensors[2][0].cpu().numpy(), history, "history")


def test_a_nan_has_the_bits_that_it_has_on_x86(device: str) -> None:
    """What infinities leave behind: a training that has diverged is compared to the bit too."""
    a, b = values(33, 129), values(35, 129, seed=1)
    a[3, 5], a[3, 90], b[4, 5], b[4, 7] = np.inf, -np.inf, np.inf, -np.inf
    for profile in (Profile(), Profile("haswell"), Profile("nehalem")):
        for rows in (33, 5):
            product = gemm.gemm(a[:rows], b, transpose_b=True, profile=profile)
            assert np.isnan(product).any()
            actual = cuda.gemm(*on(device, a[:rows], b), transpose_b=True, profile=profile)
            assert_same_bits(actual.cpu().numpy(), product, f"product of {rows} rows, {profile}")
    x = values(2, 6, 8, 7)
    x[0, 2:4, :2, :2] = [[[np.inf, np.inf], [-np.inf, 1]], [[-np.inf, np.inf], [np.inf, 1]]]
    for name, window in {"3 x 3": Window((3, 3)), "1 x 1": Window((1, 1))}.items():
        same_convolution(device, x, 7, window, name)
    window = Window((2, 2), (2, 2))
    assert_same_bits(cuda.ave_pool(*on(device, x), window).cpu().numpy(), pooling.ave_pool(x, window), "means")
    gradient = np.zeros(6, np.float32)
    on_x, on_gradient = on(device, x, gradient)
    cuda.add_bias_gradient(on_x, on_gradient)
    for image in x:
        blas.add_row_sums(image.reshape(6, -1), gradient)
    assert np.isnan(gradient).any()
    assert_same_bits(on_gradient.cpu().numpy(), gradient, "bias gradient")


def same_convolution(device: str, x: np.ndarray, outputs: int, window: Window, name: str) -> None:
    weight = values(outputs, x.shape[1], *window.kernel, seed=1)
    y = convolution.convolve(x, weight, None, window)
    assert np.isnan(y).any()
    assert_same_bits(cuda.convolve(*on(device, x, weight), None, window).cpu().numpy(), y, name)
    dx = convolution.convolve_transposed(y, weight, None, window, x.shape[2:])
    on_y, on_weight, on_x = on(device, y, weight, x)
    actual = cuda.convolve_transposed(on_y, on_weight, None, window, x.shape[2:])
    assert_same_bits(actual.cpu().numpy(), dx, f"data gradient, {name}")
    gradient = np.zeros_like(weight)
    (on_gradient,) = on(device, gradient)
    convolution.add_weight_gradient(x, y, gradient, window)
    cuda.add_weight_gradient(on_x, on_y, on_gradient, window)
    assert_same_bits(on_gradient.cpu().numpy(), gradient, f"weight gradient, {name}")


DEFAULT = Profile()
CONVOLUTIONS: dict[str, tuple[tuple[int, ...], int, Window, int, Profile]] = {
    # x's shape, output channels, window, group, profile
    "1 x 1": ((2, 20, 9, 11), 15, Window((1, 1)), 1, DEFAULT),
    "1 x 1, many channels": ((1, 330, 20, 20), 70, Window((1, 1)), 1, DEFAULT),
    "1 x 1, many outputs": ((1, 70, 20, 20), 330, Window((1, 1)), 1, DEFAULT),
    "3 x 3, lanes": ((3, 2, 9, 8), 7, Window((3, 3), pad=(1, 1)), 1, DEFAULT),
    "9 x 9": ((2, 5, 25, 27), 33, Window((9, 9), pad=(4, 4)), 1, DEFAULT),
    "11 x 11": ((1, 7, 21, 22), 36, Window((11, 11), pad=(5, 5)), 1, DEFAULT),
    "strides, dilation, groups": ((2, 6, 33, 30), 20, Window((3, 2), (2, 3), (2, 1), (2, 3)), 2, DEFAULT),
    "several blocks of outputs": ((2, 11, 14, 15), 340, Window((3, 3), pad=(1, 1)), 1, DEFAULT),
    "threads": ((1, 40, 30, 28), 66, Window((3, 3)), 1, Profile(threads=2)),
    **{
        f"{family}, {threads} threads": ((2, 6, 33, 30), 44, Window((5, 3), pad=(2, 1)), 2, Profile(family, threads))
        for family in ("haswell", "sandybridge", "nehalem")
        for threads in (1, 2)
    },
    "1 x 1, haswell": ((2, 40, 20, 21), 22, Window((1, 1)), 1, Profile("haswell")),
}


@pytest.mark.parametrize(("shape", "outputs", "window", "group", "profile"), CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_convolution(
    device: str, shape: tuple[int, ...], outputs: int, window: Window, group: int, profile: Profile
) -> None:
    x, how = values(*shape), (group, profile)
    weight = values(outputs, shape[1] // group, *window.kernel, seed=1)
    bias, gradient = values(outputs, seed=2), values(*weight.shape, seed=3)
    y = convolution.convolve(x, weight, bias, window, *how)
    assert_same_bits(cuda.convolve(*on(device, x, weight, bias), window, *how).cpu().numpy(), y, "forward")

    dy, size = values(*y.shape, seed=4), shape[2:]
    dx = convolution.convolve_transposed(dy, weight, None, window, size, *how)
    (on_dy, on_weight, on_x, on_gradient) = on(device, dy, weight, x, gradient)
    actual = cuda.convolve_transposed(on_dy, on_weight, None, window, size, *how)
    assert_same_bits(actual.cpu().numpy(), dx, "data gradient")

    convolution.add_weight_gradient(x, dy, gradient, window, *how)
    cuda.add_weight_gradient(on_x, on_dy, on_gradient, window, *how)
    assert_same_bits(on_gradient.cpu().numpy(), gradient, "weight gradient")


@pytest.mark.parametrize("maps", [1, 3, 6, 7, 8, 33])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (2, 3), (2, 4), (5, 7), (23, 23), (12, 12), (68, 61), (91, 93)])
def test_bias_gradient(device: str, maps: int, size: tuple[int, int]) -> None:
    y, start = values(3, maps, *size), values(maps, seed=1)
    for profile in [Profile(family, threads) for family in FAMILIES for threads in (1, 2, 4)]:
        gradient = start.copy()
        on_y, on_gradient = on(device, y, gradient)
        cuda.add_bias_gradient(on_y, on_gradient, profile)
        for image in y:
            blas.add_row_sums(image.reshape(maps, -1), gradient, profile=profile)
        assert_same_bits(on_gradient.cpu().numpy(), gradient, f"bias gradient, {profile}")


POOLINGS = {
    "3 / 2, the edge clipped": (Window((3, 3), (2, 2)), (23, 26)),
    "2 / 2": (Window((2, 2), (2, 2)), (8, 8)),
    "9 / 8": (Window((9, 9), (8, 8)), (40, 43)),
    "3 / 2 with padding": (Window((3, 3), (2, 2), (1, 1)), (11, 10)),
    "gaps": (Window((2, 3), (4, 3), (1, 0)), (13, 9)),
}


@pytest.mark.parametrize(("window", "size"), POOLINGS.values(), ids=POOLINGS)
def test_pooling(device: str, window: Window, size: tuple[int, int]) -> None:
    x, dy = np.round(values(2, 3, *size)), values(2, 3, *window.pooled(size), seed=1)  # rounded: with ties
    on_x, on_dy = on(device, x, dy)
    y, where = pooling.max_pool(x, window)
    on_y, on_where = cuda.max_pool(on_x, window)
    assert_same_bits(on_y.cpu().numpy(), y, "maxima")
    assert_same_bits(on_where.cpu().numpy(), where, "their places")
    dx = cuda.max_pool_gradient(on_dy, on_where, window, size)
    expected = pooling.max_pool_gradient(dy, where, window, size)
    assert_same_bits(dx.cpu().numpy(), expected, "gradient of the maxima")
    assert_same_bits(cuda.ave_pool(on_x, window).cpu().numpy(), pooling.ave_pool(x, window), "means")
    dx = cuda.ave_pool_gradient(on_dy, window, size)
    expected = pooling.ave_pool_gradient(dy, window, size)
    assert_same_bits(dx.cpu().numpy(), expected, "gradient of the means")


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_relu(device: str, slope: float) -> None:
    x, dy = values(5, 61), values(5, 61, seed=1)
    x[0, :4] = [0.0, -0.0, np.inf, -np.inf]
    on_x, on_dy = on(device, x, dy)
    assert_same_bits(cuda.relu(on_x, slope).cpu().numpy(), elementary.relu(x, slope), "forward")
    again = on_x.clone()
    assert cuda.relu(again, slope, in_place=True).data_ptr() == again.data_ptr()
    assert_same_bits(again.cpu().numpy(), elementary.relu(x, slope), "in place")
    dx = cuda.relu_gradient(on_x, on_dy, slope)
    assert_same_bits(dx.cpu().numpy(), elementary.relu_gradient(x, dy, slope), "backward")


def test_solver_update(device: str) -> None:
    """Blobs of all sizes and solvers, each with a step of its own: fewer values than threads, more than the blocks
    hold."""
    steps = [
        solvers.SolverStep(rate=8e-5 * 5, momentum=0.9, decay=5e-4),
        solvers.SolverStep(clip=0.37, share=0.5, decay=1e-3, absolute=True, rate=0.01, momentum=0.0),
        solvers.SolverStep(rate=0.1, momentum=0.9),
        solvers.SolverStep(share=1 / 3, decay=1e-3, rate=0.03, momentum=0.9),
    ]
    counts = [561, 7, 1, cuda.SOLVER_BLOCKS * 256 * 2 + 3]
    for kind in list(solvers.SOLVER_TYPES)[1:]:
        numbers = {"rate": 0.1, "momentum": 0.9, "momentum2": 0.99, "delta": 1e-6, "decay": 1e-3}
        for profile in (Profile(), Profile("haswell", 2), Profile("nehalem")):
            steps.append(solvers.SolverStep(kind, **numbers, profile=profile))
            counts.append(10_031)
    blobs = [[values(count, seed=seed) for count in counts] for seed in range(4)]
    blobs[0][0][:2] = [0.0, -0.0]
    for histories in blobs[2:]:
        histories[4:] = [np.abs(history) for history in histories[4:]]
    weights, gradients, histories, seconds = ([*on(device, *arrays)] for arrays in blobs)
    two = [step.type in solvers.TWO_HISTORIES for step in steps]
    second_histories = [second if both else None for second, both in zip(seconds, two, strict=True)]
    cuda.solver_update(weights, gradients, histories, steps, second_histories)
    for weight, gradient, history, second, step, both in zip(*blobs, steps, two, strict=True):
        solvers.solver_update(weight, gradient, history, step, second if both else None)
    tensors = {"weight": weights, "update": gradients, "history": histories, "second history": seconds}
    for (name, actual), expected in zip(tensors.items(), blobs, strict=True):
        for one, other, step in zip(actual, expected, steps, strict=True):
            assert_same_bits(one.cpu().numpy(), other, f"{name} of {len(other)} values, {step.type}")


def test_wrong_tensors_are_refused() -> None:
    x, weight = torch.zeros(1, 3, 8, 8), torch.zeros(4, 3, 3, 3)
    window = Window((3, 3))
    with pytest.raises(ValueError, match="must be on a CUDA device, not on cpu"):
        cuda.convolve(x, weight, None, window)
    with pytest.raises(ValueError, match="weight must have shape"):
        cuda.convolve(x, torch.zeros(4, 2, 3, 3), None, window)
    with pytest.raises(ValueError, match="bias must have shape"):
        cuda.convolve(x, weight, torch.zeros(3), window)
    with pytest.raises(ValueError, match="contiguous float32"):
        cuda.convolve(x.double(), weight, None, window)
    with pytest.raises(ValueError, match="rows, as a has columns"):
        cuda.gemm(torch.zeros(2, 3), torch.zeros(4, 5))
