"""Convolution and Deconvolution over two spatial axes (Caffe: conv_layer.cpp, deconv_layer.cpp), and the names that
MobileNet's forks gave to depthwise convolution."""

import torch
from torch import Tensor

from cpm_kernels.window import Window

from .layer import ANY, Layer, Shape, register


class _Convolutional(Layer):
    """What both share: window, groups, filler, and that every bottom gives a top with the same weights."""

    bottoms = tops = ANY

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.param = self.spec.convolution_param
        shape = bottom_shapes[0]
        self.require(len(shape) == 4 and p.axis % 4 == 1, "N x C x H x W bottoms and axis 1", f"{shape}, axis {p.axis}")
        self.require(len(bottom_shapes) == len(self.spec.top), "as many tops as bottoms", str(len(self.spec.top)))
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.window = Window(
            kernel=self._pair("kernel", None),
            stride=self._pair("stride", 1),
            pad=self._pair("pad", 0),
            dilation=self._values(p.dilation, "dilation", 1),
        )
        self.require_window(self.window)
        channels = shape[1]
        self.group = self.groups(channels)
        divides = self.group > 0 and channels % self.group == 0 and p.num_output % self.group == 0
        self.require(divides, f"groups that divide {channels} and {p.num_output} channels", str(self.group))
        self.add_blob("weight", self.weight_shape(channels), p.weight_filler)
        if p.bias_term:
            self.add_blob("bias", (p.num_output,), p.bias_filler)
        else:
            self.bias = None

    def groups(self, channels: int) -> int:
        return self.param.group

    def weight_shape(self, channels: int) -> Shape:
        raise NotImplementedError

    def _pair(self, what: str, default: int | None) -> tuple[int, int]:
        """(height, width) from `<what>_h`/`_w` or the repeated field."""
        p = self.param
        if p.HasField(f"{what}_h") or p.HasField(f"{what}_w"):
            return (getattr(p, f"{what}_h"), getattr(p, f"{what}_w"))
        return self._values(p.kernel_size if what == "kernel" else getattr(p, what), what, default)

    def _values(self, values: list[int], what: str, default: int | None) -> tuple[int, int]:
        values = list(values) or ([] if default is None else [default])
        self.require(len(values) in (1, 2), f"one or two values of {what}", str(len(values)))
        return (values[0], values[-1])

    def _check_channels(self, shape: Shape) -> None:
        channels = self.weight.shape[0 if self.spec.type == "Deconvolution" else 1]
        channels *= 1 if self.spec.type == "Deconvolution" else self.group
        self.require(len(shape) == 4 and shape[1] == channels, f"{channels} channels in every bottom", str(shape))


@register("DepthwiseConvolution")
@register("Convolution")
class Convolution(_Convolutional):
    """Cross-correlation; blobs: weight (C_out, C_in / group, kh, kw), bias (C_out,)."""

    folded_relu = False  # the ReLU that follows in place is done here where no gradient is wanted

    def weight_shape(self, channels: int) -> Shape:
        return (self.param.num_output, channels // self.group, *self.window.kernel)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        for shape in bottom_shapes:
            self._check_channels(shape)
        return [(s[0], self.param.num_output, *self.window.convolved(s[2:])) for s in bottom_shapes]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        given = (self.weight, self.bias, self.window, self.group)
        if self.folded_relu and not torch.is_grad_enabled():
            return tuple(self.ops.convolution(x, *given, rectified=True) for x in bottoms)
        return tuple(self.ops.convolution(x, *given) for x in bottoms)


@register("ConvolutionDepthwise")
class ConvolutionDepthwise(Convolution):
    """A convolution with a group for each channel, whatever `group` says."""

    def groups(self, channels: int) -> int:
        return channels


@register("Deconvolution")
class Deconvolution(_Convolutional):
    """Transposed convolution; blobs: weight (C_in, C_out / group, kh, kw), bias (C_out,)."""

    def weight_shape(self, channels: int) -> Shape:
        return (channels, self.param.num_output // self.group, *self.window.kernel)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        for shape in bottom_shapes:
            self._check_channels(shape)
        return [(s[0], self.param.num_output, *self.window.deconvolved(s[2:])) for s in bottom_shapes]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.ops.deconvolution(x, self.weight, self.bias, self.window, self.group) for x in bottoms)
