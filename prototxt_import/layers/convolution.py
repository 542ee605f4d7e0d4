"""Convolution and Deconvolution over two spatial axes (Caffe: conv_layer.cpp, deconv_layer.cpp), and the names that
MobileNet's forks gave to depthwise convolution."""

import torch
from torch import Tensor

from cpm_kernels.window import Window

from .layer import ANY, Channels, Layer, Shape, register


class _Convolutional(Layer):
    """What both share: window, groups, filler, and that every bottom gives a top with the same weights."""

    bottoms = tops = ANY
    image_by_image = True
    recordable = True

    @property
    def receptive_window(self) -> Window | None:
        return self.window

    def seen_by(self, top: int) -> list[str]:
        return [self.spec.bottom[top]]

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

    @property
    def channels(self) -> int:
        """Of every bottom."""
        raise NotImplementedError

    def _check_channels(self, shape: Shape) -> None:
        fits = len(shape) == 4 and shape[1] == self.channels
        self.require(fits, f"{self.channels} channels in every bottom", str(shape))


@register("DepthwiseConvolution")
@register("Convolution")
class Convolution(_Convolutional):
    """Cross-correlation; blobs: weight (C_out, C_in / group, kh, kw), bias (C_out,)."""

    short_name, fill = "conv", "#dbe9f6"
    folded_relu = False  # the ReLU that follows in place is done here where no gradient is wanted

    def weight_shape(self, channels: int) -> Shape:
        return (self.param.num_output, channels // self.group, *self.window.kernel)

    @property
    def channels(self) -> int:
        return self.weight.shape[1] * self.group

    def fold(self, after: Layer) -> None:
        if after.rectifies:
            self.folded_relu = after.folded = True

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return 2 * self.weight.numel() * sum(n * height * width for n, _, height, width in self.shapes_of_tops)

    def reorder(self, order: Channels) -> tuple[dict[str, Tensor], list[Channels]]:
        """Along the weights' second axis; where whole groups change places, the weights' rows go with them, and so do
        the top's channels."""
        inputs, outputs = self.channels // self.group, self.param.num_output // self.group
        groups = [order[first : first + inputs] for first in range(0, len(order), inputs)]
        whole = all(len({channel // inputs for channel in group}) == 1 for group in groups)
        if not whole or len(self.spec.bottom) > 1:
            return super().reorder(order)  # refuses it
        moved = [(group[0] // inputs, [channel % inputs for channel in group]) for group in groups]
        rows = tuple(source * outputs + row for source, _ in moved for row in range(outputs))
        weights = self.weight.detach().unflatten(0, (self.group, outputs))
        weight = torch.cat([weights[source][:, columns] for source, columns in moved])
        bias = {} if self.bias is None else {"bias": self.bias.detach()[list(rows)]}
        return {"weight": weight, **bias}, [rows]

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

    sees_backwards = True
    short_name = "deconv"

    def weight_shape(self, channels: int) -> Shape:
        return (channels, self.param.num_output // self.group, *self.window.kernel)

    @property
    def channels(self) -> int:
        return self.weight.shape[0]

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return 2 * self.weight.numel() * sum(n * height * width for n, _, height, width in bottom_shapes)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        for shape in bottom_shapes:
            self._check_channels(shape)
        return [(s[0], self.param.num_output, *self.window.deconvolved(s[2:])) for s in bottom_shapes]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.ops.deconvolution(x, self.weight, self.bias, self.window, self.group) for x in bottoms)
