"""The exact engine's kernels over tensors: on the CPU cpm_kernels' host functions, on a CUDA device their twin.

`HostKernels` has the same functions as the module `cpm_kernels.cuda`.
"""

from typing import cast

import torch
from torch import Tensor

from cpm_kernels.exact import blas, convolution, elementary, gemm, pooling
from cpm_kernels.exact.profiles import Profile
from cpm_kernels.window import Pair, Sizes, Window
from prototxt_import.tensors import array


def kernels_of(x: Tensor) -> "type[HostKernels]":
    """The functions for tensors where x is; CuPy is imported only where there is a card."""
    if x.is_cuda:
        from cpm_kernels.exact import cuda

        return cast(type[HostKernels], cuda)
    return HostKernels


def _threads() -> int:
    """As many as torch uses; the bits do not depend on it."""
    return torch.get_num_threads()


class HostKernels:
    """cpm_kernels' host functions over contiguous float32 CPU tensors; what is "added to" is changed in place."""

    @staticmethod
    def gemm(a: Tensor, b: Tensor, c: Tensor | None, transpose_a: bool, transpose_b: bool, profile: Profile) -> Tensor:
        """A B, or A B added to c."""
        onto = None if c is None else c.numpy()
        return torch.from_numpy(gemm.gemm(array(a), array(b), onto, transpose_a, transpose_b, profile, _threads()))

    @staticmethod
    def convolve(
        x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, profile: Profile
    ) -> Tensor:
        """Convolution's forward."""
        biases = None if bias is None else array(bias)
        y = convolution.convolve(array(x), array(weight), biases, window, group, profile, _threads())
        return torch.from_numpy(y)

    @staticmethod
    def convolve_transposed(
        y: Tensor, weight: Tensor, bias: Tensor | None, window: Window, size: Sizes, group: int, profile: Profile
    ) -> Tensor:
        """Convolution's gradient by its input, Deconvolution's forward."""
        height, width = size
        operands = array(y), array(weight), None if bias is None else array(bias)
        image = convolution.convolve_transposed(*operands, window, (height, width), group, profile, _threads())
        return torch.from_numpy(image)

    @staticmethod
    def add_weight_gradient(
        x: Tensor, y: Tensor, gradient: Tensor, window: Window, group: int, profile: Profile
    ) -> None:
        """The gradient by the weight, added to `gradient` image by image."""
        convolution.add_weight_gradient(array(x), array(y), gradient.numpy(), window, group, profile, _threads())

    @staticmethod
    def add_bias_gradient(y: Tensor, gradient: Tensor, profile: Profile) -> None:
        """The sum of each channel of y (N, C, H, W), added to `gradient` (C,) image by image."""
        for image in array(y):
            blas.add_row_sums(image.reshape(image.shape[0], -1), gradient.numpy(), profile=profile)

    @staticmethod
    def max_pool(x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        """Maxima and where they are."""
        y, where = pooling.max_pool(array(x), window, _threads())
        return torch.from_numpy(y), torch.from_numpy(where)

    @staticmethod
    def max_pool_gradient(dy: Tensor, where: Tensor, window: Window, size: Pair) -> Tensor:
        """dy added up where the maxima were."""
        return torch.from_numpy(pooling.max_pool_gradient(array(dy), where.numpy(), window, size, _threads()))

    @staticmethod
    def ave_pool(x: Tensor, window: Window) -> Tensor:
        """Means."""
        return torch.from_numpy(pooling.ave_pool(array(x), window, _threads()))

    @staticmethod
    def ave_pool_gradient(dy: Tensor, window: Window, size: Pair) -> Tensor:
        """dy shared out over the windows."""
        return torch.from_numpy(pooling.ave_pool_gradient(array(dy), window, size, _threads()))

    @staticmethod
    def relu(x: Tensor, slope: float, in_place: bool = False) -> Tensor:
        """x, or slope · x below zero."""
        return torch.from_numpy(elementary.relu(array(x), slope, _threads(), in_place))

    @staticmethod
    def relu_gradient(x: Tensor, dy: Tensor, slope: float) -> Tensor:
        """dy, or dy · slope where x is not positive."""
        return torch.from_numpy(elementary.relu_gradient(array(x), array(dy), slope, _threads()))
