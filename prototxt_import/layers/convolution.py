"""Convolution and Deconvolution over one spatial axis, two or three, and Im2col, their windows as columns (Caffe:
conv_layer.cpp, deconv_layer.cpp, im2col_layer.cpp), and the names that MobileNet's forks gave to depthwise convolution.
"""

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from cpm_kernels.window import Sizes, Window
from prototxt_import.formats import schema
from prototxt_import.im2col import Im2Col

from .layer import ANY, Channels, Layer, Shape, register


class Windowed(Layer):
    """A layer with a `convolution_param`: a window over the axes behind that of the channels."""

    image_by_image = True
    recordable = True

    @property
    def param(self) -> "schema.ConvolutionParameter | schema.DeformableConvolutionParameter":
        return self.spec.convolution_param

    @property
    def receptive_window(self) -> Window | None:
        return self.window if len(self.window.kernel) == 2 and self.channel_axis == 1 else None

    def set_window(self, shape: Shape) -> None:
        """`window` and `channel_axis` for a bottom of that shape."""
        p = self.param
        self.channel_axis = self.axis(p.axis, len(shape))
        self.axes = len(shape) - self.channel_axis - 1
        self.require(1 <= self.axes <= 3, f"1 to 3 axes behind axis {p.axis}, the channels'", f"a bottom {shape}")
        self.window = Window(
            kernel=self._sizes("kernel", None),
            stride=self._sizes("stride", 1),
            pad=self._sizes("pad", 0),
            dilation=self._values(p.dilation, "dilation", 1),
        )
        self.require_window(self.window)

    def _sizes(self, what: str, default: int | None) -> Sizes:
        """From `<what>_h`/`_w` or the repeated field."""
        p = self.param
        if p.HasField(f"{what}_h") or p.HasField(f"{what}_w"):
            self.require(self.axes == 2, f"{what}_h and {what}_w for two axes only", f"{self.axes} axes")
            return (getattr(p, f"{what}_h"), getattr(p, f"{what}_w"))
        return self._values(p.kernel_size if what == "kernel" else getattr(p, what), what, default)

    def _values(self, given: Sequence[int], what: str, default: int | None) -> Sizes:
        values = list(given) or ([] if default is None else [default])
        many = "one or two" if self.axes == 2 else f"1 or {self.axes}"
        self.require(len(values) in (1, self.axes), f"{many} values of {what}", str(len(values)))
        return tuple(values * self.axes if len(values) == 1 else values)


class Weighted(Windowed):
    """A layer of a window and weights: groups and fillers."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def check_groups(self, channels: int, group: int) -> None:
        outputs = self.param.num_output
        self.require(outputs > 0, "num_output above 0", str(outputs))
        divides = group > 0 and channels % group == 0 and outputs % group == 0
        self.require(divides, f"groups that divide {channels} and {outputs} channels", str(group))

    def add_weights(
        self, shape: Shape, filler: "schema.FillerParameter", bias_filler: "schema.FillerParameter | None"
    ) -> None:
        """bias_filler: None for no bias."""
        self.add_blob("weight", shape, filler)
        if bias_filler is None:
            self.bias = None
        else:
            self.add_blob("bias", (self.param.num_output,), bias_filler)


class _Convolutional(Weighted):
    """What both share: that every bottom gives a top with the same weights."""

    bottoms = tops = ANY
    folded_relu = False  # the ReLU that follows in place is done here where no gradient is wanted
    folded_pooling: Window | None = None  # and the pooling after that, where nobody wants the blob between

    def seen_by(self, top: int) -> list[str]:
        return [self.spec.bottom[top]]

    def setup(self, bottom_shapes: list[Shape]) -> None:
        shape = bottom_shapes[0]
        self.set_window(shape)
        self.require(len(bottom_shapes) == len(self.spec.top), "as many tops as bottoms", str(len(self.spec.top)))
        same = all(other == shape for other in bottom_shapes)
        self.require(same, f"bottoms of one shape, {shape}", " and ".join(map(str, bottom_shapes)))
        channels = shape[self.channel_axis]
        self.group = self.groups(channels)
        self.check_groups(channels, self.group)
        p = self.param
        self.add_weights(self.weight_shape(channels), p.weight_filler, p.bias_filler if p.bias_term else None)

    def groups(self, channels: int) -> int:
        return self.param.group

    def weight_shape(self, channels: int) -> Shape:
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """Of every bottom."""
        raise NotImplementedError

    def convolved(self, x: Tensor, rectified: bool) -> Tensor:
        """What the engine makes of images (N, C, …)."""
        raise NotImplementedError

    def size_of(self, size: Shape) -> Shape:
        """Of a top, for a bottom's."""
        raise NotImplementedError

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        at = self.channel_axis
        return [(*s[:at], self.param.num_output, *self.size_of(s[at + 1 :])) for s in bottom_shapes]

    def flop_at(self, shapes: list[Shape]) -> int:
        """With all weights at each place of blobs of these shapes."""
        at = self.channel_axis
        return 2 * self.weight.numel() * sum(math.prod(s[:at]) * math.prod(s[at + 1 :]) for s in shapes)

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        """All bottoms as one batch, as their gradients add up, the first one's images first."""
        x = torch.cat(bottoms) if len(bottoms) > 1 else bottoms[0]
        rectified = self.folded_relu and not torch.is_grad_enabled()
        outer = x.shape[: self.channel_axis]
        y = self.convolved(x if self.channel_axis == 1 else x.reshape(-1, *x.shape[self.channel_axis :]), rectified)
        y = y if self.channel_axis == 1 else y.reshape(*outer, *y.shape[1:])
        return y.chunk(len(bottoms)) if len(bottoms) > 1 else (y,)


