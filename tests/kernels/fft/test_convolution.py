"""Convolution by FFT against float64 convolution, and its plans."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.exact.pooling import max_pool_channels_last
from cpm_kernels.fft import convolution
from cpm_kernels.fft.convolution import convolve, convolve_once, transform_weights, weight_gradient
from cpm_kernels.fft.plan import TILE_SIZES, WINOGRAD, FftPlan, PlainConvolution, fft_plan, plans_of
from cpm_kernels.window import Window
from tests.bits import assert_same_bits
from tests.convolution_cases import CASES, assert_close

# The convolutions of the 6-stage network: channels, size, outputs, kernel.
CPM_LAYERS = {
    "conv1": (3, 368, 128, 9),
    "conv2": (128, 184, 128, 9),
    "conv3": (128, 92, 128, 9),
    "conv4": (128, 46, 32, 5),
    "conv5": (32, 46, 512, 9),
    "Mconv1": (48, 46, 128, 11),
    "Mconv2": (128, 46, 128, 11),
    "Mconv4": (128, 46, 128, 1),
    "VGG's Mconv2": (128, 46, 128, 7),
    "VGG's conv4_2": (512, 46, 512, 3),
}


def square_plan(channels, size, outputs, kernel):
    """The plan of a layer whose output is as large as its input."""
    window = Window((kernel, kernel), pad=(kernel // 2, kernel // 2))
    return fft_plan(PlainConvolution(channels, outputs, window, (size, size), 1))


@pytest.fixture(autouse=True)
def poisoned(monkeypatch):
    """Arrays that the library must fill start as NaN, and so does its workspace."""
    monkeypatch.setattr(convolution, "empty", lambda shape: np.full(shape, np.nan, np.float32))
    monkeypatch.setattr(convolution, "_workspace", convolution._Workspace())


def random_case(images, channels, size, outputs, kernel, pad, seed=0):
    """x, weight and bias of a case, and dy for its output, channels last."""
    random = np.random.default_rng(seed)
    out_size = [n + 2 * p - k + 1 for n, p, k in zip(size, pad, kernel, strict=True)]
    shapes = (images, *size, channels), (outputs, channels, *kernel), (outputs,), (images, *out_size, outputs)
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


def tensor(x, dtype=torch.float64):
    """(N, H, W, C) as a tensor (N, C, H, W)."""
    return torch.from_numpy(x).to(dtype).permute(0, 3, 1, 2)


def expected(x, weight, bias, dy, pad):
    """Output, and its gradients by x and weight, in float64, channels last."""
    inputs = tensor(x).requires_grad_(), torch.from_numpy(weight).double().requires_grad_()
    y = F.conv2d(*inputs, torch.from_numpy(bias).double(), padding=pad)
    dx, dweight = torch.autograd.grad(y, inputs, tensor(dy))
    return y.detach().permute(0, 2, 3, 1).numpy(), dx.permute(0, 2, 3, 1).numpy(), dweight.numpy()


@pytest.mark.parametrize("tile", [WINOGRAD, *TILE_SIZES])
@pytest.mark.parametrize("case", CASES)
def test_output_and_gradients(case, tile):
    images, channels, size, outputs, kernel, pad = CASES[case]
    plans = [
        p
        for p in plans_of(PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images))
        if p.tile == tile
    ]
    if not plans:
        pytest.skip("the kernel does not fit the tile")
    plan = plans[0]
    x, weight, bias, dy = random_case(*CASES[case], seed=tile)
    y, dx, dweight = expected(x, weight, bias, dy, pad)
    assert_close(convolve(x, transform_weights(weight, plan), bias, plan), y, "output")
    turned = plan.input_gradient()
    assert_close(convolve(dy, transform_weights(weight, turned, turned=True), None, turned), dx, "gradient by x")
    assert_close(weight_gradient(x, dy, plan), dweight, "gradient by the weight")


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("version", range(best_version() + 1))
def test_every_version_of_the_kernels(version, size):
    kernel, pad = (size, size), (size // 2, size // 2)
    x, weight, bias, dy = random_case(2, 35, (31, 30), 20, kernel, pad)
    y, _, dweight = expected(x, weight, bias, dy, pad)
    for plan in plans_of(PlainConvolution(35, 20, Window(kernel, pad=pad), (31, 30), 2)):
        assert_close(convolve(x, transform_weights(weight, plan), bias, plan, version=version), y, f"tile {plan.tile}")
        assert_close(weight_gradient(x, dy, plan, version=version), dweight, f"tile {plan.tile}, gradient")


@pytest.mark.parametrize("layer", CPM_LAYERS)
def test_cpm_layers(layer):
    channels, size, outputs, kernel = CPM_LAYERS[layer]
    plan = square_plan(channels, size, outputs, kernel)
    assert (plan is None) == (kernel == 1)
    if plan is None:
        return
    x, weight, bias, _ = random_case(1, channels, (size, size), outputs, plan.window.kernel, plan.window.pad)
    x = np.maximum(x, 0)  # as after a ReLU: a mean far from 0
    y = convolve(x, transform_weights(weight, plan), bias, plan)
    some = slice(0, outputs, 37)  # float64 convolution takes its time
    wanted = F.conv2d(tensor(x), torch.from_numpy(weight[some]).double(), torch.from_numpy(bias[some]).double(),
                      padding=plan.window.pad)  # fmt: skip
    assert_close(y[..., some], wanted.permute(0, 2, 3, 1).numpy(), layer)


@pytest.mark.parametrize(("channels", "small_weights"), [(20, False), (20, True), (3, False)])
def test_bits_do_not_depend_on_the_threads_nor_outputs_on_the_chunks(channels, small_weights, monkeypatch):
    case = (2, channels, (40, 33), 18, (5, 5), (2, 2))
    if not small_weights:
        monkeypatch.setattr("cpm_kernels.fft.plan.CACHE", 0)
    x, weight, bias, dy = random_case(*case)
    plan = FftPlan(channels, 18, Window((5, 5), pad=(2, 2)), (40, 33), images=2, tile=12, chunk=7)
    whole = FftPlan(channels, 18, Window((5, 5), pad=(2, 2)), (40, 33), images=2, tile=12, chunk=1000)
    assert plan.core_by_core == (channels < 16 or small_weights)
    assert plan.of_one_core(1).chunk == (25 if channels < 16 else 17) and plan.of_one_core(threads=50).chunk == 1
    spectra = transform_weights(weight, plan, threads=1)
    y, dweight = convolve(x, spectra, bias, plan, threads=1), weight_gradient(x, dy, plan, threads=1)
    for threads in (2, 3, 7):
        assert_same_bits(transform_weights(weight, plan, threads=threads), spectra, "spectra")
        assert_same_bits(convolve(x, spectra, bias, plan, threads=threads), y, "output")
        assert_same_bits(weight_gradient(x, dy, plan, threads=threads), dweight, "gradient")
    assert_same_bits(convolve(x, spectra, bias, whole), y, "output in one chunk")


def rounded(spectrum):
    """Complex values with real and imaginary parts rounded to bfloat16."""
    parts = torch.view_as_real(torch.from_numpy(spectrum))
    return torch.view_as_complex(parts.bfloat16().double()).numpy()


NO_BFLOAT16 = pytest.mark.skipif(not convolution.has_bfloat16(), reason="this CPU has no products of bfloat16 values")


@NO_BFLOAT16
def test_bfloat16_rounds_the_spectra_and_nothing_else():
    """One tile of 16 x 16, in float64 from rounded spectra; values near a tie may be rounded the other way."""
    x, weight, bias, _ = random_case(1, 37, (14, 14), 21, (3, 3), (1, 1))
    plan = FftPlan(37, 21, Window((3, 3), pad=(1, 1)), (14, 14), images=1, tile=16, chunk=1, bfloat16=True)
    image = rounded(np.fft.fft2(np.pad(x[0].astype(np.float64), ((1, 1), (1, 1), (0, 0))), axes=(0, 1)))
    taps = np.fft.fft2(weight.astype(np.float64), (16, 16))
    products = np.einsum("hwc,ochw->hwo", image, rounded(taps.conj()))
    wanted = np.fft.ifft2(products, axes=(0, 1)).real[:14, :14] + bias
    y = convolve(x, transform_weights(weight, plan), bias, plan)[0]
    assert np.abs(y - wanted).max() < 2e-4 * np.abs(wanted).max()
    exact, *_ = expected(x, weight, bias, np.zeros((1, 14, 14, 21), np.float32), 1)
    assert 1e-4 < np.abs(y - exact).max() / np.abs(exact).max() < 5e-3


@NO_BFLOAT16
@pytest.mark.parametrize("case", CASES)
def test_bfloat16_at_every_size(case):
    images, channels, size, outputs, kernel, pad = CASES[case]
    x, weight, bias, dy = random_case(*CASES[case])
    y, dx, dweight = expected(x, weight, bias, dy, pad)
    for plan in plans_of(PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images, bfloat16=True)):
        assert plan.rounds == (plan.tile != WINOGRAD)
        spectra, turned = transform_weights(weight, plan), plan.input_gradient()
        got = convolve(x, spectra, bias, plan)
        dx_got = convolve_once(dy, weight, None, turned, True)
        for made, right in ((got, y), (dx_got, dx)):
            assert np.abs(made - right).max() < 0.02 * np.abs(right).max(), plan
        assert_close(weight_gradient(x, dy, plan), dweight, "gradient by the weight")
        for threads in (1, 3):
            assert_same_bits(convolve(x, spectra, bias, plan, threads=threads), got, "threads")
            assert_same_bits(convolve_once(x, weight, bias, plan, threads=threads), got, "once")


def test_cpus_without_bfloat16_refuse_its_plans(monkeypatch):
    monkeypatch.setattr(convolution, "has_bfloat16", lambda: False)
    plan = FftPlan(2, 3, Window((3, 3), pad=(1, 1)), (14, 14), images=1, tile=16, chunk=1, bfloat16=True)
    with pytest.raises(ValueError, match="no products of bfloat16"):
        transform_weights(np.zeros((3, 2, 3, 3), np.float32), plan)


WITHOUT_TORCH = """
import sys
import numpy as np
from cpm_kernels.fft.convolution import convolve, transform_weights
from cpm_kernels.fft.plan import FftPlan
from cpm_kernels.window import Window
case = np.load(sys.argv[1])
plan = FftPlan(20, 18, Window((5, 5), pad=(2, 2)), (40, 33), images=2, tile=12, chunk=7)
y = convolve(case["x"], transform_weights(case["weight"], plan), case["bias"], plan, threads=3)
assert "torch" not in sys.modules
np.save(sys.argv[2], y)
"""


def test_bits_do_not_depend_on_whose_threads_they_are(tmp_path):
    x, weight, bias, _ = random_case(2, 20, (40, 33), 18, (5, 5), (2, 2))
    np.savez(tmp_path / "case.npz", x=x, weight=weight, bias=bias)
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH, tmp_path / "case.npz", tmp_path / "y.npy"], check=True)
    plan = FftPlan(20, 18, Window((5, 5), pad=(2, 2)), (40, 33), images=2, tile=12, chunk=7)
    y = convolve(x, transform_weights(weight, plan), bias, plan, threads=3)
    assert_same_bits(np.load(tmp_path / "y.npy"), y, "output with own threads, and with torch's")


def test_relu_and_slices_of_wider_arrays():
    x, weight, bias, _ = random_case(2, 15, (19, 22), 20, (5, 5), (2, 2))
    plan = FftPlan(15, 20, Window((5, 5), pad=(2, 2)), (19, 22), images=2, tile=16, chunk=3)
    spectra = transform_weights(weight, plan)
    y = convolve(x, spectra, bias, plan)
    wide_x, wide_y = np.full((2, 19, 22, 40), np.nan, np.float32), np.full((2, 19, 22, 50), 7, np.float32)
    wide_x[..., 10:25] = x
    returned = convolve(wide_x[..., 10:25], spectra, bias, plan, relu=True, out=wide_y[..., 20:40])
    assert_same_bits(returned, np.maximum(y, 0), "output")
    assert (wide_y[..., :20] == 7).all() and (wide_y[..., 40:] == 7).all()
    apart = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert_same_bits(convolve(apart, spectra, bias, plan), y, "channels first")


def outputs_beside_zeros(channels, size, version):
    """Of each plan: its outputs where all input is 0, and those where none is."""
    kernel, pad = (size, size), (size // 2, size // 2)
    x, weight, _, _ = random_case(1, channels, (60, 50), 20, kernel, pad)
    x[:, 20:, 13:] = 0
    for plan in plans_of(PlainConvolution(channels, 20, Window(kernel, pad=pad), (60, 50), 1)):
        y = convolve(x, transform_weights(weight, plan), None, plan, version=version)
        yield plan.tile, y[:, 20 + pad[0] :, 13 + pad[1] :], y[:, :20]


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("version", range(best_version() + 1))
def test_zero_where_all_input_is_zero(version, size):
    for tile, zeros, others in outputs_beside_zeros(35, size, version):
        assert (zeros == 0).all() and (others != 0).mean() > 0.99, f"tile {tile}"


@pytest.mark.parametrize("version", range(best_version() + 1))
def test_zero_by_winograd_of_many_channels(version):
    tile, zeros, others = next(outputs_beside_zeros(512, 3, version))
    assert tile == WINOGRAD and (zeros == 0).all() and (others != 0).mean() > 0.99


def test_relu_keeps_nan():
    x, weight, bias, _ = random_case(1, 3, (9, 9), 4, (3, 3), (1, 1))
    plan = plans_of(PlainConvolution(3, 4, Window((3, 3), pad=(1, 1)), (9, 9), 1))[0]
    x[0, 0, 0, 0] = np.nan
    assert np.isnan(convolve(x, transform_weights(weight, plan), bias, plan, relu=True)[0, 0, 0]).all()


def random_pooling(random):
    kernel = tuple(map(int, random.integers(1, 10, 2)))
    stride = tuple(int(random.integers(1, k + 3)) for k in kernel)
    pad = tuple(int(random.integers(0, k)) for k in kernel)
    return Window(kernel, stride, pad, ceil=bool(random.integers(2)))


POOLED = [*CASES.values(), (3, 20, (41, 38), 37, (3, 3), (1, 1)), (2, 3, (50, 31), 21, (9, 9), (4, 4))]
ROUNDED = (False, True) if convolution.has_bfloat16() else (False,)


@pytest.mark.parametrize("case", POOLED, ids=str)
def test_pooled_results_have_the_bits_of_a_pooling_of_their_own(case, monkeypatch):
    """In bands as small and as many as they may be, too."""
    images, channels, size, outputs, kernel, pad = case
    x, weight, bias, _ = random_case(*case)
    x[-1, -1, -1, -1] = np.nan
    random = np.random.default_rng(POOLED.index(case))
    plans = [
        replace(plan, chunk=random.choice([1, 3, plan.chunk]))
        for rounds in ROUNDED
        for plan in plans_of(
            PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images, bfloat16=rounds)
        )
    ]
    for plan in plans:
        pooling, relu, threads = random_pooling(random), bool(random.integers(2)), int(random.integers(1, 4))
        if min(pooling.pooled(plan.out_size)) < 1:
            continue
        monkeypatch.setattr("cpm_kernels.fft.plan.BAND_BYTES", int(random.choice([1, 1 << 14, 1 << 20])))
        spectra = transform_weights(weight, plan)
        wanted = max_pool_channels_last(convolve(x, spectra, bias, plan, relu), pooling)
        convolution._workspace.memory.fill(np.nan)
        found = convolve(x, spectra, bias, plan, relu, threads=threads, pooling=pooling)
        assert_same_bits(found, wanted, f"{plan}, {pooling}, {threads} threads")


@pytest.mark.parametrize("version", range(best_version() + 1))
def test_every_version_pools(version):
    x, weight, bias, _ = random_case(1, 5, (30, 31), 20, (3, 3), (1, 1))
    for plan in plans_of(PlainConvolution(5, 20, Window((3, 3), pad=(1, 1)), (30, 31), 1)):
        spectra = transform_weights(weight, plan)
        wanted = max_pool_channels_last(convolve(x, spectra, bias, plan, version=version), POOLING)
        assert_same_bits(convolve(x, spectra, bias, plan, version=version, pooling=POOLING), wanted, f"{plan.tile}")


POOLING = Window((3, 3), (2, 2))


def test_memory_of_results_that_are_pooled():
    """Of CPM's first layer, whose results are 69 MB."""
    plan = square_plan(*CPM_LAYERS["conv1"]).of_one_core(threads=1)
    bands = plan.bands(POOLING, 2)
    assert bands.bytes == bands.count * plan.kept[0] * 368 * 128 * 4 < 10e6
    assert plan.bands(POOLING, 64).count == plan.grid[0] == plan.bands(Window((368, 368)), 1).count


