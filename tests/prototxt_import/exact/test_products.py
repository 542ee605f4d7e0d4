"""Products' sums on each family of CPUs."""

import numpy as np
import torch

from cpm_kernels.exact.blas import add_column_sums
from cpm_kernels.exact.profiles import FAMILIES, Profile
from prototxt_import.exact.operations import Exact
from tests.bits import assert_same_bits


def test_embeds_bias_gradient_is_that_familys():
    random = np.random.default_rng(0)
    dy, indices = random.standard_normal((37, 5)).astype(np.float32), random.integers(0, 4, 37)
    found = {}
    for family in FAMILIES:
        profile = Profile(family)
        weight, bias = torch.zeros(4, 5), torch.zeros(5, requires_grad=True)
        Exact(profile).embed(torch.from_numpy(indices), weight, bias).backward(torch.from_numpy(dy))
        wanted = np.zeros(5, np.float32)
        add_column_sums(dy, wanted, profile)
        assert_same_bits(bias.grad.numpy(), wanted, family)
        found[family] = wanted.tobytes()
    assert len(set(found.values())) > 1, "a case that tells families apart"
