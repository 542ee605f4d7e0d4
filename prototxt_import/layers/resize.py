"""Maps made larger: Upsample, SegNet's by the pooling's mask and the nearest neighbour of YOLO's converters, and
DeepLab's Interp, which is bilinear."""

import math

from torch import Tensor
from torch.nn import functional as F

from .layer import Layer, Shape, register


@register("Upsample")
class Upsample(Layer):
    """With one bottom, each value becomes `scale` x `scale` of them. With two it is put where the second, the mask of a
    MAX pooling, says that it came from, and the rest is 0; of values for one place the last one stays."""

    bottoms = range(1, 3)
    image_by_image = True
    keeps_channels = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.upsample_param, bottom_shapes[0]
        self.traceable = len(bottom_shapes) == 1
        self.require(len(shape) == 4, "an N x C x H x W bottom", str(shape))
        self.require(all(s == shape for s in bottom_shapes), f"a mask of the shape {shape}", str(bottom_shapes[-1]))
        self.scale = (p.scale_h or p.scale, p.scale_w or p.scale)
        self.require(min(self.scale) > 0, "a scale above 0", str(self.scale))
        self.require(bool(p.upsample_h) == bool(p.upsample_w), "upsample_h and upsample_w, or neither", "one of them")
        by_mask = p.upsample_h or p.pad_out_h or p.pad_out_w
        self.require(len(bottom_shapes) == 2 or not by_mask, "upsample_h, pad_out_h, … with a mask only", "one bottom")

    def _size(self, size: Shape) -> Shape:
        p = self.spec.upsample_param
        if p.upsample_h:
            return (p.upsample_h, p.upsample_w)
        return (size[0] * self.scale[0] - p.pad_out_h, size[1] * self.scale[1] - p.pad_out_w)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(*shape[:2], *self._size(shape[2:]))]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return x.repeat_interleave(self.scale[0], 2).repeat_interleave(self.scale[1], 3)
        size = self._size(tuple(x.shape[2:]))
        places = mask.detach().long().flatten(2)
        inside = bool(((places >= 0) & (places < math.prod(size))).all())
        self.require(inside, f"a mask of places in a {size[0]} x {size[1]} map", "one beyond it")
        flat = x.new_zeros((*x.shape[:2], math.prod(size)))
        return flat.scatter(2, places, x.flatten(2)).reshape(*x.shape[:2], *size)


@register("Interp")
class Interp(Layer):
    """Bilinear, the corners staying corners, to `height` x `width`, by factors, or to the size of a second bottom;
    `pad_beg` and `pad_end` below 0 cut rows and columns off before."""

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
