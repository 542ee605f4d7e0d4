"""Windows of a map as columns, and columns added up to a map, over any number of axes (Caffe: im2col.cpp)."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cpm_kernels.window import Sizes, Window
from prototxt_import.function import Context, Function


def im2col(x: Tensor, window: Window) -> Tensor:
    """x (N, C, …) -> (N, C · kernel, …): for each place of the window what it sees, channel by channel; 0 outside."""
    padded = _padded(x, window)
    size = window.convolved(tuple(x.shape[2:]))
    columns = x.new_empty((*x.shape[:2], int(np.prod(window.kernel)), *size))
    for index, places in enumerate(taps(window, size)):
        columns[:, :, index] = padded[places]
    return columns.flatten(1, 2)


def col2im(columns: Tensor, window: Window, size: Sizes) -> Tensor:
    """The opposite: (N, C · kernel, …) -> (N, C, *size); a value's terms are added to 0 in the order of the kernel."""
    columns = columns.unflatten(1, (-1, int(np.prod(window.kernel))))
    image = _padded(columns.new_zeros((*columns.shape[:2], *size)), window)
    for index, places in enumerate(taps(window, tuple(columns.shape[3:]))):
        image[places] += columns[:, :, index]
    inside: Any = (..., *(slice(pad, pad + length) for pad, length in zip(window.pad, size, strict=True)))
    return image[inside].contiguous()


def _padded(x: Tensor, window: Window) -> Tensor:
    return F.pad(x, [pad for side in reversed(window.pad) for pad in (side, side)])


def taps(window: Window, size: Sizes) -> Iterator[tuple[Any, ...]]:
    """For each tap of the kernel, in row-major order, where it lies in a padded map for all places of the window."""
    for tap in itertools.product(*map(range, window.kernel)):
        starts = [t * d for t, d in zip(tap, window.dilation, strict=True)]
        axes = zip(starts, size, window.stride, strict=True)
        yield ..., *[slice(start, start + (count - 1) * stride + 1, stride) for start, count, stride in axes]


class Im2Col(Function[Tensor]):
    """(x, window) -> `im2col`, whose gradient is `col2im`."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, window: Window) -> Tensor:
        ctx.window, ctx.size = window, tuple(x.shape[2:])
        return im2col(x, window)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, None]:
        return col2im(dy, ctx.window, ctx.size), None
