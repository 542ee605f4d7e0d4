"""The fast engine's and the plain one's pooling against a plain NumPy version, and with and without a gradient."""

import numpy as np
import pytest
import torch

from cpm_kernels.window import Window
from prototxt_import.fast.operations import Fast, max_pool
from prototxt_import.plain.operations import Plain
from tests.bits import assert_same_bits


def naive_pool(x, window, method):
    """Every window clipped at the edge; AVE divides by the area inside the padded blob (Caffe: pooling_layer.cpp)."""
    height, width = x.shape
    out = np.full(window.pooled(x.shape), np.nan, np.float32)
    for i, j in np.ndindex(out.shape):
        top, left = i * window.stride[0] - window.pad[0], j * window.stride[1] - window.pad[1]
        bottom = min(top + window.kernel[0], height + window.pad[0])
        right = min(left + window.kernel[1], width + window.pad[1])
        part = x[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        out[i, j] = part.max() if method == "max" else part.sum() / ((bottom - top) * (right - left))
    return out


@pytest.mark.parametrize("method", ["max", "ave"])
def test_pooling_against_numpy(method):
    random = np.random.default_rng(1)
    for _ in range(40):
        kernel = tuple(random.integers(1, 6, 2))
        stride = tuple(int(random.integers(1, k + 1)) for k in kernel)
        pad = tuple(int(random.integers(0, k)) for k in kernel)
        size = tuple(int(random.integers(k, 20)) for k in kernel)
        window = Window(tuple(map(int, kernel)), stride, pad, ceil=bool(random.integers(2)))
        x = random.standard_normal(size).astype(np.float32)
        for engine in (Fast(), Plain()):
            operation = engine.max_pool if method == "max" else engine.ave_pool
            got = operation(torch.from_numpy(x)[None, None], window)[0, 0].numpy()
            wanted, case = naive_pool(x, window, method), str((engine, size, window))
            np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6, err_msg=case)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), (2, 2)),
        Window((3, 3), (2, 2), (1, 1)),
        Window((2, 5), (1, 3), (0, 2)),
        Window((3, 2), (2, 2), ceil=False),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maxima_are_the_same_without_a_gradient(window, layout):
    x = torch.randn(2, 5, 11, 14, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
    with_gradient = Fast().max_pool(x.clone().requires_grad_(), window)
    assert_same_bits(Fast().max_pool(x, window).numpy(), with_gradient.detach().numpy(), "maxima")


def test_pooling_is_an_operator_of_torch():
    x = torch.randn(2, 5, 11, 14, generator=torch.Generator().manual_seed(1))
    torch.library.opcheck(max_pool, (x, (3, 3), (2, 2), (1, 1), True, Fast().convolutions.number))
