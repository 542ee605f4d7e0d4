"""Maps made larger or smaller: Upsample, SegNet's by the pooling's mask and the nearest neighbour of YOLO's converters;
DeconvNet's Unpooling; DeepLab's Interp, which is bilinear; FlowNet's Resample."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from prototxt_import.formats import schema
from prototxt_import.tensors import tensor

from .layer import Layer, Shape, register


@register("Upsample")
class Upsample(Layer):
    """With one bottom, each value becomes `scale` x `scale` of them. With two it is put where the second, the mask of a
    MAX pooling, says that it came from, and the rest is 0; of values for one place the last one stays."""

    of_a_fork = True
    bottoms = range(1, 3)
    image_by_image = True
    keeps_channels = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.upsample_param, bottom_shapes[0]
        self.require_maps(shape)
        self.require(all(s == shape for s in bottom_shapes), f"a mask of the shape {shape}", str(bottom_shapes[-1]))
        self.scale = (p.scale_h or p.scale, p.scale_w or p.scale)
        self.require(min(self.scale) > 0, "a scale above 0", str(self.scale))
        self.require(bool(p.upsample_h) == bool(p.upsample_w), "upsample_h and upsample_w, or neither", "one of them")
        by_mask = p.upsample_h or p.pad_out_h or p.pad_out_w
        self.require(len(bottom_shapes) == 2 or not by_mask, "upsample_h, pad_out_h, … with a mask only", "one bottom")

    def size_of(self, size: Shape) -> Shape:
        """The top's for the bottom's."""
        p = self.spec.upsample_param
        if p.upsample_h:
            return (p.upsample_h, p.upsample_w)
        return (size[0] * self.scale[0] - p.pad_out_h, size[1] * self.scale[1] - p.pad_out_w)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(*shape[:2], *self.size_of(shape[2:]))]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return x.repeat_interleave(self.scale[0], 2).repeat_interleave(self.scale[1], 3)
        size = self.size_of(tuple(x.shape[2:]))
        places = mask.detach().long().flatten(2)
        if not torch.compiler.is_compiling():  # a traced program's values decide nothing
            inside = bool(((places >= 0) & (places < math.prod(size))).all())
            self.require(inside, f"a mask of places in a {size[0]} x {size[1]} map", "one beyond it")
        flat = x.new_zeros((*x.shape[:2], math.prod(size)))
        return flat.scatter(2, places, x.flatten(2)).reshape(*x.shape[:2], *size)


@register("Unpooling")
class Unpooling(Upsample):
    """DeconvNet's: `unpool: MAX` by the mask of the pooling before, to the size given or to that which its windows
    have at most."""

    bottoms = range(2, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.unpooling_param, bottom_shapes[0]
        self.require(not self.spec.HasField("pooling_param"), "an unpooling_param (DeconvNet's)", "a pooling_param")
        self.require_maps(shape)
        self.require(all(s == shape for s in bottom_shapes), f"a mask of the shape {shape}", str(bottom_shapes[-1]))
        method = schema.UnpoolingParameter.UnpoolMethod.Name(p.unpool)
        self.require(p.unpool == p.MAX, "unpool: MAX (what the others make depends on the batch before)", method)
        self.require(not any((p.pad, p.pad_h, p.pad_w)), "no pad, as in DeconvNet's own", "one")
        self.kernel = (p.kernel_h or p.kernel_size, p.kernel_w or p.kernel_size)
        self.stride = (p.stride_h or p.stride, p.stride_w or p.stride)
        self.require(min(*self.kernel, *self.stride) > 0, "kernel and stride above 0", f"{self.kernel}, {self.stride}")
        self.more = tuple(max(k - s, 1) for k, s in zip(self.kernel, self.stride, strict=True))
        """What the size has beyond as many strides as there are windows."""
        self.given = (p.unpool_h or p.unpool_size, p.unpool_w or p.unpool_size)
        self.require(all(self.given) or not any(self.given), "unpool_h and unpool_w, or neither", "one of them")

    def size_of(self, size: Shape) -> Shape:
        if all(self.given):
            return self.given
        return tuple(n * stride + more for n, stride, more in zip(size, self.stride, self.more, strict=True))


@register("Interp")
class Interp(Layer):
    """Bilinear, the corners staying corners, to `height` x `width`, by factors, or to the size of a second bottom;
    `pad_beg` and `pad_end` below 0 cut rows and columns off before."""

    of_a_fork = True
    bottoms = range(1, 3)
    image_by_image = True
    keeps_channels = True

    def seen_by(self, top: int) -> list[str]:
        return [self.spec.bottom[0]]

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.interp_param, bottom_shapes[0]
        self.require(all(len(s) == 4 for s in bottom_shapes), "N x C x H x W bottoms", str(bottom_shapes))
        self.require(p.pad_beg <= 0 and p.pad_end <= 0, "pad_beg and pad_end of 0 or less", f"{p.pad_beg}, {p.pad_end}")
        self.require(
            p.zoom_factor > 0 and p.shrink_factor > 0, "factors above 0", f"{p.zoom_factor}, {p.shrink_factor}"
        )
        left = min(shape[2:]) + p.pad_beg + p.pad_end
        self.require(left > 0, "pad_beg and pad_end that leave something", f"{left} rows or columns")
        by_factor = p.HasField("zoom_factor") or p.HasField("shrink_factor")
        given = (p.height > 0 and p.width > 0) or by_factor or len(bottom_shapes) == 2
        self.require(given, "height and width, zoom_factor, shrink_factor or a second bottom", "none of them")

    def _size(self, length: int, given: int) -> int:
        p = self.spec.interp_param
        if given and not (p.HasField("zoom_factor") or p.HasField("shrink_factor")):
            return given
        shrunk = (length + p.pad_beg + p.pad_end - 1) // p.shrink_factor + 1
        return shrunk + (shrunk - 1) * (p.zoom_factor - 1)

    def _sizes(self, size: Shape, like: Shape | None) -> tuple[int, int]:
        if like is not None:
            return like[0], like[1]
        p = self.spec.interp_param
        return self._size(size[0], p.height), self._size(size[1], p.width)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape, *like = bottom_shapes
        return [(*shape[:2], *self._sizes(shape[2:], like[0][2:] if like else None))]

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        p, (height, width) = self.spec.interp_param, x.shape[2:]
        size = self._sizes((height, width), None if like is None else tuple(like.shape[2:]))
        inner = x[:, :, -p.pad_beg : height + p.pad_end, -p.pad_beg : width + p.pad_end]
        return F.interpolate(inner.contiguous(), size, mode="bilinear", align_corners=True)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(1 - np.abs(x), np.float32(0)))


def _cubic(x: np.ndarray) -> np.ndarray:
    """The piecewise cubic with a = −1/2."""
    x = np.abs(x)
    near, far = x * x * (1.5 * x - 2.5) + 1, x * (x * (2.5 - 0.5 * x) - 4) + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0)).astype(np.float32)


@register("Resample")
class Resample(Layer):
    """To `height` x `width`, or to the size of a second bottom: NEAREST, LINEAR or CUBIC, the last two with a kernel
    that is as many times wider as the map gets smaller (`antialias`).

    A place is found as the fork finds it: its centre along an axis is moved by half of the other axis' factor.
    """

    of_a_fork = True
    bottoms = range(1, 3)
    image_by_image = True
    keeps_channels = True
    sizes_may_vary = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.resample_param
        self.require_maps(bottom_shapes[0])
        self.size = bottom_shapes[0][2:]
        self.method = schema.ResampleParameter.ResampleType.Name(p.type)
        self.require(self.method != "AREA", "type NEAREST, LINEAR or CUBIC", "AREA, which its own Caffe refuses too")
        self.require(p.factor == 1, "height and width", f"factor {p.factor:g}, which its own Caffe reads nowhere")
        sized = len(bottom_shapes) == 2 or (p.height > 0 and p.width > 0)
        self.require(sized, "height and width, or a second bottom", "neither")

    def _sizes(self, like: Shape | None) -> tuple[int, int]:
        p = self.spec.resample_param
        return (p.height, p.width) if like is None else (like[0], like[1])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape, *like = bottom_shapes
        return [(*shape[:2], *self._sizes(like[0][2:] if like else None))]

    def weights(self, size: Shape, new: Shape) -> list[np.ndarray]:
        """For each axis (new length, length) float32: of what each new row, or column, is made."""
        factors = [np.float32(n) / np.float32(m) for n, m in zip(size, new, strict=True)]
        shrinks = self.spec.resample_param.antialias and max(factors) > 1
        made = []
        for axis, (length, count) in enumerate(zip(size, new, strict=True)):
            places = np.arange(count, dtype=np.float32) * factors[axis] + factors[1 - axis] / 2 - np.float32(0.5)
            if self.method == "NEAREST":
                nearest = np.clip(np.sign(places) * np.floor(np.abs(places) + np.float32(0.5)), 0, length - 1)
                made.append((nearest[:, None] == np.arange(length)).astype(np.float32))
                continue
            narrowed = np.float32(1) / factors[axis] if shrinks else np.float32(1)
            distances = (places[:, None] - np.arange(length, dtype=np.float32)) * narrowed
            kernel = _triangle(distances) if self.method == "LINEAR" else _cubic(distances)
            sums = kernel.sum(1, keepdims=True)
            made.append(np.divide(kernel, sums, out=np.zeros_like(kernel), where=sums != 0))
        return made

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        new = self._sizes(None if like is None else tuple(like.shape[2:]))
        rows, columns = (tensor(w, x) for w in self.weights(tuple(x.shape[2:]), new))
        return torch.matmul(torch.matmul(rows, x.float()), columns.T)
