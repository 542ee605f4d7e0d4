"""BatchNorm of a batch as an operator: torch's values and gradients, any number of axes, no bit by the threads."""

import pytest
import torch

from prototxt_import.fast.normalization import batch_norm
from tests.bits import assert_same_bits

SHAPES = [(30, 7), (4, 5, 9), (3, 8, 11, 13), (2, 3, 4, 5, 6)]


def blob(shape, seed, last=True):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * 2 + 1
    return x.movedim(1, -1).contiguous().movedim(-1, 1) if last else x


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_torchs_values_and_gradients(shape, last):
    x, dy = blob(shape, 1, last).requires_grad_(), blob(shape, 2)
    y, mean, variance, _ = batch_norm(x, 1e-5)
    y.backward(dy)
    again = x.detach().double().requires_grad_()
    right = torch.batch_norm(again, None, None, None, None, True, 0.0, 1e-5, False)
    right.backward(dy.double())
    torch.testing.assert_close(y.double(), right, rtol=0, atol=5e-6)
    torch.testing.assert_close(x.grad.double(), again.grad, rtol=0, atol=5e-6)
    axes = [axis for axis in range(len(shape)) if axis != 1]
    torch.testing.assert_close(mean.double(), again.detach().mean(axes), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(variance.double(), again.detach().var(axes, unbiased=False), rtol=1e-5, atol=1e-6)


def test_the_operator_is_whole():
    torch.library.opcheck(torch.ops.cpm_repro.batch_norm.default, (blob((3, 8, 11, 13), 1).requires_grad_(), 1e-5))


def test_threads_do_not_show():
    made = []
    for threads in (1, 2, 5):
        torch.set_num_threads(threads)
        x = blob((4, 9, 40, 41), 1).requires_grad_()
        y = batch_norm(x, 1e-5)[0]
        y.backward(blob((4, 9, 40, 41), 2))
        made.append((y.detach().numpy(), x.grad.numpy()))
    for found in made[1:]:
        for values, right in zip(found, made[0], strict=True):
            assert_same_bits(values, right)
