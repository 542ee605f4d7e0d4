"""Scale, Bias, BatchNorm, LRN, MVN and Softmax of the exact engine, with Caffe's order of sums."""

import math

import numpy as np
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact.blas import add_column_sums, add_row_sums, axpy, dot, fused
from cpm_kernels.exact.elementary import exp
from cpm_kernels.exact.profiles import Profile
from prototxt_import.function import Context, Function, Gradients
from prototxt_import.tensors import array, tensor

from .elementwise import raised, scaled_each
from .gradients import Gradient


def row_sums(rows: np.ndarray, profile: Profile, scale: float = 1.0) -> np.ndarray:
    """scale · the sum of each row, (rows,) (gemv with ones)."""
    sums = np.zeros(rows.shape[0], np.float32)
    add_row_sums(rows, sums, scale, profile)
    return sums


class Scale(Function[Tensor]):
    """(x, factor, trailing, profile): x · factor; the factor's last `trailing` axes of size 1 broadcast."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, factor: Tensor, trailing: int, profile: Profile) -> Tensor:
        ctx.save_for_backward(x, factor)
        ctx.factor, ctx.trailing, ctx.profile = factor, trailing, profile
        return scaled_each(x, _broadcast(factor, trailing))

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, factor = ctx.saved_tensors
        gradient = Gradient(ctx.factor, ctx.needs_input_grad[1])
        if gradient.needed:
            with gradient.on_host() as values:
                _add_scale_gradient(array(dy * x), factor, ctx.trailing, values.reshape(-1), ctx.profile)
        return scaled_each(dy, _broadcast(factor, ctx.trailing)), gradient.done(), None, None


def _broadcast(values: Tensor, trailing: int) -> Tensor:
    return values.reshape(values.shape + (1,) * trailing)


def _inner(shape: tuple[int, ...], trailing: int) -> int:
    return int(np.prod(shape[len(shape) - trailing :], dtype=np.int64))


def _add_scale_gradient(
    product: np.ndarray, factor: Tensor, trailing: int, gradient: np.ndarray, profile: Profile
) -> None:
    """Sums of dy · x over the inner axes, then over the outer ones, onto the gradient."""
    inner, count = _inner(product.shape, trailing), factor.numel()
    rows = product.reshape(-1, inner)
    outer = rows.shape[0] // count
    ones = np.ones(max(inner, outer), np.float32)
    if inner == 1:
        sums = rows.reshape(-1)
    elif rows.shape[0] == 1:
        sums = np.array([dot(ones[:inner], rows, profile)], np.float32)
    else:
        sums = row_sums(rows, profile)
    if outer == 1:
        gradient += sums
    elif count == 1:
        gradient += dot(ones[:outer], sums, profile)
    else:
        add_column_sums(sums.reshape(outer, count), gradient, profile)


class Bias(Function[Tensor]):
    """(x, bias, trailing, profile): x + bias."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, bias: Tensor, trailing: int, profile: Profile) -> Tensor:
        ctx.bias, ctx.trailing, ctx.profile = bias, trailing, profile
        return x + _broadcast(bias, trailing)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        gradient = Gradient(ctx.bias, ctx.needs_input_grad[1])
        if gradient.needed:
            count, inner = ctx.bias.numel(), _inner(dy.shape, ctx.trailing)
            with gradient.on_host() as values:
                for rows in array(dy).reshape(-1, count, inner):
                    add_row_sums(rows, values.reshape(-1), profile=ctx.profile)
        return dy, gradient.done(), None, None


