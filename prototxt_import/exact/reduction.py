"""Reduction of the exact engine (Caffe: reduction_layer.cpp): a row at a time, by BLAS's dot and asum."""

import numpy as np
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact.blas import BLOB_OFFSET, asum, dot
from cpm_kernels.exact.profiles import Profile
from prototxt_import.function import Context, Function
from prototxt_import.tensors import array, tensor

from .elementwise import scaled_each


class Reduction(Function[Tensor]):
    """(x, operation, coefficient, profile) -> coefficient · the sum, by `operation`, of x over its last axis."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, operation: str, coefficient: float, profile: Profile) -> Tensor:
        ctx.operation, ctx.factor = operation, np.float32(coefficient)
        if operation == "MEAN":
            ctx.factor = ctx.factor / np.float32(x.shape[-1])
        ctx.save_for_backward(x)
        rows = array(x).reshape(-1, x.shape[-1])
        ones = np.ones(x.shape[-1], np.float32)
        if operation == "ASUM":
            starts = range(BLOB_OFFSET, BLOB_OFFSET + rows.size, rows.shape[1])
            sums = [asum(row, profile, start) for row, start in zip(rows, starts, strict=True)]
        else:
            sums = [dot(row, row if operation == "SUMSQ" else ones, profile) for row in rows]
        values = np.array(sums, np.float32).reshape(tuple(x.shape[:-1]))
        return tensor(np.asarray(values * ctx.factor), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        factor = (dy * float(ctx.factor))[..., None]
        if ctx.operation == "SUMSQ":
            return scaled_each(x, factor * 2), None, None, None
        if ctx.operation == "ASUM":
            return scaled_each(x.sign(), factor), None, None, None
        return factor.expand(x.shape), None, None, None
