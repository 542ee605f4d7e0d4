"""Products on a CPU, of convolutions and of matrices, by kernels whose bits do not depend on the number of threads:
torch's share sums among threads, or choose other kernels for other numbers of them.

`torch.ops.cpm_repro.weight_gradient` and `.matrix_product` are operators of torch's dispatcher.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from cpm_kernels.exact import convolution as exact
from cpm_kernels.exact.gemm import gemm
from cpm_kernels.training import weight_gradient as direct
from cpm_kernels.window import Window
from prototxt_import.tensors import array, channels_last_array

from .operators import operator

VECTOR = 16
"""Values of a CPU's widest vector. oneDNN shares outputs that fill none otherwise with other numbers of threads."""
DEEPEST = 192
"""Over so many channels its convolution of 1x1 px adds in one order."""


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """Of x (N, C, H, W), with one group, by oneDNN, in parts that have the same bits with every number of threads."""
    outputs, channels = weight.shape[:2]
    if window.kernel == (1, 1) and x.shape[2:] == (1, 1) and window.pad == (0, 0):
        return functional.linear(x.flatten(1), weight.flatten(1), bias)[..., None, None]
    x, weight = x.contiguous(memory_format=torch.channels_last), in_whole_vectors(weight)
    bias = None if bias is None else in_whole_vectors(bias)
    how = window.stride, window.pad, window.dilation, False, (0, 0), 1
    depth = DEEPEST if window.kernel == (1, 1) else channels
    y = torch.convolution(x[:, :depth], weight[:, :depth], bias, *how)
    for at in range(depth, channels, depth):
        y += torch.convolution(x[:, at : at + depth], weight[:, at : at + depth], None, *how)
    return y if len(weight) == outputs else y[:, :outputs].contiguous(memory_format=torch.channels_last)


def in_whole_vectors(x: Tensor, axis: int = 0) -> Tensor:
    """x, and zeros behind it along an axis, up to a multiple of VECTOR."""
    more = -x.shape[axis] % VECTOR
    return torch.cat([x, x.new_zeros(*x.shape[:axis], more, *x.shape[axis + 1 :])], axis) if more else x


def input_gradient(dy: Tensor, weight: Tensor, window: Window, size: tuple[int, int], group: int) -> Tensor:
    """The gradient of a convolution by its input of that (height, width), as the exact engine makes it."""
    operands = array(dy.float()), array(weight.float()), None
    dx = exact.convolve_transposed(*operands, window, size, group, threads=torch.get_num_threads())
    return torch.from_numpy(dx).to(dy.dtype)


def _weight_gradient(image: Tensor, maps: Tensor, *numbers: Any) -> Tensor:
    """The gradient of a convolution from image (N, C, …) to maps (N, C_out, …) by its weight, in float32 sums."""
    *sizes, group = numbers
    if len(sizes[0]) == 3:
        of_planes = [tuple(size[1:]) for size in sizes]
        planes = [_weight_gradient(*_planes(image, maps, sizes, at), *of_planes, group) for at in range(sizes[0][0])]
        return torch.stack(planes, 2)
    if len(sizes[0]) == 1:
        flat = [(first, *size) for first, size in zip((1, 1, 0, 1), sizes, strict=True)]
        return _weight_gradient(image.unsqueeze(2), maps.unsqueeze(2), *flat, group).squeeze(2)
    kernel, stride, pad, dilation = map(tuple, sizes)
    x, dy = channels_last_array(image.float()), channels_last_array(maps.float())
    window = Window(kernel, stride, pad, dilation)
    return torch.from_numpy(direct.weight_gradient(x, dy, window, group, torch.get_num_threads())).to(image.dtype)


def _planes(image: Tensor, maps: Tensor, sizes: list[Sequence[int]], at: int) -> tuple[Tensor, Tensor]:
    """Of three axes: those planes that the kernel's plane `at` multiplies, as images of two axes."""
    _, stride, pad, dilation = (size[0] for size in sizes)
    depths = [z * stride - pad + at * dilation for z in range(maps.shape[2])]
    inside = [z for z, depth in enumerate(depths) if 0 <= depth < image.shape[2]]
    chosen = image[:, :, [depths[z] for z in inside]], maps[:, :, inside]
    first, second = (blob.transpose(1, 2).flatten(0, 1) for blob in chosen)
    return first, second


def _weight_gradients_shape(image: Tensor, maps: Tensor, kernel: Sequence[int], *numbers: Any) -> Tensor:
    return image.new_empty((maps.shape[1], image.shape[1] // numbers[-1], *kernel))


weight_gradient = operator(
    "weight_gradient(Tensor image, Tensor maps, SymInt[] kernel, SymInt[] stride, SymInt[] pad, SymInt[] dilation,"
    " SymInt group) -> Tensor",
    _weight_gradient,
    _weight_gradients_shape,
)


def _matrix_product(a: Tensor, b: Tensor, transposed: bool) -> Tensor:
    """a (M, K) times b (K, N), or (N, K) transposed, as the exact engine makes it."""
    operands = array(a.float()), array(b.float())
    return torch.from_numpy(gemm(*operands, transpose_b=transposed, threads=torch.get_num_threads())).to(a.dtype)


def _matrix_products_shape(a: Tensor, b: Tensor, transposed: bool) -> Tensor:
    return a.new_empty((a.shape[0], b.shape[0 if transposed else 1]))


matrix_product = operator(
    "matrix_product(Tensor a, Tensor b, bool transposed) -> Tensor", _matrix_product, _matrix_products_shape
)


def product_over_rows(left: Tensor, right: Tensor) -> Tensor:
    """Transposed left (M, N) times right (M, K): (N, K)."""
    ones, zeros = (1, 1), (0, 0)
    made: Tensor = weight_gradient(right[..., None, None], left[..., None, None], ones, ones, zeros, ones, 1)
    return made[..., 0, 0]