def test_wrong_arrays_are_refused():
    x, weight, bias, _ = random_case(1, 3, (20, 20), 4, (5, 5), (2, 2))
    plan = plans_of(PlainConvolution(3, 4, Window((5, 5), pad=(2, 2)), (20, 20), 1))[0]
    spectra = transform_weights(weight, plan)
    for wrong in (
        lambda: transform_weights(weight.transpose(1, 0, 2, 3), plan),
        lambda: convolve(x[:, :, :-1], spectra, bias, plan),
        lambda: convolve(x.astype(np.float64), spectra, bias, plan),
        lambda: convolve(x, spectra[:-1], bias, plan),
        lambda: convolve(x, spectra, bias[:-1], plan),
        lambda: convolve(x, spectra, bias, plan, out=np.empty((1, 20, 20, 5), np.float32)),
        lambda: convolve(x, spectra, bias, plan, out=np.empty((1, 4, 20, 20), np.float32).transpose(0, 2, 3, 1)),
        lambda: convolve(x, spectra, bias, plan, out=np.empty((1, 20, 20, 4), np.float32), pooling=POOLING),
        lambda: convolve(x, spectra, bias, plan, out=np.empty((1, 10, 10, 8), np.float32)[..., :4], pooling=POOLING),
        lambda: weight_gradient(x, x, plan),
    ):
        with pytest.raises(ValueError, match="must be"):
            wrong()


