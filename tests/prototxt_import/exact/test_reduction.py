"""Gradients of 0 through a Reduction."""

import numpy as np
import pytest
import torch

from prototxt_import.engine import make_engine
from tests.bits import assert_same_bits


@pytest.mark.parametrize("operation", ["ASUM", "SUMSQ"])
def test_a_gradient_of_0_leaves_plain_zeros(operation):
    x = torch.tensor([[-1.0, 2.0], [-3.0, 4.0]], requires_grad=True)
    make_engine("exact").reduction(x, operation, 1.0).backward(torch.tensor([0.0, 0.5]))
    of_other = {"ASUM": [-0.5, 0.5], "SUMSQ": [-3.0, 4.0]}[operation]
    assert_same_bits(x.grad.numpy(), np.array([[0, 0], of_other], np.float32))
