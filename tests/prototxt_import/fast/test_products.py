"""The fast engine's products: torch's bits forward and backward, and settings of the process that are put back."""

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.window import Window
from prototxt_import.fast import products
from prototxt_import.fast.operations import Fast
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

NET = """input: "x" input_shape { dim: 1 dim: 16 dim: 24 dim: 24 }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "i" type: "InnerProduct" bottom: "c" top: "i"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""


def settings() -> tuple[bool, ...]:
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark, cudnn.enabled, matmul.allow_tf32


class Card:
    """A tensor's stand-in for code that asks only where it is."""

    is_cuda = True


def test_settings_of_the_process_are_put_back():
    before = settings()
    for tf32 in (False, True):
        with pytest.raises(KeyError), products.precision(Card(), tf32):
            assert settings()[0] == settings()[-1] == tf32 and settings()[1]
            with products.precision(Card(), not tf32):
                assert settings()[0] == settings()[-1] == (not tf32)
            assert settings()[0] == tf32
            raise KeyError
        assert settings() == before


def test_two_nets_of_different_precision_keep_their_own(monkeypatch):
    """Their products, in forward and in backward, turn by turn; what runs on a card is asked for here as well."""
    seen, given = [], settings()
    precision = products.precision

    def observed(x, tf32):
        seen.append(tf32)
        return precision(Card(), tf32)

    monkeypatch.setattr(products, "precision", observed)
    nets = {tf32: Net(parse_net(NET, "n"), engine=Fast(tf32=tf32), seed=1) for tf32 in (False, True)}
    x = torch.randn(1, 16, 24, 24, generator=torch.Generator().manual_seed(1))
    losses = {tf32: net({"x": x})["i"].sum() for tf32, net in nets.items()}
    assert seen == [False, False, True, True] and settings() == given
    for tf32 in (True, False):
        seen.clear()
        losses[tf32].backward()
        assert seen == [tf32, tf32] and settings() == given


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_have_torchs_gradients(dtype, transposed):
    random = torch.Generator().manual_seed(3)
    weights = torch.randn(6, 4, 3, 5, generator=random) if transposed else torch.randn(8, 3, 3, 5, generator=random)
    operands = torch.randn(2, 6, 9, 8, generator=random), weights, torch.randn(8, generator=random)
    ours, theirs = ([t.to(dtype).requires_grad_() for t in operands] for _ in range(2))
    window = Window((3, 5), (2, 1), (1, 2), (1, 2))
    y = Fast().convolutions(*ours, products.Product(window, 2, transposed))
    plain = (
        (window.stride, window.pad, 0, 2, window.dilation)
        if transposed
        else (window.stride, window.pad, window.dilation, 2)
    )
    expected = (F.conv_transpose2d if transposed else F.conv2d)(*theirs, *plain)
    assert_same(y, expected, ours, theirs)


def test_an_operator_rounds_as_its_product_says_whosever_engine_it_names():
    """What another process exported names an engine of that one."""
    x, weight, bias = (
        torch.randn(shape, generator=torch.Generator().manual_seed(1)) for shape in ((1, 3, 9, 8), (8, 3, 1, 1), (8,))
    )
    for bfloat16, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        numbers = products.Product(Window((1, 1), (2, 1)), bfloat16=bfloat16).numbers
        y = torch.ops.cpm_repro.convolution(x, weight, bias, *numbers, False, False, 10**9)
        expected = F.conv2d(x.to(dtype), weight.to(dtype), bias.to(dtype), (2, 1)).float()
        assert y.dtype == torch.float32 and torch.equal(y, expected)


@pytest.mark.parametrize("transposed", [False, True])
def test_inner_products_against_float64(transposed):
    random = torch.Generator().manual_seed(3)
    operands = [torch.randn(shape, generator=random) for shape in ((5, 7), (7, 6) if transposed else (6, 7), (6,))]
    ours, theirs = [t.clone().requires_grad_() for t in operands], [t.double().requires_grad_() for t in operands]
    expected = F.linear(theirs[0], theirs[1].t() if transposed else theirs[1], theirs[2])
    y = products.InnerProduct.apply(*ours, transposed, False)
    dy = torch.randn(y.shape, generator=random)
    y.backward(dy)
    expected.backward(dy.double())
    for found, right in zip((y, *(x.grad for x in ours)), (expected, *(x.grad for x in theirs)), strict=True):
        torch.testing.assert_close(found.double(), right, rtol=0, atol=1e-6)


def assert_same(y, expected, ours, theirs):
    """Outputs and gradients to the bit."""
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(4)).to(y.dtype)
    y.backward(dy)
    expected.backward(dy)
    assert torch.equal(y, expected)
    assert all(torch.equal(mine.grad, other.grad) for mine, other in zip(ours, theirs, strict=True))
