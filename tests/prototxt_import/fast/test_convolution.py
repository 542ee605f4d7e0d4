"""The fast engine's choice between convolution by FFT and torch's, its gradients and the spectra that it keeps."""

import gc

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.window import Window
from prototxt_import.fast import cpu_fft
from prototxt_import.fast.operations import Fast
from tests.convolution_cases import assert_close

WINDOW = Window((9, 9), pad=(4, 4))


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
    assert convolution.plan_of(x, weight, WINDOW, 1)
    ours = [t.clone().requires_grad_() for t in (x, weight, bias)]
    exact = [t.double().requires_grad_() for t in (x, weight, bias)]
    y, expected = convolution(*ours, WINDOW, 1), F.conv2d(*exact, padding=4)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(6))
    y.backward(dy)
    expected.backward(dy.double())
    assert_close(y, expected, "output")
    for name, mine, right in zip(("x", "weight", "bias"), ours, exact, strict=True):
        assert_close(mine.grad, right.grad, f"gradient by {name}")


def test_only_what_is_asked_for_has_a_gradient(convolution, case):
    x, weight, _ = case
    weight.requires_grad_()
    convolution(x, weight, None, WINDOW, 1).sum().backward()
    assert weight.grad is not None and x.grad is None


def test_torch_where_fft_does_not_apply(convolution, case):
    x, weight, bias = case
    groups, strided, dilated = weight[:, :7], Window((9, 9), (2, 2), (4, 4)), Window((9, 9), (1, 1), (4, 4), (2, 2))
    assert convolution.plan_of(x, groups, WINDOW, 5) is None
    assert convolution.plan_of(x, weight, strided, 1) is None
    assert convolution.plan_of(x, weight, dilated, 1) is None
    assert convolution.plan_of(x.double(), weight.double(), WINDOW, 1) is None
    assert convolution.plan_of(x, weight[:, :, :1, :1], Window((1, 1)), 1) is None
    assert torch.equal(convolution(x, weight, bias, strided, 1), F.conv2d(x, weight, bias, 2, 4))


def test_spectra_are_kept_until_the_weight_changes_or_goes(convolution, case, monkeypatch):
    x, weight, bias = case
    made = []
    transform = cpu_fft.transform_weights
    monkeypatch.setattr(cpu_fft, "transform_weights", lambda *a, **k: made.append(0) or transform(*a, **k))
    parameter = torch.nn.Parameter(weight.clone())
    with torch.no_grad():
        first = convolution(x, parameter, bias, WINDOW, 1)
        assert torch.equal(convolution(x, parameter, bias, WINDOW, 1), first) and len(made) == 1
        parameter.mul_(2)
        assert_close(convolution(x, parameter, None, WINDOW, 1), 2 * (first - bias.view(-1, 1, 1)), "changed in place")
        parameter.data = weight.clone()
        assert torch.equal(convolution(x, parameter, bias, WINDOW, 1), first) and len(made) == 3
    convolution(x, parameter, bias, WINDOW, 1)
    assert parameter not in convolution.kept_spectra, "training keeps none"
    with torch.no_grad():
        convolution(x, parameter, bias, WINDOW, 1)
    kept = len(convolution.kept_spectra)
    del parameter
    gc.collect()
    assert len(convolution.kept_spectra) == kept - 1