@register("DepthwiseConvolution")
@register("Convolution")
class Convolution(_Convolutional):
    """Cross-correlation; blobs: weight (C_out, C_in / group, kh, kw), bias (C_out,)."""

    short_name, fill = "conv", "#dbe9f6"

    def weight_shape(self, channels: int) -> Shape:
        return (self.param.num_output, channels // self.group, *self.window.kernel)

    @property
    def channels(self) -> int:
        return self.weight.shape[1] * self.group

    def fold(self, after: Layer) -> bool:
        in_place = after.top_names == self.top_names
        if in_place and after.rectifies:
            self.folded_relu = after.folded = True
            return True
        if in_place or self.channel_axis != 1 or len(self.top_names) != 1:
            return False
        self.folded_pooling = after.max_window
        return self.folded_pooling is not None

    def compute(self, blobs: dict[str, Tensor], pooled: Collection[str] = ()) -> None:
        if self.folded_pooling is None or self.top_names[0] not in pooled:
            return super().compute(blobs, pooled)
        (x,), how = self._bottoms(blobs), (self.window, self.group, self.folded_relu, self.folded_pooling)
        blobs[self.top_names[0]] = self.ops.pooled_convolution(x, self.weight, self.bias, *how)

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return self.flop_at(self.shapes_of_tops)

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
        weights = self.weight.detach().reshape(self.group, outputs, *self.weight.shape[1:])
        weight = torch.cat([weights[source][:, columns] for source, columns in moved])
        bias = {} if self.bias is None else {"bias": self.bias.detach()[list(rows)]}
        return {"weight": weight, **bias}, [rows]

    def size_of(self, size: Shape) -> Shape:
        return self.window.convolved(size)

    def convolved(self, x: Tensor, rectified: bool) -> Tensor:
        return self.ops.convolution(x, self.weight, self.bias, self.window, self.group, rectified)


@register("ConvolutionDepthwise")
class ConvolutionDepthwise(Convolution):
    """A convolution with a group for each channel, whatever `group` says."""

    of_a_fork = True

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
        return self.flop_at(bottom_shapes)

    def size_of(self, size: Shape) -> Shape:
        return self.window.deconvolved(size)

    def convolved(self, x: Tensor, rectified: bool) -> Tensor:
        return self.ops.deconvolution(x, self.weight, self.bias, self.window, self.group)


@register("Im2col")
class Im2col(Windowed):
    """What each place of a convolution's window sees, as channels: (N, C · kernel, …)."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.set_window(bottom_shapes[0])
        self.require(self.channel_axis == 1, "axis 1 for the channels", str(self.param.axis))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        images, channels, *size = bottom_shapes[0]
        return [(images, channels * math.prod(self.window.kernel), *self.window.convolved(tuple(size)))]

    def forward(self, x: Tensor) -> Tensor:
        return Im2Col.apply(x, self.window)
