"""Pooling of regions of interest: Fast R-CNN's ROIPooling and R-FCN's PSROIPooling.

The second bottom has a row (image, x1, y1, x2, y2) for each region, in pixels of the net's input, (R, 5) or with axes
of size 1 behind. Regions get no gradient.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prototxt_import.tensors import array

from .layer import Layer, Shape, register

Span = tuple[int, int]


def _rounded(x: np.ndarray) -> np.ndarray:
    """C's round: half away from zero."""
    return np.asarray(np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)))


@dataclass(frozen=True)
class _Region:
    """One region on the map: its image, and the bins' rows and columns, from and to."""

    image: int
    rows: list[Span]
    columns: list[Span]

    def bins(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Those that have a pixel: row and column of the bin, rows and columns of the map."""
        for i, (top, bottom) in enumerate(self.rows):
            for j, (left, right) in enumerate(self.columns):
                if bottom > top and right > left:
                    yield i, j, slice(top, bottom), slice(left, right)


def _spans(start: np.float32, bin_size: np.float32, bins: int, offset: int, length: int) -> list[Span]:
    """Of bins of that size from `start` on, moved by `offset` and clipped to the map."""
    counts = np.arange(bins + 1, dtype=np.float32)
    begins = np.floor(counts[:-1] * bin_size + start).astype(int) + offset
    ends = np.ceil(counts[1:] * bin_size + start).astype(int) + offset
    return [(max(min(a, length), 0), max(min(b, length), 0)) for a, b in zip(begins, ends, strict=True)]


class _RegionLayer(Layer):
    """What both share: the bottoms."""

    bottoms = range(2, 3)
    traceable = False

    def check_regions(self, bottom_shapes: list[Shape]) -> None:
        x, regions = bottom_shapes
        rows = len(x) == 4 and int(np.prod(regions[1:])) == 5
        self.require(rows, "bottoms (N, C, H, W) and (R, 5)", f"{x} and {regions}")

    def table(self, x: Tensor, regions: Tensor) -> np.ndarray:
        """(R, 5) float32; InputError for a region of an image that is not there."""
        rows = array(regions).reshape(-1, 5)
        known = bool(((rows[:, 0] >= 0) & (rows[:, 0] < len(x))).all() and np.isfinite(rows).all())
        self.require(known, f"finite regions of images 0 to {len(x) - 1}", "another")
        return rows


@register("ROIPooling")
class ROIPooling(_RegionLayer):
    """The maximum of each of pooled_h x pooled_w bins of each region, 0 in a bin without a pixel: (R, C, h, w)."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.roi_pooling_param
        self.check_regions(bottom_shapes)
        self.require(p.pooled_h > 0 and p.pooled_w > 0, "pooled_h and pooled_w above 0", f"{p.pooled_h}, {p.pooled_w}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p, (x, regions) = self.spec.roi_pooling_param, bottom_shapes
        return [(regions[0], x[1], p.pooled_h, p.pooled_w)]

    def _region(self, row: np.ndarray, size: Shape) -> _Region:
        p = self.spec.roi_pooling_param
        x1, y1, x2, y2 = (int(v) for v in _rounded(row[1:] * np.float32(p.spatial_scale)))
        spans = []
        for first, last, bins, length in ((y1, y2, p.pooled_h, size[0]), (x1, x2, p.pooled_w, size[1])):
            bin_size = np.float32(max(last - first + 1, 1)) / np.float32(bins)
            spans.append(_spans(np.float32(0), bin_size, bins, first, length))
        return _Region(int(row[0]), *spans)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        p, tops = self.spec.roi_pooling_param, []
        for row in self.table(x, regions):
            region = self._region(row, tuple(x.shape[2:]))
            pooled = [x.new_zeros(x.shape[1])] * (p.pooled_h * p.pooled_w)
            for i, j, rows, columns in region.bins():
                pooled[i * p.pooled_w + j] = x[region.image, :, rows, columns].flatten(1).max(1).values
            tops.append(torch.stack(pooled, 1).unflatten(1, (p.pooled_h, p.pooled_w)))
        return torch.stack(tops)


@register("PSROIPooling")
class PSROIPooling(_RegionLayer):
    """The mean of each of group_size x group_size bins of each region, of maps that are the bin's own: (R, output_dim,
    group_size, group_size) of (N, output_dim · group_size², H, W)."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, _) = self.spec.psroi_pooling_param, bottom_shapes
        self.check_regions(bottom_shapes)
        self.require(p.output_dim > 0 and p.group_size > 0, "output_dim and group_size above 0", "others")
        channels = p.output_dim * p.group_size**2
        self.require(x[1] == channels, f"{channels} channels: output_dim · group_size²", str(x[1]))
        self.require(p.spatial_scale > 0, "a spatial_scale above 0", f"{p.spatial_scale:g}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p = self.spec.psroi_pooling_param
        return [(bottom_shapes[1][0], p.output_dim, p.group_size, p.group_size)]

    def _region(self, row: np.ndarray, size: Shape) -> _Region:
        p = self.spec.psroi_pooling_param
        scale = np.float32(p.spatial_scale)
        x1, y1 = (_rounded(row[1:3]) * scale).astype(np.float32)
        x2, y2 = ((_rounded(row[3:]) + np.float32(1)) * scale).astype(np.float32)
        spans = []
        for start, end, length in ((y1, y2, size[0]), (x1, x2, size[1])):
            bin_size = max(end - start, np.float32(0.1)) / np.float32(p.group_size)
            spans.append(_spans(start, bin_size, p.group_size, 0, length))
        return _Region(int(row[0]), *spans)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        p, tops = self.spec.psroi_pooling_param, []
        size = p.group_size
        own = x.unflatten(1, (p.output_dim, size, size))
        for row in self.table(x, regions):
            region = self._region(row, tuple(x.shape[2:]))
            pooled = [x.new_zeros(p.output_dim)] * size**2
            for i, j, rows, columns in region.bins():
                pooled[i * size + j] = own[region.image, :, i, j, rows, columns].mean((1, 2))
            tops.append(torch.stack(pooled, 1).unflatten(1, (size, size)))
        return torch.stack(tops)
