"""Window sizes against counting, and pooling against a plain NumPy version: Caffe rounds pooling up."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from prototxt_import.fast.operations import FastOperations
from prototxt_import.geometry import Window


def test_the_papers_sizes():
    pool = Window((3, 3), (2, 2))
    sizes = [(368, 368)]
    for _ in range(3):
        sizes.append(pool.pooled(sizes[-1]))
    assert sizes == [(368, 368), (184, 184), (92, 92), (46, 46)]
    assert Window((9, 9), (8, 8)).pooled((368, 368)) == (46, 46)


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
        operation = FastOperations.max_pool if method == "max" else FastOperations.ave_pool
        got = operation(torch.from_numpy(x)[None, None], window)[0, 0].numpy()
        np.testing.assert_allclose(
            got, naive_pool(x, window, method), rtol=1e-6, atol=1e-6, err_msg=str((size, window))
        )


def test_convolution_sizes_are_torchs():
    random = np.random.default_rng(2)
    for _ in range(30):
        k, s, p, d = (tuple(map(int, random.integers(low, high, 2))) for low, high in ((1, 5), (1, 4), (0, 3), (1, 3)))
        window = Window(k, s, p, d)
        x = torch.zeros(1, 1, 17, 19)
        weight = torch.zeros(1, 1, *k)
        assert window.convolved((17, 19)) == tuple(F.conv2d(x, weight, None, s, p, d).shape[2:])
        assert window.deconvolved((17, 19)) == tuple(F.conv_transpose2d(x, weight, None, s, p, 0, 1, d).shape[2:])
