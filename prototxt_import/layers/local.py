"""Local: a convolution whose weights differ from place to place, as DeepFace has them."""

import torch
from torch import Tensor, nn

from cpm_kernels.window import Window
from prototxt_import.formats import schema
from prototxt_import.im2col import Im2Col

from .layer import Layer, Shape, register


@register("Local")
class Local(Layer):
    """For each place what its window sees, times weights of that place; blobs: weight (outputs, 1, C · kernel, places),
    and bias (1, 1, outputs, places)."""

    of_a_fork = True
    image_by_image = True
    sizes_may_vary = False  # a weight belongs to its place
    weight: nn.Parameter
    bias: nn.Parameter | None
    bias_by_place = True

    @property
    def param(self) -> "schema.LocalParameter":
        return self.spec.local_param

    @property
    def receptive_window(self) -> Window:
        return self.window

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.param, bottom_shapes[0]
        self.require_maps(shape)
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.require(p.group == 1, "one group, as in the layer's own code", str(p.group))
        self.window = Window(kernel=(p.kernel_size,) * 2, stride=(p.stride,) * 2, pad=(p.pad,) * 2)
        self.require_window(self.window)
        self.size = self.window.convolved(shape[2:])
        self.require(min(self.size) > 0, "a window that fits into the padded map", f"{shape[2]} x {shape[3]}")
        seen, places = shape[1] * p.kernel_size**2, self.size[0] * self.size[1]
        self.add_blob("weight", (p.num_output, 1, seen, places), p.weight_filler)
        if p.bias_term:
            shape = (1, 1, p.num_output, places) if self.bias_by_place else (1, 1, 1, p.num_output)
            self.add_blob("bias", shape, p.bias_filler)
        else:
            self.bias = None

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(bottom_shapes[0][0], self.param.num_output, *self.size)]

    def flop(self, bottom_shapes: list[Shape]) -> int:
        return 2 * bottom_shapes[0][0] * self.weight.numel()

    def forward(self, x: Tensor) -> Tensor:
        seen = Im2Col.apply(x, self.window).flatten(2)
        y = torch.stack([(seen * of_output).sum(1) for of_output in self.weight.flatten(0, 1)], 1)
        y = y if self.bias is None else y + self.bias.reshape(1, y.shape[1], -1)
        return y.reshape(*y.shape[:2], *self.size)


@register("LocallyConnected")
class LocallyConnected(Local):
    """The same by another name."""

    @property
    def param(self) -> "schema.LocalParameter":
        return self.spec.locally_connected_param


@register("LocalWeightedConvolution")
class LocalWeightedConvolution(Local):
    """The same with a bias for each output, wherever it is: (1, 1, 1, outputs)."""

    bias_by_place = False

    @property
    def param(self) -> "schema.LocalParameter":
        return self.spec.local_weighted_convolution_param
