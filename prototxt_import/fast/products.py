"""Convolution, Deconvolution and InnerProduct, forward and backward with the engine's precision: by torch's own
kernels, and on a CPU by `cpu_products` where torch's have other bits with other numbers of threads.

cuDNN and cuBLAS go by settings of the whole process, which they read when a kernel is launched, in backward too. So
each launch has its own, and leaves the process's as they were.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from cpm_kernels.window import Sizes, Window
from prototxt_import.function import Context, Function, Gradients
from prototxt_import.tensors import total

from . import cpu_products

# In an operator's schema: the numbers of a `Product`.
NUMBERS = "SymInt[] stride, SymInt[] pad, SymInt[] dilation, SymInt group, bool transposed, bool tf32, bool bfloat16"

Wanted = tuple[bool, bool, bool]
OfOperands = tuple[Tensor | None, Tensor | None, Tensor | None]

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
    """What a Convolution or (`transposed`) a Deconvolution is, but for its blobs.

    tf32: on a card float32 factors may be rounded to it; bfloat16: on a CPU they are rounded to it.
    """

    window: Window
    group: int = 1
    transposed: bool = False
    tf32: bool = False
    bfloat16: bool = False

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
        bfloat16: bool,
    ) -> "Product":
        """From its `numbers`."""
        window = Window(tuple(weight.shape[2:]), tuple(stride), tuple(pad), tuple(dilation))
        return cls(window, group, transposed, tf32, bfloat16)

    @property
    def numbers(self) -> tuple[Sizes, Sizes, Sizes, int, bool, bool, bool]:
        """As an operator of torch takes them; the weight knows the kernel."""
        window = self.window
        how = self.group, self.transposed, self.tf32, self.bfloat16
        return window.stride, window.pad, window.dilation, *how

    def outputs(self, weight: Tensor) -> int:
        """Channels of the top."""
        return weight.shape[1] * self.group if self.transposed else weight.shape[0]

    def size(self, size: Sizes) -> Sizes:
        """Of the top of a bottom of that (height, width)."""
        return self.window.deconvolved(size) if self.transposed else self.window.convolved(size)

    def rounds(self, x: Tensor) -> bool:
        """Whether this x is rounded to bfloat16."""
        return self.bfloat16 and x.device.type == "cpu" and x.dtype == torch.float32

    def convolution(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """By torch's own kernels, or a CPU's; without gradient."""
        if self.rounds(x):
            bias = None if bias is None else bias.bfloat16()
            return self.convolution(x.bfloat16(), weight.bfloat16(), bias).to(x.dtype)
        with precision(x, self.tf32):
            if x.device.type == "cpu" and x.dtype == torch.float32 and x.dim() == 4:
                return self._cpu_convolution(x, weight, bias)
            return torch.convolution(x, weight, bias, *self._how)

    def _cpu_convolution(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.group == 1 and not self.transposed:
            return cpu_products.convolution(x, weight, bias, self.window)
        own_outputs = weight.shape[0] == weight.shape[1] * self.group == self.group
        if own_outputs or not self.transposed:
            return torch.convolution(x, weight, bias, *self._how)
        height, width = self.size((x.shape[2], x.shape[3]))
        y = cpu_products.input_gradient(x, weight, self.window, (height, width), self.group)
        return y if bias is None else y + bias.reshape(-1, 1, 1)

    def gradients(self, dy: Tensor, x: Tensor, weight: Tensor, wanted: Wanted) -> OfOperands:
        """The gradients by x, weight and bias, those that are wanted."""
        if self.rounds(x):
            made = self.gradients(dy.bfloat16(), x.bfloat16(), weight.bfloat16(), wanted)
            of_x, of_weight, of_bias = (None if gradient is None else gradient.to(x.dtype) for gradient in made)
            return of_x, of_weight, of_bias
        with precision(x, self.tf32):
            if x.device.type != "cpu":
                return self._torchs_gradients(dy, x, weight, wanted)
            dx = self._cpu_input_gradient(dy, x, weight) if wanted[0] else None
            dweight = self._cpu_weight_gradient(dy, x) if wanted[1] else None
            return dx, dweight, sum_of_maps(dy) if wanted[2] else None

    def _cpu_input_gradient(self, dy: Tensor, x: Tensor, weight: Tensor) -> Tensor | None:
        if x.dim() != 4:
            return self._torchs_gradients(dy, x, weight, (True, False, False))[0]
        size = (x.shape[2], x.shape[3])
        if not self.transposed and self.window.stride != (1, 1):
            return cpu_products.input_gradient(dy, weight, self.window, size, self.group)
        if self.group > 1 or dy.dtype != torch.float32:
            return self._torchs_gradients(dy, x, weight, (True, False, False))[0]
        if self.transposed:
            return cpu_products.convolution(dy, weight, None, self.window)
        if self.window.kernel == (1, 1) and self.window.pad == (0, 0):
            return cpu_products.convolution(dy, weight.transpose(0, 1), None, self.window)
        channels, whole = x.shape[1], cpu_products.in_whole_vectors(weight, axis=1)
        like = x.new_empty(1).expand(len(x), whole.shape[1], *size)
        dx = self._torchs_gradients(dy, like, whole, (True, False, False))[0]
        return None if dx is None else dx[:, :channels]

    def _cpu_weight_gradient(self, dy: Tensor, x: Tensor) -> Tensor:
        image, maps = (dy, x) if self.transposed else (x, dy)
        made: Tensor = cpu_products.weight_gradient(image, maps, self.window.kernel, *self._how[:3], self.group)
        return made

    def _torchs_gradients(self, dy: Tensor, x: Tensor, weight: Tensor, wanted: Wanted) -> OfOperands:
        biases = [self.outputs(weight)] if wanted[2] else None
        dx, dweight, dbias = torch.ops.aten.convolution_backward(dy, x, weight, biases, *self._how, wanted)
        return dx, dweight, dbias

    @property
    def _how(self) -> tuple[Sizes, Sizes, Sizes, bool, Sizes, int]:
        window = self.window
        return window.stride, window.pad, window.dilation, self.transposed, (0,) * len(window.kernel), self.group


def sum_of_maps(dy: Tensor) -> Tensor:
    """The gradient by a bias, (C,), of that by a top (N, C, …). One sum alone torch would share among threads."""
    if dy.shape[1] == 1:
        return total(dy).reshape(1)
    return dy.sum([axis for axis in range(dy.dim()) if axis != 1])


class InnerProduct(Function[Tensor]):
    """(x (M, K), weight (N, K) or transposed (K, N), bias (N,), transposed, tf32) -> (M, N)."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool, tf32: bool) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.transposed, ctx.tf32 = transposed, tf32
        with precision(x, tf32):
            if not any(ctx.needs_input_grad) or x.device.type != "cpu":
                return F.linear(x, weight.t() if transposed else weight, bias)
            y: Tensor = cpu_products.matrix_product(x, weight, not transposed)
            return y if bias is None else y + bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        dx = dweight = None
        with precision(x, ctx.tf32):
            if of_x:
                dx = _product(dy, weight, ctx.transposed)
            if of_weight:
                dweight = _product_over_rows(x, dy) if ctx.transposed else _product_over_rows(dy, x)
        return dx, dweight, sum_of_maps(dy) if of_bias else None, None, None


def _product(a: Tensor, b: Tensor, transposed: bool) -> Tensor:
    """a (M, K) times b (K, N), or (N, K) transposed."""
    if a.device.type != "cpu":
        return a @ (b.t() if transposed else b)
    made: Tensor = cpu_products.matrix_product(a, b, transposed)
    return made


def _product_over_rows(left: Tensor, right: Tensor) -> Tensor:
    """Transposed left (M, N) times right (M, K): (N, K)."""
    return cpu_products.product_over_rows(left, right) if left.device.type == "cpu" else left.t() @ right
