"""FlowNet's, DispNet's and LiteFlowNet's own layers: correlation of two images' features, warping by a flow or to
coordinates, images made smaller, the length of vectors.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prototxt_import.formats import schema
from prototxt_import.plain.bilinear import mixed, pixels, within

from .layer import POINT, Layer, Shape, register


@register("Correlation")
class Correlation(Layer):
    """How alike both bottoms' patches are at every displacement, row after row of them: (N, displacements, H', W').

    Both are padded by `pad`. A patch of kernel_size² pixels around each place of the first, from max_displacement on
    and stride_1 apart, is held against the second's, moved by multiples of stride_2 up to max_displacement: the mean
    over its pixels and channels of products, or with `correlation_type: SUBTRACT` of absolute differences.
    """

    of_a_fork = True
    bottoms = range(2, 3)
    image_by_image = True
    sizes_may_vary = False
    rows = True
    """Whether patches are moved up and down, too."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (a, b) = self.spec.correlation_param, bottom_shapes
        self.require(len(a) == 4 and a == b, "two N x C x H x W bottoms of one shape", f"{a} and {b}")
        self.require(p.kernel_size % 2 == 1, "an odd kernel_size", str(p.kernel_size))
        self.require(min(p.stride_1, p.stride_2) > 0, "strides above 0", f"{p.stride_1} and {p.stride_2}")
        self.require(p.HasField("max_displacement"), "a max_displacement", "none")
        self.require(not p.do_abs, "no do_abs, which its own Caffe reads nowhere", "do_abs")
        self.require(not p.single_direction, "displacements to both sides", f"single_direction {p.single_direction}")
        self.kernel, self.reach, self.pad = p.kernel_size, p.max_displacement, p.pad
        self.strides, self.differs = (p.stride_1, p.stride_2), p.correlation_type == p.SUBTRACT
        for axis, (n, length) in enumerate(zip(self.sizes(a), a[2:], strict=True)):
            self.require(n > 0, "a map that the displacements fit into", f"{length} {('rows', 'columns')[axis]}")

    def sizes(self, shape: Shape) -> tuple[int, int]:
        """H' and W'."""
        made = []
        for length, moves in zip(shape[2:], (self.rows, True), strict=True):
            places = length + (2 * (self.pad - self.reach) if moves else 0) - self.kernel + 1
            made.append(-(-places // self.strides[0]))
        return made[0], made[1]

    @property
    def displacements(self) -> list[tuple[int, int]]:
        """Down and to the right, in pixels, in the tops' order."""
        most, step = self.reach // self.strides[1], self.strides[1]
        steps = [n * step for n in range(-most, most + 1)]
        return [(y, x) for y in (steps if self.rows else [0]) for x in steps]

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(shape[0], len(self.displacements), *self.sizes(shape))]

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        above = self.pad if self.rows else 0
        a, b = (F.pad(x, (self.pad, self.pad, above, above)) for x in (a, b))
        top, left = self.reach if self.rows else 0, self.reach
        height, width = a.shape[2] - 2 * top, a.shape[3] - 2 * left
        fixed, alike = a[:, :, top : top + height, left : left + width], []
        for y, x in self.displacements:
            moved = b[:, :, top + y : top + y + height, left + x : left + x + width]
            of_pixels = (fixed - moved).abs() if self.differs else fixed * moved
            alike.append(of_pixels.mean(1, keepdim=True))
        return F.avg_pool2d(torch.cat(alike, 1), self.kernel, self.strides[0])


@register("Correlation1D")
class Correlation1D(Correlation):
    """The same along rows only, which are padded at their ends only."""

    rows = False


@register("FlowWarp")
class FlowWarp(Layer):
    """An image (N, C, H, W) seen where a flow (N, 2, H, W), x and y in pixels, leads to, bilinear; 0 (or NaN, as
    `fill_value` says) where that is beyond the image."""

    of_a_fork = True
    bottoms = range(2, 3)
    image_by_image = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (image, flow) = self.spec.flow_warp_param, bottom_shapes
        wanted = (image[0], 2, *image[2:])
        self.require(len(image) == 4 and flow == wanted, f"a flow of the shape {wanted}", str(flow))
        self.fill_value = 0.0 if p.fill_value == schema.FlowWarpParameter.ZERO else float("nan")

    def forward(self, image: Tensor, flow: Tensor) -> Tensor:
        height, width = image.shape[2:]
        x = torch.arange(width, device=flow.device, dtype=flow.dtype) + flow[:, :1]
        y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None] + flow[:, 1:]
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        return within(image, x, y, inside, self.fill_value)


@register("ChannelNorm")
class ChannelNorm(Layer):
    """The length of each pixel's vector of channels: (N, 1, H, W)."""

    of_a_fork = True
    image_by_image = True
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.require_maps(bottom_shapes[0])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(shape[0], 1, *shape[2:])]

    def forward(self, x: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return lengths


@register("Grid")
class Grid(Layer):
    """The place of each pixel of the bottom's maps, x and y: (N, 2, H, W)."""

    of_a_fork = True
    image_by_image = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.require_maps(bottom_shapes[0])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(shape[0], 2, *shape[2:])]

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (torch.arange(n, device=x.device, dtype=x.dtype) for n in x.shape[2:])
        y, x_of_pixels = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([x_of_pixels, y]).repeat(x.shape[0], 1, 1, 1)


