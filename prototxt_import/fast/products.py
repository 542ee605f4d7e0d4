"""Convolution, Deconvolution and InnerProduct, forward and backward with the engine's precision: by torch's own
kernels, and on a CPU by others where torch's have other bits with other numbers of threads.

cuDNN and cuBLAS go by settings of the whole process, which they read when a kernel is launched, in backward too. So
each launch has its own, and leaves the process's as they were.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cpm_kernels.exact import convolution as exact
from cpm_kernels.exact.gemm import gemm
from cpm_kernels.training import weight_gradient as direct
from cpm_kernels.window import Sizes, Window
from prototxt_import.function import Context, Function, Gradients
from prototxt_import.tensors import array, channels_last_array

from .operators import operator

# In an operator's schema: the numbers of a `Product`.
NUMBERS = "SymInt[] stride, SymInt[] pad, SymInt[] dilation, SymInt group, bool transposed, bool tf32"

_settings = RLock()


@contextmanager
def precision(x: Tensor, tf32: bool) -> Iterator[None]:
    """On a card: factors of products keep float32's mantissa, or with `tf32` 10 bits of it (cuDNN's own default), and
    cuDNN's kernels add in the same order every time. Elsewhere nothing changes."""
    if not x.is_cuda:
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    with _settings:
        before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic
        try:
            cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = tf32, tf32, True
            yield
        finally:
            cudnn.allow_tf32, matmul.allow_tf32, cudnn.deterministic = before


@dataclass(frozen=True)
class Product:
    """What a Convolution or (`transposed`) a Deconvolution is, but for its blobs."""

    window: Window
    group: int = 1
    transposed: bool = False
    tf32: bool = False

    @classmethod
    def of(
        cls,
        weight: Tensor,
        stride: Sequence[int],
        pad: Sequence[int],
        dilation: Sequence[int],
        group: int,
        transposed: bool,
        tf32: bool,
    ) -> "Product":
        """From its `numbers`."""
        window = Window(tuple(weight.shape[2:]), tuple(stride), tuple(pad), tuple(dilation))
        return cls(window, group, transposed, tf32)

    @property
    def numbers(self) -> tuple[Sizes, Sizes, Sizes, int, bool, bool]:
        """As an operator of torch takes them; the weight knows the kernel."""
        window = self.window
        return window.stride, window.pad, window.dilation, self.group, self.transposed, self.tf32

    def outputs(self, weight: Tensor) -> int:
        """Channels of the top."""
        return weight.shape[1] * self.group if self.transposed else weight.shape[0]

    def size(self, size: Sizes) -> Sizes:
        """Of the top of a bottom of that (height, width)."""
        return self.window.deconvolved(size) if self.transposed else self.window.convolved(size)

    def convolution(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """By torch's own kernels; without gradient."""
        with precision(x, self.tf32):
            return torch.convolution(x, weight, bias, *self._how)

    def gradients(
        self, dy: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The gradients by x, weight and bias, those that are wanted."""
        with precision(x, self.tf32):
            if x.device.type != "cpu":
                return self._torchs_gradients(dy, x, weight, wanted)
            dx = self._input_gradient(dy, x, weight) if wanted[0] else None
            return dx, self._weight_gradient(dy, x) if wanted[1] else None, sum_of_maps(dy) if wanted[2] else None

    def _input_gradient(self, dy: Tensor, x: Tensor, weight: Tensor) -> Tensor | None:
        """On the CPU. With strides oneDNN has other bits with other numbers of threads, the exact engine has not."""
        if self.transposed or x.dim() != 4 or self.window.stride == (1, 1):
            return self._torchs_gradients(dy, x, weight, (True, False, False))[0]
        size, threads = (x.shape[2], x.shape[3]), torch.get_num_threads()
        operands = array(dy.float()), array(weight.float()), None
        dx = exact.convolve_transposed(*operands, self.window, size, self.group, threads=threads)
        return torch.from_numpy(dx).to(x.dtype)

    def _torchs_gradients(
        self, dy: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        biases = [self.outputs(weight)] if wanted[2] else None
        dx, dweight, dbias = torch.ops.aten.convolution_backward(dy, x, weight, biases, *self._how, wanted)
        return dx, dweight, dbias

    def _weight_gradient(self, dy: Tensor, x: Tensor) -> Tensor:
        image, maps = (dy, x) if self.transposed else (x, dy)
        made: Tensor = weight_gradient(image, maps, self.window.kernel, *self._how[:3], self.group)
        return made

    @property
    def _how(self) -> tuple[Sizes, Sizes, Sizes, bool, Sizes, int]:
        window = self.window
        return window.stride, window.pad, window.dilation, self.transposed, (0,) * len(window.kernel), self.group


def sum_of_maps(dy: Tensor) -> Tensor:
    """The gradient by a bias, (C,), of that by a top (N, C, …)."""
    return dy.sum([axis for axis in range(dy.dim()) if axis != 1])


def _weight_gradient(image: Tensor, maps: Tensor, *numbers: Any) -> Tensor:
    """The gradient of a convolution from image (N, C, …) to maps (N, C_out, …) by its weight, on the CPU: float32 sums
    whose order does not depend on the number of threads, as that of torch's own kernels does."""
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
    """a (M, K) times b (K, N), or (N, K) transposed. On the CPU, where torch's BLAS shares k among threads, too, by the
    exact engine's."""
    if a.device.type != "cpu":
        return a @ (b.t() if transposed else b)
    operands = array(a.float()), array(b.float())
    return torch.from_numpy(gemm(*operands, transpose_b=transposed, threads=torch.get_num_threads())).to(a.dtype)


def _matrix_products_shape(a: Tensor, b: Tensor, transposed: bool) -> Tensor:
    return a.new_empty((a.shape[0], b.shape[0 if transposed else 1]))


matrix_product = operator(
    "matrix_product(Tensor a, Tensor b, bool transposed) -> Tensor", _matrix_product, _matrix_products_shape
)


class InnerProduct(Function[Tensor]):
    """(x (M, K), weight (N, K) or transposed (K, N), bias (N,), transposed, tf32) -> (M, N)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool, tf32: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.tf32 = transposed, tf32
        with precision(x, tf32):
            if not any(ctx.needs_input_grad) or x.device.type != "cpu":
                return F.linear(x, weight.t() if transposed else weight, bias)
            y: Tensor = matrix_product(x, weight, not transposed)
            return y if bias is None else y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        dx = dweight = None
        with precision(x, ctx.tf32):
            if of_x:
                dx = matrix_product(dy, weight, ctx.transposed)
            if of_weight:
                dweight = _product_over_rows(x, dy) if ctx.transposed else _product_over_rows(dy, x)
        return dx, dweight, dy.sum(0) if of_bias else None, None, None


def _product_over_rows(left: Tensor, right: Tensor) -> Tensor:
    """Transposed left (M, N) times right (M, K): (N, K)."""
    if left.device.type != "cpu":
        return left.t() @ right
    ones, zeros = (1, 1), (0, 0)
    made: Tensor = weight_gradient(right[..., None, None], left[..., None, None], ones, ones, zeros, ones, 1)
    return made[..., 0, 0]
