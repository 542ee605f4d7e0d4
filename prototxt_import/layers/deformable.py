"""Deformable convolution (Dai et al., Deformable Convolutional Networks, ICCV 2017)."""

import math

import torch
from torch import Tensor

from cpm_kernels.window import Window
from prototxt_import.formats import schema
from prototxt_import.plain.bilinear import within

from .convolution import Weighted
from .layer import Shape, register


@register("DeformableConvolution")
class DeformableConvolution(Weighted):
    """Cross-correlation with what lies where the second bottom moves each tap of the window to, bilinear; 0 beyond the
    map. Blobs: weight (C_out, C_in / group, kh, kw), bias (C_out,).

    The second bottom, (N, deformable_group · kh · kw · 2, H', W'), has y and x in pixels, for each tap, for each of
    `deformable_group` parts of the channels. Less than a pixel behind the last one the map has that one's value, as in
    its authors' own code; later ones, torchvision's among them, fade to 0 there, and before the first, too.
    """

    of_a_fork = True
    bottoms = range(2, 3)
    recordable = False
    receptive_window = None  # the second bottom says
    short_name, fill = "deform", "#dbe9f6"

    @property
    def param(self) -> "schema.DeformableConvolutionParameter":
        return self.spec.deformable_convolution_param

    def setup(self, bottom_shapes: list[Shape]) -> None:
        x, offsets = bottom_shapes
        self.require_maps(x)
        self.set_window(x)
        p, channels = self.param, x[1]
        self.require(self.channel_axis == 1, "axis 1 for the channels", str(p.axis))
        self.check_groups(channels, p.group)
        parts = p.deformable_group
        self.require(parts > 0 and channels % parts == 0, f"deformable_group that divides {channels}", str(parts))
        self.taps = math.prod(self.window.kernel)
        wanted = (x[0], 2 * self.taps * parts, *self.window.convolved(x[2:]))
        self.require(offsets == wanted, f"a second bottom of the shape {wanted}", str(offsets))
        weight = p.num_output, channels // p.group, *self.window.kernel
        self.add_weights(weight, p.weight_filler, p.bias_filler if p.bias_term else None)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        x, offsets = bottom_shapes
        return [(x[0], self.param.num_output, *offsets[2:])]

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return 2 * self.weight.numel() * bottom_shapes[1][0] * math.prod(bottom_shapes[1][2:])

    def forward(self, x: Tensor, offsets: Tensor) -> Tensor:
        """Where the taps lie is sought once; the rest is a convolution with 1x1 windows of what lies there."""
        parts, size, images = self.param.deformable_group, offsets.shape[2:], x.shape[0]
        moved = offsets.reshape(images * parts, self.taps, 2, *size)
        rows, columns = self._places(size, x)
        y, across = ((moved[:, :, axis] + still).flatten(2)[:, None] for axis, still in enumerate((rows, columns)))
        inside = (y >= 0) & (across >= 0) & (y < x.shape[2]) & (across < x.shape[3])
        maps = x.reshape(images * parts, x.shape[1] // parts, *x.shape[2:])
        found = within(maps, across, y, inside).reshape(images, x.shape[1] * self.taps, *size)
        weight = self.weight.flatten(1)[:, :, None, None]
        return self.ops.convolution(found, weight, self.bias, Window(kernel=(1, 1)), self.param.group, False)

    def _places(self, size: torch.Size, like: Tensor) -> tuple[Tensor, Tensor]:
        """Row and column of each tap at each place where nothing moves it: (taps, H', 1) and (taps, 1, W')."""
        w, places = self.window, []
        for axis, kernel in enumerate(w.kernel):
            starts = torch.arange(size[axis], device=like.device) * w.stride[axis] - w.pad[axis]
            taps = torch.arange(kernel, device=like.device) * w.dilation[axis]
            places.append((taps[:, None] + starts).to(like.dtype))
        rows = places[0].repeat_interleave(w.kernel[1], 0)[:, :, None]
        return rows, places[1].repeat(w.kernel[0], 1)[:, None]
