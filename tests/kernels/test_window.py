"""Sizes of windows against the paper's and torch's: Caffe rounds pooling up."""

import numpy as np
import torch
from torch.nn import functional as F

from cpm_kernels.window import Window


def test_the_papers_sizes():
    pool = Window((3, 3), (2, 2))
    sizes = [(368, 368)]
    for _ in range(3):
        sizes.append(pool.pooled(sizes[-1]))
    assert sizes == [(368, 368), (184, 184), (92, 92), (46, 46)]
    assert Window((9, 9), (8, 8)).pooled((368, 368)) == (46, 46)


def test_convolution_sizes_are_torchs():
    random = np.random.default_rng(2)
    for _ in range(30):
        k, s, p, d = (tuple(map(int, random.integers(low, high, 2))) for low, high in ((1, 5), (1, 4), (0, 3), (1, 3)))
        window = Window(k, s, p, d)
        x = torch.zeros(1, 1, 17, 19)
        weight = torch.zeros(1, 1, *k)
        assert window.convolved((17, 19)) == tuple(F.conv2d(x, weight, None, s, p, d).shape[2:])
        assert window.deconvolved((17, 19)) == tuple(F.conv_transpose2d(x, weight, None, s, p, 0, 1, d).shape[2:])