class BatchNorm(Function[Tensor]):
    """(x, mean, variance, eps) -> (x − mean) / sqrt(variance + eps), the statistics being constants."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        deviation = raised(variance + eps, 0.5).reshape(shape)
        ctx.save_for_backward(deviation)
        return (x - mean.reshape(shape)) / deviation

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        return dy / ctx.saved_tensors[0], None, None, None


class BatchNormOfBatch(Function[tuple[Tensor, Tensor, Tensor]]):
    """(x, eps, profile) -> (y, mean, variance), the statistics being the batch's; gradients flow to y's x only."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, eps: float, profile: Profile) -> tuple[Tensor, Tensor, Tensor]:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        ctx.share = float(np.float32(1.0 / (x.numel() // x.shape[1])))
        ctx.profile = profile
        mean = _channel_sums(x, profile, ctx.share)
        y = x - mean.reshape(shape)
        variance = _channel_sums(raised(y, 2.0), profile, ctx.share)
        deviation = raised(variance + eps, 0.5).reshape(shape)
        y = y / deviation
        ctx.save_for_backward(y, deviation)
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor, *_: Tensor) -> Gradients:
        y, deviation = ctx.saved_tensors
        along = y * _channel_sums(y * dy, ctx.profile).reshape(deviation.shape)
        total = along + _channel_sums(dy, ctx.profile).reshape(deviation.shape)
        return (dy + total * -ctx.share) / deviation, None, None


def _channel_sums(x: Tensor, profile: Profile, scale: float = 1.0) -> Tensor:
    """scale · the sum of each channel of x (N, C, …): within each image, then over the images."""
    sums = row_sums(array(x).reshape(x.shape[0] * x.shape[1], -1), profile, scale)
    total = np.zeros(x.shape[1], np.float32)
    add_column_sums(sums.reshape(x.shape[:2]), total, profile)
    return tensor(total, x)


class LRNAcross(Function[Tensor]):
    """(x, size, alpha, beta, k, profile) -> x / scale ^ beta; sums over `size` channels slide along the channels."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, size: int, alpha: float, beta: float, k: float, profile: Profile) -> Tensor:
        weight = float(np.float32(alpha) / np.float32(size))
        window = _window(size, x)
        scales = [_sliding_scale(image * image, window, weight, k, profile) for image in array(x)]
        scale = tensor(np.array(scales, np.float32).reshape(x.shape), x)
        y = x * raised(scale, -beta)
        ctx.save_for_backward(x, y, scale)
        ctx.parameters = size, alpha, beta, profile
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        x, y, scale = ctx.saved_tensors
        size, alpha, beta, profile = ctx.parameters
        factor = float(np.float32(2.0 * alpha * beta / size))  # in double, as C++'s 2. makes it
        window = _window(size, x)
        dx, values, ratio = array((dy * raised(scale, -beta)).clone()), array(x), array(dy * y / scale)
        for image in range(len(dx)):
            for channel, share in enumerate(values[image] * _sliding_sum(ratio[image], window)):
                axpy(-factor, share, dx[image, channel], profile)
        return tensor(dx, scale), None, None, None, None, None


def _window(size: int, x: Tensor) -> int:
    """How many channels to slide over: a window of 2 C − 1 sees them all from everywhere, a larger one only zeros."""
    return min(size, 2 * x.shape[1] - 1)


def _padded(values: np.ndarray, size: int) -> np.ndarray:
    """Values (C, H, W) between (size − 1) / 2 channels of zeros on either side."""
    padded = np.zeros((len(values) + size - 1, *values.shape[1:]), np.float32)
    padded[(size - 1) // 2 :][: len(values)] = values
    return padded


def _sliding_scale(squares: np.ndarray, size: int, weight: float, k: float, profile: Profile) -> np.ndarray:
    """k + weight · Σ of neighbouring channels: each from the one before, the next term in before the last goes."""
    padded, out = _padded(squares, size), np.empty_like(squares)
    out[0] = k
    for channel in range(size):
        axpy(weight, padded[channel], out[0], profile)
    for channel in range(1, len(out)):
        out[channel] = out[channel - 1]
        axpy(weight, padded[channel + size - 1], out[channel], profile)
        axpy(-weight, padded[channel - 1], out[channel], profile)
    return out


def _sliding_sum(values: np.ndarray, size: int) -> np.ndarray:
    """Σ of neighbouring channels: one running sum, whose last term goes before the next comes in."""
    padded, out = _padded(values, size), np.empty_like(values)
    total = np.zeros(values.shape[1:], np.float32)
    for channel in range(size - 1):
        total += padded[channel]
    for channel in range(len(values)):
        total += padded[channel + size - 1]
        out[channel] = total
        total -= padded[channel]
    return out


class MVN(Function[Tensor]):
    """(x (rows, values), eps, normalize_variance, profile) -> rows with mean 0 and, if asked, deviation 1."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, eps: float, normalize_variance: bool, profile: Profile) -> Tensor:
        share = float(np.float32(1.0 / x.shape[1]))
        y = x - tensor(row_sums(array(x), profile, share), x)[:, None]
        ctx.normalize_variance, ctx.share, ctx.profile = normalize_variance, share, profile
        if normalize_variance:
            variance = row_sums(array(raised(y, 2.0)), profile, share)
            deviation = (raised(tensor(variance, x), 0.5) + eps)[:, None]
            y = y / deviation
            ctx.save_for_backward(y, deviation)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        if not ctx.normalize_variance:
            return dy - tensor(row_sums(array(dy), ctx.profile, ctx.share), dy)[:, None], None, None, None
        y, deviation = ctx.saved_tensors
        along = y * tensor(row_sums(array(y * dy), ctx.profile), dy)[:, None]
        total = along + tensor(row_sums(array(dy), ctx.profile), dy)[:, None]
        return (dy + total * -ctx.share) / deviation, None, None, None