@register("Warp")
class Warp(Layer):
    """An image (N, C, H, W) at the places (N, 2, H', W'), x and y in pixels, bilinear; pixels beyond it are 0."""

    of_a_fork = True
    bottoms = range(2, 3)
    image_by_image = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        image, places = bottom_shapes
        fits = len(image) == len(places) == 4 and places[:2] == (image[0], 2)
        self.require(fits, f"places of the shape ({image[0]}, 2, H, W) for an N x C x H x W image", str(places))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        image, places = bottom_shapes
        return [(*image[:2], *places[2:])]

    def forward(self, image: Tensor, places: Tensor) -> Tensor:
        height, width = image.shape[2:]
        x, y = places[:, :1], places[:, 1:]
        left, top = x.detach().floor(), y.detach().floor()

        def at(row: Tensor, column: Tensor) -> Tensor:
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column = (torch.where(inside, place, 0).long() for place in (row, column))
            return torch.where(inside, pixels(image, row, column), 0)

        return mixed(at, (left, left + 1, x), (top, top + 1, y))


@register("Downsample")
class Downsample(Layer):
    """Smaller images, of the size of the second bottom or `top_height` and `top_width`. The corners stay where they
    are; each value is the mean of what is nearer than a new pixel's width, the nearer the heavier. What is no number
    (NaN) counts only where it has more than half of the others' weight. Nothing goes back."""

    of_a_fork = True
    bottoms = range(1, 3)
    image_by_image = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.downsample_param, bottom_shapes[0]
        self.require(all(len(s) == 4 for s in bottom_shapes), "N x C x H x W bottoms", str(bottom_shapes))
        self.size = bottom_shapes[1][2:] if len(bottom_shapes) == 2 else (p.top_height, p.top_width)
        fits = all(new == old or 1 < new < old for new, old in zip(self.size, shape[2:], strict=True))
        self.require(fits, f"a size above 1 and up to the bottom's, {shape[2:]}", str(self.size))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(*bottom_shapes[0][:2], *self.size)]

    def forward(self, x: Tensor, like: Tensor | None = None) -> Tensor:
        values = x.detach().float()
        known = ~values.isnan()
        counted, unknown = self._sums(known.float()), self._sums((~known).float())
        mean = self._sums(torch.where(known, values, 0)) / counted
        return torch.where(unknown / counted > 0.5, torch.nan, mean)

    def _sums(self, values: Tensor) -> Tensor:
        """Weighted, along rows and columns."""
        down, across = (self._weights(new, old, values) for new, old in zip(self.size, values.shape[2:], strict=True))
        return down @ values @ across.T

    def _weights(self, new: int, old: int, values: Tensor) -> Tensor:
        """(new, old)."""
        scale = (old - 1) / (new - 1) if new > 1 else 1.0
        centres = torch.arange(new, device=values.device, dtype=values.dtype)[:, None] * scale
        places = torch.arange(old, device=values.device, dtype=values.dtype)
        return (1 - (places - centres).abs() / scale).clamp(min=0)


@register("DataAugmentation")
class DataAugmentation(Layer):
    """What is left of FlowNet's augmentation where nothing is drawn or cut out: the images less their mean.

    With `recompute_mean` the mean is stored, each pixel's (1, C, H, W) and each channel's (1, C, 1, 1), of which
    `mean_per_pixel` names the one that counts; so long as the layer has run no more often than that, it goes on with
    the batch's. Else it is `mean`, one of each of three channels, or nothing. The first blob counts how often the layer
    has run.
    """

    of_a_fork = True
    repeatable = False  # it counts
    traceable = False
    sizes_may_vary = False
    runs: nn.Parameter
    pixel_mean: nn.Parameter
    channel_mean: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.augmentation_param, bottom_shapes[0]
        self.require_maps(shape)
        cut = [name for name in ("crop_width", "crop_height") if p.HasField(name)]
        self.require(not cut, "images that are not cut, as at deployment", " and ".join(cut))
        self.constant = not p.recompute_mean and len(p.mean) == 3 and not p.mean_per_pixel
        self.require(shape[1] == 3 or not self.constant, "3 channels, as mean has", str(shape[1]))
        self.add_blob("runs", (1, 1, 1, 1), None, learnable=False)
        if p.recompute_mean:
            self.add_blob("pixel_mean", (1, *shape[1:]), None, learnable=False)
            self.add_blob("channel_mean", (1, shape[1], 1, 1), None, learnable=False)
        while len(self.spec.param) < len(self.blob_names):
            self.spec.param.add(lr_mult=0, decay_mult=0)

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.augmentation_param
        self._count(x.detach())
        if p.recompute_mean:
            return x - (self.pixel_mean if p.mean_per_pixel else self.channel_mean)
        return x - x.new_tensor(list(p.mean)).reshape(1, 3, 1, 1) if self.constant else x

    @torch.no_grad()
    def _count(self, x: Tensor) -> None:
        """One run more; the means go on with this batch's."""
        self.runs.copy_(self.runs.trunc() + 1)
        if self.runs.item() <= self.spec.augmentation_param.recompute_mean:
            self.pixel_mean.mul_(self.runs - 1).add_(x.mean(0, keepdim=True)).div_(self.runs)
            self.channel_mean.copy_(self.pixel_mean.mean((2, 3), keepdim=True))
