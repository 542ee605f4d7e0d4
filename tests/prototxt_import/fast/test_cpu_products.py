"""Products on a CPU against torch's in float64; the threads' test is `tests/whole/test_threads_of_training.py`."""

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.window import Window
from prototxt_import.fast import cpu_products


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_near(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "stride", "pad", "dilation", "size"),
    [
        ((3,), (2,), (1,), (1,), (15,)),
        ((3, 5), (2, 1), (1, 2), (1, 2), (11, 13)),
        ((3, 2, 3), (1, 2, 1), (1, 0, 2), (2, 1, 1), (7, 8, 9)),
    ],
)
def test_weight_gradients_over_one_two_and_three_axes(kernel, stride, pad, dilation, size):
    group = 2
    x, weight = normal(3, 4, *size, seed=1), normal(6, 2, *kernel, seed=2).double().requires_grad_()
    convolve = (F.conv1d, F.conv2d, F.conv3d)[len(kernel) - 1]
    y = convolve(x.double(), weight, None, stride, pad, dilation, group)
    dy = normal(*y.shape, seed=3)
    y.backward(dy.double())
    assert_near(cpu_products.weight_gradient(x, dy, kernel, stride, pad, dilation, group), weight.grad)


def test_input_gradients_with_strides():
    window = Window((3, 5), (2, 3), (1, 2))
    x, weight = normal(2, 4, 11, 14, seed=1).double().requires_grad_(), normal(6, 2, 3, 5, seed=2)
    y = F.conv2d(x, weight.double(), None, window.stride, window.pad, 1, 2)
    dy = normal(*y.shape, seed=3)
    y.backward(dy.double())
    assert_near(cpu_products.input_gradient(dy, weight, window, (11, 14), 2), x.grad)


def test_matrix_products():
    a, b = normal(5, 37, seed=1), normal(37, 11, seed=2)
    expected = a.double() @ b.double()
    assert_near(cpu_products.matrix_product(a, b, False), expected)
    assert_near(cpu_products.matrix_product(a, b.t().contiguous(), True), expected)
    assert_near(cpu_products.product_over_rows(a.t().contiguous(), b), expected)


@pytest.mark.parametrize(("channels", "outputs", "kernel"), [(5, 7, 3), (200, 16, 1), (600, 33, 1)])
@pytest.mark.parametrize("size", [(1, 1), (9, 14)])
def test_convolutions_in_parts(channels, outputs, kernel, size):
    window = Window((kernel, kernel), (1, 2), (kernel // 2, kernel // 2))
    x, bias = normal(2, channels, *size, seed=1), normal(outputs, seed=3)
    weight = normal(outputs, channels, kernel, kernel, seed=2) / channels
    found = cpu_products.convolution(x, weight, bias, window)
    assert found.dtype == torch.float32
    assert_near(found, F.conv2d(x.double(), weight.double(), bias.double(), window.stride, window.pad))
