"""Pooling, and SPP, spatial pyramid pooling (Caffe: pooling_layer.cpp, spp_layer.cpp). The output size rounds up, which
most ports get wrong, unless the prototxt has BVLC's `round_mode: FLOOR` or, as in many forks, `ceil_mode: false`.
"""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from cpm_kernels.window import Sizes, Window
from prototxt_import.im2col import taps

from .layer import Layer, Shape, register


@register("Pooling")
class Pooling(Layer):
    """MAX or AVE over windows, or over the whole map with `global_pooling`. A second top of MAX says where in its plane
    each maximum is. Caffe's own pools over two axes only; forks have one and three, too, and MIN, which is MAX of what
    has the other sign."""

    tops = range(1, 3)
    image_by_image = True
    recordable = True
    pools = True
    keeps_channels = True
    short_name, fill = "pool", "#e8e8e8"

    @property
    def receptive_window(self) -> Window | None:
        return self.window if self.axes == 2 else None

    @property
    def max_window(self) -> Window | None:
        """Not of the whole map: there is nothing to be pooled before all of it is there."""
        alone = self.is_max and not self.is_min and len(self.top_names) == 1
        return self.receptive_window if alone else None

    def compute(self, blobs: dict[str, Tensor], pooled: Collection[str] = ()) -> None:
        (bottom,) = self.bottom_names
        if bottom in pooled:
            blobs[self.top_names[0]] = blobs[bottom]
        else:
            super().compute(blobs, pooled)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.pooling_param
        self.axes = len(bottom_shapes[0]) - 2
        self.require(1 <= self.axes <= 3, "a bottom (N, C, …) with 1 to 3 axes more", str(bottom_shapes[0]))
        self.require(p.pool in (p.MAX, p.AVE, p.MIN), "pool MAX, AVE or MIN", p.PoolMethod.Name(p.pool))
        self.is_max, self.is_min = p.pool in (p.MAX, p.MIN), p.pool == p.MIN
        masks = len(self.spec.top) == 2
        self.require(p.pool == p.MAX or not masks, "a second top, the mask, for MAX only", p.PoolMethod.Name(p.pool))
        self.require(self.axes == 2 or not masks, "a second top, the mask, for two axes only", f"{self.axes} axes")
        self.window = None if p.global_pooling else self._window()

    def _window(self) -> Window:
        p = self.spec.pooling_param
        by_side = [name for name in ("kernel_h", "stride_h", "pad_h") if p.HasField(name)]
        self.require(self.axes == 2 or not by_side, "kernel_h, … for two axes only", f"{self.axes} axes")
        kernel = (p.kernel_h, p.kernel_w) if p.HasField("kernel_h") else self._sizes(p.kernel_size, "kernel_size", 0)
        stride = (p.stride_h, p.stride_w) if p.HasField("stride_h") else self._sizes(p.stride, "stride", 1)
        pad = (p.pad_h, p.pad_w) if p.HasField("pad_h") else self._sizes(p.pad, "pad", 0)
        window = Window(kernel, stride, pad, (1,) * self.axes, ceil=p.round_mode == p.CEIL and p.ceil_mode)
        self.require_window(window)
        self.require(
            all(q < k for q, k in zip(pad, kernel, strict=True)),
            f"padding below the kernel {kernel}",
            str(pad),
        )
        return window

    def _sizes(self, given: Sequence[int], what: str, default: int) -> Sizes:
        """One for each axis, or one for all of them."""
        values = tuple(given) or (default,)
        self.require(len(values) in (1, self.axes), f"1 or {self.axes} values of {what}", str(len(values)))
        return values * self.axes if len(values) == 1 else values

    def _window_for(self, size: Shape) -> Window:
        ones = (1,) * self.axes
        return self.window or Window(tuple(size), ones, (0,) * self.axes, ones)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        window = self._window_for(shape[2:])
        padded = [n + 2 * pad for n, pad in zip(shape[2:], window.pad, strict=True)]
        self.check_size("a padded bottom", (*shape[:2], *padded))
        last = self._last_start(shape[2:])
        # Caffe divides 0 by 0 there; a maximum over nothing is the lowest float.
        touch = self.is_max or self.windows_touch(shape[2:])
        self.require(touch, f"AVE windows that touch the {shape[2:]} map", f"one at {last}")
        return [(*shape[:2], *window.pooled(shape[2:]))] * len(self.spec.top)

    def _last_start(self, size: Shape) -> Shape:
        """Where in a map of that size the last window begins."""
        window = self._window_for(size)
        counts = window.pooled(size)
        return tuple((n - 1) * stride - pad for n, stride, pad in zip(counts, window.stride, window.pad, strict=True))

    def windows_touch(self, size: Shape) -> bool:
        """Whether there is something of a map of that size in every window."""
        return all(start < n for start, n in zip(self._last_start(size), size, strict=True))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        window = self._window_for(x.shape[2:])
        if self.is_min:
            y = self.ops.max_pool(-x, window) if self.axes == 2 else pool_over_axes(-x, window, largest=True)
            return -y
        if self.axes != 2:
            return pool_over_axes(x, window, self.is_max)
        if len(self.top_names) == 2:
            return self.ops.max_pool_with_mask(x, window)
        return self.ops.max_pool(x, window) if self.is_max else self.ops.ave_pool(x, window)


