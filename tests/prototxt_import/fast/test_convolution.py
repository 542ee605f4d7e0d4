"""The fast engine's choice between convolution by FFT and torch's, its gradients and the spectra that it keeps."""

import gc

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.window import Window
from prototxt_import.fast import convolution as operators
from prototxt_import.fast import cpu_fft
from prototxt_import.fast.operations import Fast
from prototxt_import.fast.products import Product
from tests.convolution_cases import assert_close

TORCH = tuple(int(part) for part in torch.__version__.split(".")[:2])
NINE = Product(Window((9, 9), pad=(4, 4)))


@pytest.fixture
def convolution():
    return Fast().convolutions


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(2, 35, 41, 30, generator=generator)
    return x, torch.randn(40, 35, 9, 9, generator=generator), torch.randn(40, generator=generator)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_output_and_gradients(convolution, case, memory_format):
    x, weight, bias = (t.to(memory_format=memory_format) if t.dim() == 4 else t for t in case)
    assert convolution.plan_of(x, weight, NINE)
    ours = [t.clone().requires_grad_() for t in (x, weight, bias)]
    exact = [t.double().requires_grad_() for t in (x, weight, bias)]
    y, expected = convolution(*ours, NINE), F.conv2d(*exact, padding=4)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(6))
    y.backward(dy)
    expected.backward(dy.double())
    assert_close(y, expected, "output")
    for name, mine, right in zip(("x", "weight", "bias"), ours, exact, strict=True):
        assert_close(mine.grad, right.grad, f"gradient by {name}")


def test_only_what_is_asked_for_has_a_gradient(convolution, case):
    x, weight, _ = case
    weight.requires_grad_()
    convolution(x, weight, None, NINE).sum().backward()
    assert weight.grad is not None and x.grad is None


def test_torch_where_fft_does_not_apply(convolution, case):
    x, weight, bias = case
    strided, dilated = (Product(Window((9, 9), s, (4, 4), d)) for s, d in (((2, 2), (1, 1)), ((1, 1), (2, 2))))
    assert convolution.plan_of(x, weight[:, :7], Product(NINE.window, group=5)) is None
    assert convolution.plan_of(x, weight, Product(NINE.window, transposed=True)) is None
    assert convolution.plan_of(x, weight, strided) is None
    assert convolution.plan_of(x, weight, dilated) is None
    assert convolution.plan_of(x.double(), weight.double(), NINE) is None
    assert convolution.plan_of(x, weight[:, :, :1, :1], Product(Window((1, 1)))) is None
    expected = F.conv2d(x.double(), weight.double(), bias.double(), 2, 4)
    assert (convolution(x, weight, bias, strided) - expected).abs().max() <= 5e-6 * expected.abs().max()


def test_spectra_are_kept_until_the_weight_changes_or_goes(convolution, case, monkeypatch):
    x, weight, bias = case
    made = []
    transform = cpu_fft.transform_weights
    monkeypatch.setattr(cpu_fft, "transform_weights", lambda *a, **k: made.append(0) or transform(*a, **k))
    parameter = torch.nn.Parameter(weight.clone())
    with torch.no_grad():
        first = convolution(x, parameter, bias, NINE)
        assert torch.equal(convolution(x, parameter, bias, NINE), first) and len(made) == 1
        parameter.mul_(2)
        assert_close(convolution(x, parameter, None, NINE), 2 * (first - bias.view(-1, 1, 1)), "changed in place")
        parameter.data = weight.clone()
        assert torch.equal(convolution(x, parameter, bias, NINE), first) and len(made) == 3
    convolution(x, parameter, bias, NINE)
    assert parameter not in convolution.kept_spectra, "training keeps none"
    with torch.no_grad():
        convolution(x, parameter, bias, NINE)
    kept = len(convolution.kept_spectra)
    del parameter
    gc.collect()
    assert len(convolution.kept_spectra) == kept - 1


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("product", [NINE, Product(Window((3, 3), (2, 1), (1, 0)), 2), Product(NINE.window, 5, True)])
def test_an_operator_of_torch(convolution, product, trained):
    """By FFT, with groups by torch's kernels, and transposed: what torch.export and torch.compile rely on."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, 20, 29, 30, generator=random).contiguous(memory_format=torch.channels_last)
    shape = (20, 3) if product.transposed else (24, 20 // product.group)
    weight = torch.randn(*shape, *product.window.kernel, generator=random, requires_grad=trained)
    bias = torch.randn(product.outputs(weight), generator=random, requires_grad=trained)
    given = x.requires_grad_(trained), weight, bias, *product.numbers, trained, False, convolution.number
    assert (convolution.plan_of(x, weight, product) is not None) == (product is NINE)
    tolerances = {"atol": 1e-4, "rtol": 1e-4} if TORCH >= (2, 7) else {}
    torch.library.opcheck(operators.convolution, given, **tolerances)


def test_the_number_of_an_engine_that_is_gone(case):
    x, weight, bias = case
    expected = Fast().convolutions(x, weight, bias, NINE)
    given = *NINE.numbers, False, False, 10**9
    assert torch.equal(operators.convolution(x, weight, bias, *given), expected)
    assert operators.convolutions_of(10**9) is operators.convolutions_of(10**9 + 1)
