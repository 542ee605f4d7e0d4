"""Convolution over one axis, three or more in the exact engine (Caffe: im2col_nd_cpu): windows as columns, then matrix
products, image by image and group by group. The functions are those of `kernels.HostKernels` for two axes.
"""

import torch
from torch import Tensor

from cpm_kernels.exact.profiles import Profile
from cpm_kernels.window import Sizes, Window
from prototxt_import.im2col import col2im, im2col

from .kernels import kernels_of


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, profile: Profile) -> Tensor:
    """Convolution's forward; x (N, C, …)."""
    size = window.convolved(tuple(x.shape[2:]))
    columns = im2col(x, window).flatten(2)
    y = torch.stack([_product(weight.flatten(1), image, group, False, profile) for image in columns])
    y = y.reshape(*y.shape[:2], *size)
    return y if bias is None else y + _spread(bias, y)


def convolve_transposed(
    y: Tensor, weight: Tensor, bias: Tensor | None, window: Window, size: Sizes, group: int, profile: Profile
) -> Tensor:
    """Convolution's gradient by its input of that size, Deconvolution's forward."""
    columns = [_product(weight.flatten(1), image, group, True, profile) for image in y.flatten(2)]
    image = col2im(torch.stack(columns).unflatten(2, tuple(y.shape[2:])), window, size)
    return image if bias is None else image + _spread(bias, image)


def _spread(bias: Tensor, x: Tensor) -> Tensor:
    return bias.reshape(-1, *(1,) * (x.dim() - 2))


def add_weight_gradient(x: Tensor, y: Tensor, gradient: Tensor, window: Window, group: int, profile: Profile) -> None:
    """The gradient by the weight, added to `gradient` image by image."""
    for image, maps in zip(im2col(x, window).flatten(2), y.flatten(2), strict=True):
        parts = zip(maps.chunk(group), image.chunk(group), gradient.flatten(1).chunk(group), strict=True)
        for outputs, inputs, onto in parts:
            kernels_of(x).gemm(outputs, inputs, onto, False, True, profile)


def add_bias_gradient(y: Tensor, gradient: Tensor, profile: Profile) -> None:
    """The sum of each channel of y (N, C, …), added to `gradient` (C,) image by image."""
    kernels_of(y).add_bias_gradient(y.flatten(2)[..., None], gradient, profile)


def _product(weight: Tensor, columns: Tensor, group: int, transposed: bool, profile: Profile) -> Tensor:
    """Of each group's rows of the weight with its own columns."""
    parts = zip(weight.chunk(group), columns.chunk(group), strict=True)
    gemm = kernels_of(columns).gemm
    return torch.cat([gemm(rows, values.contiguous(), None, transposed, False, profile) for rows, values in parts])
