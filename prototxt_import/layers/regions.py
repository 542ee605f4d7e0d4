"""Pooling of regions of interest: Fast R-CNN's ROIPooling, R-FCN's PSROIPooling, ROIAlign, which rounds nothing, and
MNC's masks of what was pooled.

The second bottom has a row (image, x1, y1, x2, y2) for each region, in pixels of the net's input, (R, 5) or with axes
of size 1 behind. Regions get no gradient.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prototxt_import.formats import schema
from prototxt_import.tensors import array, tensor

from .layer import POINT, Layer, Shape, register

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


class RegionLayer(Layer):
    """What both share: the bottoms."""

    of_a_fork = True
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

    @staticmethod
    def all_of(tops: list[Tensor], x: Tensor, shape: Shape) -> Tensor:
        """(R, *shape) of each region's, also of none."""
        return torch.stack(tops) if tops else x.new_zeros((0, *shape))

    def padded(self, row: np.ndarray, ratio: float) -> np.ndarray:
        """A region's corners with so many of its sides more on each side."""
        x1, y1, x2, y2 = row[1:]
        wide, high = (x2 - x1 + 1) * np.float32(ratio), (y2 - y1 + 1) * np.float32(ratio)
        return np.array([x1 - wide, y1 - high, x2 + wide, y2 + high], np.float32) if ratio else row[1:]


@register("ROIPooling")
class ROIPooling(RegionLayer):
    """The maximum of each of pooled_h x pooled_w bins of each region, 0 in a bin without a pixel: (R, C, h, w).
    `pad_ratio` (Cascade R-CNN's) of a region's sides are added on each side of it before."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.roi_pooling_param
        self.check_regions(bottom_shapes)
        self.require(p.pooled_h > 0 and p.pooled_w > 0, "pooled_h and pooled_w above 0", f"{p.pooled_h}, {p.pooled_w}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p, (x, regions) = self.spec.roi_pooling_param, bottom_shapes
        return [(regions[0], x[1], p.pooled_h, p.pooled_w)]

    def _region(self, row: np.ndarray, size: Shape) -> _Region:
        p = self.spec.roi_pooling_param
        x1, y1, x2, y2 = (int(v) for v in _rounded(self.padded(row, p.pad_ratio) * np.float32(p.spatial_scale)))
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
        return self.all_of(tops, x, (x.shape[1], p.pooled_h, p.pooled_w))


@register("PSROIPooling")
class PSROIPooling(RegionLayer):
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
        return self.all_of(tops, x, (p.output_dim, size, size))


@register("ROIAlign")
class ROIAlign(RegionLayer):
    """What each region has at places between pixels, bilinear.

    Forks have two that differ; their fields tell them apart. Mask R-CNN's (`sampling_ratio`): of each of pooled_h x
    pooled_w bins the mean of sampling_ratio x sampling_ratio places (0: as many as the bin has pixels, rounded up),
    regions at least one pixel large. MS-CNN's and Cascade R-CNN's (`roi_pooling_param`, or `pad_ratio`): the
    (pooled_h + 1) x (pooled_w + 1) corners of the bins, half a pixel further up and left, 0 beyond the map.
    """

    @property
    def settings(self) -> "schema.ROIAlignParameter | schema.ROIPoolingParameter":
        """What the prototxt says."""
        return self.spec.roi_pooling_param if self.spec.HasField("roi_pooling_param") else self.spec.roi_align_param

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, names = self.settings, ("roi_pooling_param", "sampling_ratio", "pad_ratio")
        self.check_regions(bottom_shapes)
        self.require(p.pooled_h > 0 and p.pooled_w > 0, "pooled_h and pooled_w above 0", f"{p.pooled_h}, {p.pooled_w}")
        own = self.spec.roi_align_param
        given = [name for spec, name in zip((self.spec, own, own), names, strict=True) if spec.HasField(name)]
        expected = (
            "sampling_ratio (Mask R-CNN's) or pad_ratio (Cascade R-CNN's) in roi_align_param, or its "
            "roi_pooling_param, for forks disagree"
        )
        self.require(len(given) == 1, expected, " and ".join(given) or "none of these")
        self.corners = given != ["sampling_ratio"]

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p, (x, regions) = self.settings, bottom_shapes
        return [(regions[0], x[1], p.pooled_h + self.corners, p.pooled_w + self.corners)]

    def _places(self, start: np.float32, end: np.float32, bins: int) -> np.ndarray:
        """Along an axis (bins, samples): where a region is looked at."""
        if self.corners:
            sides = (end - start) / np.float32(bins)
            places = start - np.float32(0.5) + np.arange(bins + 1, dtype=np.float32) * sides
            return places[:, None] if end > start else np.full((bins + 1, 1), -np.inf, np.float32)
        side = max(end - start, np.float32(1)) / np.float32(bins)
        samples = max(self.spec.roi_align_param.sampling_ratio, 0) or int(np.ceil(side))
        within = (np.arange(samples, dtype=np.float32) + np.float32(0.5)) * side / np.float32(samples)
        return np.asarray(start + np.arange(bins, dtype=np.float32)[:, None] * side + within)

    def _weights(self, start: np.float32, end: np.float32, bins: int, length: int) -> np.ndarray:
        """(bins, length) float32: how much of each row, or column, of the map is in each bin's."""
        places, reach = self._places(start, end, bins), np.float32(0.5 if self.corners else 1)
        last = np.float32(length) - (np.float32(0.5) if self.corners else np.float32(0))
        inside = (places >= -reach) & (places <= last)
        at = np.clip(np.where(inside, places, 0), 0, length - 1)
        distances = np.abs(at[..., None] - np.arange(length, dtype=np.float32))
        return np.asarray((np.maximum(1 - distances, 0) * inside[..., None]).mean(1), np.float32)

    def forward(self, x: Tensor, regions: Tensor) -> Tensor:
        p, tops = self.settings, []
        for row in self.table(x, regions):
            x1, y1, x2, y2 = self.padded(row, p.pad_ratio) * np.float32(p.spatial_scale)
            rows = tensor(self._weights(y1, y2, p.pooled_h, x.shape[2]), x)
            columns = tensor(self._weights(x1, x2, p.pooled_w, x.shape[3]), x)
            tops.append(rows @ x[int(row[0])].float() @ columns.T)
        return self.all_of(tops, x, (x.shape[1], p.pooled_h + self.corners, p.pooled_w + self.corners))


@register("MaskPooling")
class MaskPooling(Layer):
    """Pooled regions (R, C, h, w), each pixel times that of its region's mask (R, 1, h, w)."""

    of_a_fork = True
    bottoms = range(2, 3)
    image_by_image = True
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        x, mask = bottom_shapes
        self.require(
            len(x) == 4 and mask == (x[0], 1, *x[2:]), "bottoms (R, C, h, w) and (R, 1, h, w)", f"{x} and {mask}"
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask
