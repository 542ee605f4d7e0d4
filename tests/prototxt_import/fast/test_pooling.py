"""Max pooling without a gradient as operators of torch's, of blobs and of a convolution's results."""

import pytest
import torch

from cpm_kernels.window import Window
from prototxt_import.engine import make_engine
from prototxt_import.fast.operations import Fast
from prototxt_import.fast.pooling import max_pool, numbers_of, pooled_convolution
from prototxt_import.fast.products import Product
from tests.bits import assert_same_bits

POOLINGS = [Window((3, 3), (2, 2)), Window((2, 5), (3, 1), (1, 2), ceil=False)]
# by FFT, by Winograd, of few channels, with groups by torch's kernels, with a stride
CONVOLUTIONS = [
    (20, 24, Product(Window((9, 9), pad=(4, 4)))),
    (32, 64, Product(Window((3, 3), pad=(1, 1)))),
    (3, 32, Product(Window((9, 9), pad=(4, 4)))),
    (20, 24, Product(Window((3, 3), (1, 1), (1, 0)), 2)),
    (3, 8, Product(Window((5, 5), (2, 2)))),
]


def case(channels, outputs, product):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, channels, 69, 70, generator=random).contiguous(memory_format=torch.channels_last)
    weight = torch.randn(outputs, channels // product.group, *product.window.kernel, generator=random)
    return x, weight, torch.randn(outputs, generator=random)


def test_pooling_is_an_operator_of_torch():
    x = torch.randn(2, 5, 11, 14, generator=torch.Generator().manual_seed(1))
    torch.library.opcheck(max_pool, (x, (3, 3), (2, 2), (1, 1), True, Fast().convolutions.number))


@pytest.mark.parametrize(("channels", "outputs", "product"), CONVOLUTIONS)
def test_so_is_a_pooled_convolution(channels, outputs, product):
    given, engine = case(channels, outputs, product), Fast()
    planned = engine.convolutions.plan_of(*given[:2], product) is not None
    assert planned == (product.window.stride == (1, 1) and product.group == 1)
    how = *product.numbers, True, *numbers_of(POOLINGS[0]), engine.convolutions.number
    torch.library.opcheck(pooled_convolution, (*given, *how))


@pytest.mark.parametrize("engine", ["fast", "fast:bf16", "plain", "exact"])
@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
@pytest.mark.parametrize(("channels", "outputs", "product"), CONVOLUTIONS)
def test_pooled_convolutions_have_the_bits_of_two_operations(channels, outputs, product, pooling, engine):
    operations, given = make_engine(engine), case(channels, outputs, product)
    for rectified in (False, True):
        how = product.window, product.group, rectified
        with torch.no_grad():
            apart = operations.max_pool(operations.convolution(*given, *how), pooling)
            found = operations.pooled_convolution(*given, *how, pooling)
        assert found.dtype == apart.dtype
        assert_same_bits(found.float().numpy(), apart.float().numpy(), f"rectified: {rectified}")
