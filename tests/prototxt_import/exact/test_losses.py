"""Signs of zeros in the losses' gradients."""

import numpy as np
import torch

from prototxt_import.engine import make_engine
from prototxt_import.share import Share
from tests.bits import assert_same_bits


def test_where_both_bottoms_are_equal_the_gradients_are_positive_zeros():
    """Caffe adds ± loss_weight / N · difference onto zeros (axpby), which leaves no −0 in either bottom's gradient."""
    x, y = (torch.tensor([[1.0, 2.0], [0.0, -3.0]], requires_grad=True) for _ in range(2))
    make_engine("exact").euclidean_loss(x, y, Share()).backward()
    for bottom in (x, y):
        assert_same_bits(bottom.grad.numpy(), np.zeros((2, 2), np.float32))