def softmax(x: np.ndarray, profile: Profile) -> np.ndarray:
    """exp(x − max) / Σ over the channels of x (images, channels, places), the sum by gemv."""
    values = exp(x - x.max(axis=1, keepdims=True))
    out = np.empty_like(values)
    for image, to in zip(values, out, strict=True):
        sums = np.zeros(image.shape[1], np.float32)
        add_column_sums(image, sums, profile)
        np.divide(image, sums, out=to)
    return out


class Softmax(Function[Tensor]):
    """(x, axis, profile) -> softmax along it."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, axis: int, profile: Profile) -> Tensor:
        shape = tuple(x.shape)
        outer = int(np.prod(shape[:axis], dtype=np.int64))
        values = array(x).reshape(outer, shape[axis], math.prod(shape[axis + 1 :]))
        y = tensor(softmax(values, profile).reshape(shape), x)
        ctx.save_for_backward(y)
        ctx.axis, ctx.outer, ctx.profile = axis, outer, profile
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> Gradients:
        (y,) = ctx.saved_tensors
        shape = tuple(y.shape)
        rows = (ctx.outer, shape[ctx.axis], math.prod(shape[ctx.axis + 1 :]))
        y_rows, dy_rows = array(y).reshape(rows), array(dy).reshape(rows)
        inner = _strided_dots(dy_rows, y_rows, ctx.profile)
        return tensor(((dy_rows - inner[:, None]) * y_rows).reshape(shape), dy), None, None


def _strided_dots(x: np.ndarray, y: np.ndarray, profile: Profile) -> np.ndarray:
    """Σ over axis 1 of (outer, channels, inner) arrays, as cblas_sdot with steps: pairs, each with one rounding saved
    by a fused multiply-add where there is AVX-512, added up in double. Without steps it is the contiguous dot."""
    if x.shape[2] == 1:
        return np.array([[dot(a, b, profile)] for a, b in zip(x, y, strict=True)], np.float32)
    total = np.zeros((x.shape[0], x.shape[2]), np.float64)
    channels = x.shape[1]
    for channel in range(0, channels - 1, 2):
        pair = y[:, channel + 1] * x[:, channel + 1]
        first = y[:, channel], x[:, channel]
        total += fused(*first, pair) if profile.has_avx512 else first[0] * first[1] + pair
    if channels % 2:
        total += y[:, -1] * x[:, -1]
    return total.astype(np.float32)
