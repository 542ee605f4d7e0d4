"""A card's convolution by FFT, on the CPU and on a card, against float64 convolution; its plans."""

import math

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.fft.plan import PlainConvolution
from cpm_kernels.window import Window
from prototxt_import.fast import cuda_fft
from prototxt_import.fast.convolution import Convolutions
from prototxt_import.fast.cuda_fft import convolve, fast_size, fft_plan, plans_of, transform_weights, weight_gradient
from prototxt_import.fast.operations import Fast
from prototxt_import.fast.products import Product
from tests.convolution_cases import CASES, assert_close


def random_case(images, channels, size, outputs, kernel, pad, seed=0):
    """x, weight and bias of a case, and dy for its output."""
    random = torch.Generator().manual_seed(seed)
    out_size = [n + 2 * p - k + 1 for n, p, k in zip(size, pad, kernel, strict=True)]
    shapes = (images, channels, *size), (outputs, channels, *kernel), (outputs,), (images, outputs, *out_size)
    return [torch.randn(shape, generator=random) for shape in shapes]


def square_plan(channels, size, outputs, kernel, images):
    """The plan of a layer whose output is as large as its input."""
    window = Window((kernel, kernel), pad=(kernel // 2, kernel // 2))
    return fft_plan(PlainConvolution(channels, outputs, window, (size, size), images))


def expected(x, weight, bias, dy, pad):
    """Output, and its gradients by x and weight, in float64."""
    inputs = x.double().requires_grad_(), weight.double().requires_grad_()
    y = F.conv2d(*inputs, bias.double(), padding=pad)
    return y.detach(), *torch.autograd.grad(y, inputs, dy.double())


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", CASES)
def test_output_and_gradients(case, layout, device, monkeypatch):
    monkeypatch.setattr(cuda_fft, "WORKSPACE", 100_000)  # chunks of few images
    images, channels, size, outputs, kernel, pad = CASES[case]
    x, weight, bias, dy = (t.to(device) for t in random_case(*CASES[case]))
    y, dx, dweight = expected(x, weight, bias, dy, pad)
    x, dy = (t.to(memory_format=layout) for t in (x, dy))
    for plan in plans_of(PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images)):
        assert_close(convolve(x, transform_weights(weight, plan), bias, plan), y, f"output, {plan}")
        relu = convolve(x, transform_weights(weight, plan), bias, plan, relu=True)
        assert_close(relu, y.relu(), f"ReLU, {plan}") if y.max() > 0 else None
        turned = plan.input_gradient()
        assert_close(convolve(dy, transform_weights(weight, turned, turned=True), None, turned), dx, f"dx, {plan}")
        assert_close(weight_gradient(x, dy, plan), dweight, f"dweight, {plan}")


def test_autograd_goes_by_the_plan(monkeypatch):
    images, channels, size, outputs, kernel, pad = CASES["odd sizes, batch"]
    plan = plans_of(PlainConvolution(channels, outputs, Window(kernel, pad=pad), size, images))[1]
    product = Product(Window(kernel, pad=pad))
    monkeypatch.setattr(Convolutions, "plan_of", lambda *_: plan)
    convolution = Fast().convolutions
    x, weight, bias, dy = random_case(*CASES["odd sizes, batch"])
    ours = [t.clone().requires_grad_() for t in (x, weight, bias)]
    y = convolution(*ours, product)
    y.backward(dy)
    right = *expected(x, weight, bias, dy, pad), dy.double().sum((0, 2, 3))
    for name, mine, wanted in zip(("y", "x", "weight", "bias"), (y, *(t.grad for t in ours)), right, strict=True):
        assert_close(mine, wanted, name)
    assert y.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        kept = convolution(*ours, product, rectified=True)
    assert torch.equal(kept, y.detach().relu())


@pytest.mark.parametrize("case", [(128, 184, 128, 9), (32, 46, 512, 9), (48, 46, 128, 11), (128, 46, 128, 11)])
def test_layers_of_the_network(case):
    channels, size, outputs, kernel = case
    plan = square_plan(channels, size, outputs, kernel, 16)
    assert plan.weight_bytes <= cuda_fft.LARGEST_WEIGHTS and plan.chunk * plan.image_bytes <= cuda_fft.WORKSPACE
    assert cuda_fft.cost(plan) < cuda_fft.direct_cost(plan) / 3


@pytest.mark.parametrize("case", [(3, 368, 128, 9), (128, 46, 128, 1), (16, 12, 16, 3)])
def test_small_layers_stay_direct(case):
    channels, size, outputs, kernel = case
    assert square_plan(channels, size, outputs, kernel, 1) is None


def test_no_plan_without_an_output():
    assert plans_of(PlainConvolution(3, 4, Window((5, 5)), (3, 3), 1)) == []
    assert fft_plan(PlainConvolution(3, 4, Window((5, 5)), (9, 9), 0)) is None


def test_fast_sizes():
    for least in range(1, 300):
        size = fast_size(least)
        assert size >= least and size % 2 == 0 and size < 1.3 * least + 3
        assert math.prod(p**9 for p in (2, 3, 5, 7)) % size == 0
