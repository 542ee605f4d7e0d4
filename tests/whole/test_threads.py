"""How many threads share the work never shows in a result, nor does who else calls at the same time.

`python -m tests.whole.test_threads` does the same without pytest and torch: `sanitize.sh thread` runs it on a library
that watches its threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cpm_kernels.exact import convolution, elementary, gemm, pooling, solvers
from cpm_kernels.fft import convolution as fft_convolution
from cpm_kernels.fft.plan import FftPlan, for_images
from cpm_kernels.samples.sample import SAMPLE, SampleGeometry, SampleShape, fill_sample, set_regions, transform_samples
from cpm_kernels.training.batch_norm import batch_norm, batch_norm_gradient
from cpm_kernels.training.weight_gradient import weight_gradient
from cpm_kernels.window import Window
from tests.bits import assert_same_bits

THREADS = 4
CALLERS = 2

Call = Callable[[int], np.ndarray]


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def product(threads: int) -> np.ndarray:
    return gemm.gemm(values(70, 700), values(700, 190), threads=threads)


def convolved(threads: int) -> np.ndarray:
    window, shared = Window((3, 3), pad=(1, 1)), {"group": 2, "threads": threads}
    x, weight = values(3, 8, 21, 23), values(34, 4, 3, 3)
    y = convolution.convolve(x, weight, values(34), window, **shared)
    dx = convolution.convolve_transposed(y, weight, None, window, (21, 23), **shared)
    gradient = np.zeros_like(weight)
    convolution.add_weight_gradient(x, y, gradient, window, **shared)
    return np.concatenate([y.ravel(), dx.ravel(), gradient.ravel()])


def convolved_by_fft(threads: int) -> np.ndarray:
    plan = for_images(FftPlan(20, 35, Window((5, 5), pad=(2, 2)), (30, 28), 2, 16), 2)
    weight, x = values(35, 20, 5, 5), values(2, 30, 28, 20)
    spectra = fft_convolution.transform_weights(weight, plan, threads=threads)
    y = fft_convolution.convolve(x, spectra, values(35), plan, relu=True, threads=threads)
    gradient = fft_convolution.weight_gradient(x, y, plan, threads=threads)
    maxima = fft_convolution.convolve(x, spectra, None, plan, threads=threads, pooling=Window((3, 3), (2, 2)))
    return np.concatenate([y.ravel(), gradient.ravel(), maxima.ravel()])


def trained_directly(threads: int) -> np.ndarray:
    x, dy = values(3, 21, 23, 8), values(3, 21, 23, 34)
    gradient = weight_gradient(x, dy, Window((3, 3), pad=(1, 1)), group=2, threads=threads)
    y, _, _, scale = batch_norm(x.reshape(-1, 8), 1e-5, threads)
    dx = batch_norm_gradient(x.reshape(-1, 8)[::-1], y, scale, threads)
    return np.concatenate([gradient.ravel(), y.ravel(), dx.ravel()])


def pooled(threads: int) -> np.ndarray:
    window, size = Window((3, 3), stride=(2, 2)), (23, 26)
    x = values(2, 9, *size)
    y, where = pooling.max_pool(x, window, threads)
    mean = pooling.ave_pool(x, window, threads)
    of_maxima = pooling.max_pool_gradient(y, where, window, size, threads)
    of_means = pooling.ave_pool_gradient(y, window, size, threads)
    last = pooling.max_pool_channels_last(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), window, threads)
    return np.concatenate([part.ravel() for part in (y, mean, of_maxima, of_means, last)])


def rectified(threads: int) -> np.ndarray:
    x, dy = values(200, 301), values(200, 301, seed=1)
    return np.concatenate([elementary.relu(x, 0.1, threads), elementary.relu_gradient(x, dy, 0.1, threads)])


def updated(threads: int) -> np.ndarray:
    weight, gradient, history = (values(200_001, seed=seed) for seed in range(3))
    step = solvers.SolverStep(rate=0.1, momentum=0.9, decay=1e-3)
    solvers.solver_update(weight, gradient, history, step, threads=threads)
    return np.concatenate([weight, gradient, history])


def samples(threads: int) -> np.ndarray:
    shape, count = SampleShape((48, 56), 8, 3, 7.0, 21.0), 6
    image = np.random.default_rng(1).integers(0, 256, (60, 70, 3), np.uint8)
    rows, joints = np.zeros(count, SAMPLE), np.abs(values(count, 3, 3)) * 20
    for number, row in enumerate(rows):
        turn = np.array([[0.9, 0.3, number], [-0.3, 0.9, 5.0]])
        geometry = SampleGeometry(1.3, turn, (90, 95), (number, 3), bool(number % 2))
        fill_sample(row, image, geometry, 1, 0, number)
    set_regions(rows, shape)
    data = np.empty((count, *shape.data_shape), np.float32)
    label = np.empty((count, *shape.label_shape), np.float32)
    centres = np.tile(np.float32([20, 22]), (count, 1))
    transform_samples(image, rows, joints, centres, shape, data, label, threads)
    return np.concatenate([data.ravel(), label.ravel()])


CALLS: dict[str, Call] = {
    call.__name__: call
    for call in (product, convolved, convolved_by_fft, trained_directly, pooled, rectified, updated, samples)
}


def check(name: str) -> None:
    """One thread's bits are those of several, called from several threads at the same time."""
    call, expected = CALLS[name], CALLS[name](1)
    with ThreadPoolExecutor(CALLERS) as pool:
        for found in pool.map(call, [THREADS] * CALLERS):
            assert_same_bits(found, expected, name)


@pytest.mark.parametrize("name", CALLS)
def test_threads_do_not_show(name: str) -> None:
    check(name)


if __name__ == "__main__":
    for name in CALLS:
        check(name)
        print(f"{name}: the same bits with {THREADS} threads, from {CALLERS} callers")