def pool_over_axes(x: Tensor, window: Window, largest: bool) -> Tensor:
    """The largest value or the mean of each window of x (N, C, …), over any number of axes: Caffe's rules for two."""
    size, out = tuple(x.shape[2:]), window.pooled(tuple(x.shape[2:]))
    axes = list(zip(out, window.kernel, window.stride, window.pad, size, strict=True))
    beyond = [max((count - 1) * s + k - p - n, 0) for count, k, s, p, n in axes]
    sides = [side for pad, after in zip(reversed(window.pad), reversed(beyond), strict=True) for side in (pad, after)]
    padded = F.pad(x, sides, value=torch.finfo(x.dtype).min if largest else 0.0)
    values = torch.stack([padded[places] for places in taps(window, out)])
    if largest:
        return values.max(0).values
    areas = torch.ones((), dtype=x.dtype, device=x.device)
    for count, k, s, p, n in axes:
        starts = torch.arange(count, device=x.device) * s - p
        areas = areas[..., None] * ((starts + k).clamp(max=n + p) - starts)
    return values.sum(0) / areas


@register("SPP")
class SPP(Layer):
    """Poolings to 1 × 1, 2 × 2, 4 × 4, … bins, flattened and joined: as many values for a map of any size. A pyramid of
    one level is a plain pooling."""

    sizes_may_vary = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.spp_param, bottom_shapes[0]
        self.require_maps(shape)
        self.require(p.pyramid_height > 0, "a pyramid_height above 0", str(p.pyramid_height))
        self.require(p.pool in (p.MAX, p.AVE), "pool MAX or AVE", p.PoolMethod.Name(p.pool))
        self.require(p.pyramid_height <= 16, "a pyramid_height up to 16", str(p.pyramid_height))
        most = 2 ** (p.pyramid_height - 1)
        self.require(most <= min(shape[2:]), f"a map of at least {most} x {most}", str(shape))
        for window in self.windows(shape[2:]):
            fits = all(pad < k for pad, k in zip(window.pad, window.kernel, strict=True))
            self.require(fits, f"padding below the kernel {window.kernel}", str(window.pad))

    def windows(self, size: Shape) -> list[Window]:
        """One a level: kernels that cover the map, padded by half of what they reach beyond it."""
        windows = []
        for level in range(self.spec.spp_param.pyramid_height):
            kernel = tuple(-(-n // 2**level) for n in size)
            pad = tuple((k * 2**level - n + 1) // 2 for k, n in zip(kernel, size, strict=True))
            windows.append(Window(kernel, kernel, pad))
        return windows

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        images, channels, *size = bottom_shapes[0]
        sizes = [window.pooled(tuple(size)) for window in self.windows(tuple(size))]
        if len(sizes) == 1:
            return [(images, channels, *sizes[0])]
        return [(images, channels * sum(rows * columns for rows, columns in sizes))]

    def forward(self, x: Tensor) -> Tensor:
        windows = self.windows(tuple(x.shape[2:]))
        pool = self.ops.max_pool if self.spec.spp_param.pool == self.spec.spp_param.MAX else self.ops.ave_pool
        if len(windows) == 1:
            return pool(x, windows[0])
        levels = zip(self.ops.split(x, len(windows)), windows, strict=True)
        return torch.cat([pool(level, window).flatten(1) for level, window in levels], 1)
