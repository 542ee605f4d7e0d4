"""Max pooling on a CPU without a gradient, of a blob or of a convolution's results before they are in memory.

Both are operators of torch's dispatcher: `torch.ops.cpm_repro.max_pool` and `.pooled_convolution`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cpm_kernels.exact.pooling import max_pool_channels_last
from cpm_kernels.fft.plan import FftPlan
from cpm_kernels.window import Sizes, Window
from prototxt_import.tensors import channels_last_array, channels_last_tensor

from .convolution import convolutions_of
from .operators import operator
from .products import NUMBERS, Product


def numbers_of(window: Window) -> tuple[Sizes, Sizes, Sizes, bool]:
    """A pooling's, as the operators take them."""
    return window.kernel, window.stride, window.pad, window.ceil


def _window(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ceil: bool) -> Window:
    return Window(tuple(kernel), tuple(stride), tuple(pad), ceil=ceil)


def _max_pool(x: Tensor, *numbers: Any) -> Tensor:
    """Maximum of each window of x (N, C, H, W) float32 on a CPU, without a gradient, for which torch would write down
    where the maxima are, in 8 bytes each. The number of an engine says whose memory is used."""
    *of_window, engine = numbers
    window = _window(*of_window)
    rows, columns = window.pooled((x.shape[2], x.shape[3]))
    out = convolutions_of(engine).memory.empty((x.shape[0], rows, columns, x.shape[1]))
    return channels_last_tensor(max_pool_channels_last(channels_last_array(x), window, torch.get_num_threads(), out))


def _max_pools_shape(x: Tensor, *numbers: Any) -> Tensor:
    *of_window, _engine = numbers
    shape = (*x.shape[:2], *_window(*of_window).pooled((x.shape[2], x.shape[3])))
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


def _pooled_convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: Any) -> Tensor:
    """`max_pool` of `convolution`, bit for bit, of float32 on a CPU without a gradient. By FFT the results are pooled
    while they are in the cache."""
    *of_product, rectified, kernel, stride, pad, ceil, engine = numbers
    own, product, pooling = convolutions_of(engine), Product.of(weight, *of_product), (kernel, stride, pad, ceil)
    plan = own.plan_of(x, weight, product)
    if isinstance(plan, FftPlan):
        return own.forward(x, weight, bias, product, plan, False, rectified, _window(*pooling))
    return _max_pool(own.forward(x, weight, bias, product, plan, False, rectified), *pooling, engine)


def _pooled_convolutions_shape(x: Tensor, weight: Tensor, bias: Tensor | None, *numbers: Any) -> Tensor:
    *of_product, _rectified, kernel, stride, pad, ceil, _engine = numbers
    product, window = Product.of(weight, *of_product), _window(kernel, stride, pad, ceil)
    shape = (x.shape[0], product.outputs(weight), *window.pooled(product.size(tuple(x.shape[2:]))))
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)


_WINDOW = "SymInt[] kernel, SymInt[] stride, SymInt[] pad, bool ceil"
max_pool = operator(f"max_pool(Tensor x, {_WINDOW}, SymInt engine) -> Tensor", _max_pool, _max_pools_shape)
pooled_convolution = operator(
    f"pooled_convolution(Tensor x, Tensor weight, Tensor? bias, {NUMBERS}, bool rectified,"
    " SymInt[] pool_kernel, SymInt[] pool_stride, SymInt[] pool_pad, bool ceil, SymInt engine) -> Tensor",
    _pooled_convolution,
    _pooled_convolutions_shape,
)
