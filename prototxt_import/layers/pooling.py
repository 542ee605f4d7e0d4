"""Pooling (Caffe: pooling_layer.cpp). The output size rounds up, which most ports get wrong, unless the prototxt has
BVLC's `round_mode: FLOOR` or, as in many forks, `ceil_mode: false`.
"""

from torch import Tensor

from cpm_kernels.window import Window

from .layer import Layer, Shape, register


@register("Pooling")
class Pooling(Layer):
    """MAX or AVE over windows, or over the whole map with `global_pooling`."""

    image_by_image = True
    recordable = True
    pools = True
    keeps_channels = True
    short_name, fill = "pool", "#e8e8e8"

    @property
    def receptive_window(self) -> Window | None:
        return self.window

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.pooling_param
        self.require(len(bottom_shapes[0]) == 4, "an N x C x H x W bottom", str(bottom_shapes[0]))
        self.require(p.pool in (p.MAX, p.AVE), "pool MAX or AVE", p.PoolMethod.Name(p.pool))
        self.is_max = p.pool == p.MAX
        self.window = None if p.global_pooling else self._window()

    def _window(self) -> Window:
        p = self.spec.pooling_param
        kernel = (p.kernel_h, p.kernel_w) if p.HasField("kernel_h") else (p.kernel_size, p.kernel_size)
        stride = (p.stride_h, p.stride_w) if p.HasField("stride_h") else (p.stride, p.stride)
        pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else (p.pad, p.pad)
        window = Window(kernel, stride, pad, ceil=p.round_mode == p.CEIL and p.ceil_mode)
        self.require_window(window)
        self.require(
            all(q < k for q, k in zip(pad, kernel, strict=True)),
            f"padding below the kernel {kernel}",
            str(pad),
        )
        return window

    def _window_for(self, size: Shape) -> Window:
        return self.window or Window(kernel=tuple(size))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        window = self._window_for(shape[2:])
        padded = [n + 2 * pad for n, pad in zip(shape[2:], window.pad, strict=True)]
        self.check_size("a padded bottom", (*shape[:2], *padded))
        size = window.pooled(shape[2:])
        last = [(n - 1) * stride - pad for n, stride, pad in zip(size, window.stride, window.pad, strict=True)]
        inside = all(start < n for start, n in zip(last, shape[2:], strict=True))
        # Caffe divides 0 by 0 there; a maximum over nothing is the lowest float.
        self.require(self.is_max or inside, f"AVE windows that touch the {shape[2:]} map", f"one at {tuple(last)}")
        return [(*shape[:2], *size)]

    def forward(self, x: Tensor) -> Tensor:
        window = self._window_for(x.shape[2:])
        return self.ops.max_pool(x, window) if self.is_max else self.ops.ave_pool(x, window)