def test_plans():
    assert square_plan(128, 46, 128, 1) is None
    assert fft_plan(PlainConvolution(16, 16, Window((9, 9), pad=(0, 0)), (4, 4), 1)) is None
    assert fft_plan(PlainConvolution(16, 16, Window((41, 41), pad=(20, 20)), (64, 64), 1)) is None
    kept = [square_plan(*layer) for layer in CPM_LAYERS.values()]
    counts = [2, 2, 2, 6, 1, 5, 10, 0, 0, 0]
    total = sum(plan.weight_bytes * count for plan, count in zip(kept, counts, strict=True) if plan)
    assert total < 600e6  # of weights' spectra in a 6-stage network


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize(
    "case",
    [(2, 35, (13, 11), 70, (5, 3), (2, 1)), (1, 200, (9, 9), 70, (3, 3), (1, 1)), (1, 3, (29, 40), 40, (5, 5), (2, 2))],
)
def test_weights_used_once_give_the_bits_of_kept_ones(case, threads):
    images, channels, size, outputs, kernel, pad = case
    x, weight, bias, dy = random_case(*case)
    plans = plans_of(PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images))
    assert any(plan.in_blocks for plan in plans)
    for plan in plans:
        kept = convolve(x, transform_weights(weight, plan), bias, plan, relu=True)
        once = convolve_once(x, weight, bias, plan, relu=True, threads=threads)
        assert_same_bits(once, kept, f"tiles of {plan.tile}")
        turned = plan.input_gradient()
        kept = convolve(dy, transform_weights(weight, turned, turned=True), None, turned)
        assert_same_bits(convolve_once(dy, weight, None, turned, True, threads=threads), kept, "gradient by x")
        unhurried = weight_gradient(x, dy, plan, threads=64)  # more threads than blocks of outputs
        assert_same_bits(weight_gradient(x, dy, plan, threads=threads), unhurried, "gradient by the weight")
