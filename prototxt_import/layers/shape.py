"""Layers that only move values: Slice, Concat, Split, Silence, Flatten, Reshape, Permute, Tile, Crop
(Caffe: slice_layer.cpp, …; Permute is SSD's, Transpose CTPN's, Flip caffe-windows', ShuffleChannel ShuffleNet's, Reorg
YOLO's)."""

import math
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from cpm_kernels.window import Window

from .layer import ANY, POINT, Channels, Layer, Shape, register


@register("Slice")
class Slice(Layer):
    """Cuts the bottom along an axis at `slice_point`, or evenly."""

    tops = ANY
    image_by_image = True
    recordable = True

    @property
    def receptive_window(self) -> Window | None:
        return POINT if self.along < 2 else None

    def reorder(self, order: Channels) -> tuple[dict[str, Tensor], list[Channels]]:
        if self.along != 1:
            return {}, [order] * len(self.sizes)
        starts = [0, *accumulate(self.sizes)]
        parts = [tuple(c - a for c in order[a:b]) for a, b in pairwise(starts)]
        within = all(sorted(part) == list(range(len(part))) for part in parts)
        self.require(within, "the first slice to hold the three colours", f"{self.sizes[0]} channels")
        return {}, parts

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.slice_param
        shape, count = bottom_shapes[0], len(self.spec.top)
        self.along = self.axis(p.slice_dim if p.HasField("slice_dim") else p.axis, len(shape))
        size = shape[self.along]
        if p.slice_point:
            self.require(len(p.slice_point) == count - 1, f"{count - 1} slice_point", str(len(p.slice_point)))
            ends = [0, *p.slice_point, size]
        else:
            self.require(size % count == 0, f"a size that {count} tops divide", str(size))
            ends = list(range(0, size + 1, size // count))
        rising = all(a < b for a, b in pairwise(ends))
        self.require(rising, f"slice points that rise from 1 to {size - 1}", str(list(p.slice_point)))
        self.sizes = [b - a for a, b in pairwise(ends)]

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(*shape[: self.along], size, *shape[self.along + 1 :]) for size in self.sizes]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return torch.split(x, self.sizes, self.along)


@register("Concat")
class Concat(Layer):
    """Joins the bottoms along an axis."""

    bottoms = ANY
    image_by_image = True
    recordable = True
    fill = "#fff2cc"

    @property
    def receptive_window(self) -> Window | None:
        return POINT if self.along < 2 else None

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.concat_param
        first = bottom_shapes[0]
        self.along = self.axis(p.concat_dim if p.HasField("concat_dim") else p.axis, len(first))
        for shape in bottom_shapes:
            others = [shape[:a] + shape[a + 1 :] for shape in (shape, first) for a in [self.along]]
            fits = len(shape) == len(first) and others[0] == others[1]
            self.require(fits, f"bottoms alike but on axis {self.along}", f"{first} and {shape}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        first = bottom_shapes[0]
        size = sum(shape[self.along] for shape in bottom_shapes)
        return [(*first[: self.along], size, *first[self.along + 1 :])]

    def forward(self, *bottoms: Tensor) -> Tensor:
        return torch.cat(bottoms, self.along)


@register("Split")
class Split(Layer):
    """Gives the same blob to several layers; backward adds their gradients."""

    tops = ANY
    image_by_image = True
    recordable = True
    keeps_channels = True
    receptive_window = POINT

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return self.ops.split(x, len(self.top_names))


@register("Gather")
class Gather(Layer):
    """Each bottom as it is: the fork joins those of all its processes here, and there is one."""

    of_a_fork = True
    bottoms = tops = ANY
    image_by_image = True
    keeps_channels = True
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        count = len(bottom_shapes)
        self.require(len(self.spec.top) == count, f"as many tops as bottoms, {count}", str(len(self.spec.top)))

    def seen_by(self, top: int) -> list[str]:
        return [self.spec.bottom[top]]

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return bottom_shapes

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.ops.split(x, 1)[0] for x in bottoms)


@register("Silence")
class Silence(Layer):
    """Takes blobs that nobody else takes, and makes none."""

    bottoms = ANY
    tops = range(0, 1)
    image_by_image = True

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        return ()


@register("Flatten")
class Flatten(Layer):
    """Joins the axes from `axis` to `end_axis`."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, dims = self.spec.flatten_param, len(bottom_shapes[0])
        self.first, self.last = self.axis(p.axis, dims), self.axis(p.end_axis, dims)
        self.require(self.first <= self.last, "axis not after end_axis", f"{p.axis} and {p.end_axis}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = bottom_shapes[0]
        return [(*shape[: self.first], math.prod(shape[self.first : self.last + 1]), *shape[self.last + 1 :])]

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(self.first, self.last)


@register("Reshape")
class Reshape(Layer):
    """New dimensions for a run of axes; 0 keeps one, −1 is worked out."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, dims = self.spec.reshape_param, len(bottom_shapes[0])
        self.first = self.axis(p.axis, dims + 1)
        self.after = dims if p.num_axes == -1 else self.first + p.num_axes
        self.require(self.first <= self.after <= dims, f"axes of a {dims}-axis blob", f"num_axes {p.num_axes}")
        self.dims = list(p.shape.dim)
        self.require(self.dims.count(-1) <= 1, "at most one dimension -1", str(self.dims))

    def _shape(self, shape: Shape) -> Shape:
        dims = self.dims
        kept = shape[self.first : self.after]
        if 0 in dims[len(kept) :]:
            self.require(False, "0 only for an axis there is", str(dims))
        dims = [kept[i] if d == 0 else d for i, d in enumerate(dims)]
        nothing = math.prod(kept) == 0 == math.prod(dims)  # of no images: −1 is what it is of any number of them
        known = math.prod([d for d in dims if d != -1 and not (nothing and d == 0)])
        whole = math.prod([d for d in kept if not (nothing and d == 0)])
        divides = known > 0 and whole % known == 0
        dims = [whole // known if d == -1 and divides else d for d in dims]
        if not divides or math.prod(dims) != math.prod(kept):  # a compiler follows no text
            self.require(False, f"as many values as {shape}", str(dims))
        return (*shape[: self.first], *dims, *shape[self.after :])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [self._shape(bottom_shapes[0])]

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(self._shape(tuple(x.shape)))


@register("Permute")
class Permute(Layer):
    """The axes in another order; those that `order` leaves out follow in theirs."""

    of_a_fork = True

    @property
    def given(self) -> list[int]:
        """The order as the prototxt has it."""
        return list(self.spec.permute_param.order)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        given, dims = self.given, len(bottom_shapes[0])
        self.order = given + [axis for axis in range(dims) if axis not in given]
        self.require(sorted(self.order) == list(range(dims)), f"each axis of {dims} once", str(given))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [tuple(bottom_shapes[0][axis] for axis in self.order)]

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


@register("Transpose")
class Transpose(Permute):
    """CTPN's: the axes in the order `dim`."""

    @property
    def given(self) -> list[int]:
        return list(self.spec.transpose_param.dim)


@register("Reverse")
class Reverse(Layer):
    """What stands along an axis in the opposite order: for the second half of a bidirectional LSTM, the first axis."""

    of_a_fork = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.along = self.axis(self.spec.reverse_param.axis, len(bottom_shapes[0]))

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.along)


@register("Flip")
class Flip(Layer):
    """Maps mirrored: rows from right to left, and with `flip_height` columns from the bottom to the top."""

    of_a_fork = True
    image_by_image = True
    keeps_channels = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.flip_param
        self.require_maps(bottom_shapes[0])
        self.mirrored = [axis for axis, asked in ((2, p.flip_height), (3, p.flip_width)) if asked]

    def forward(self, x: Tensor) -> Tensor:
        return x.flip(self.mirrored)


@register("ShuffleChannel")
class ShuffleChannel(Layer):
    """ShuffleNet's: the first channel of each group, then the second of each, …."""

    of_a_fork = True
    image_by_image = True
    receptive_window = POINT

    def setup(self, bottom_shapes: list[Shape]) -> None:
        group, shape = self.spec.shuffle_channel_param.group, bottom_shapes[0]
        self.require(len(shape) >= 2, "a bottom with a channel axis", str(shape))
        self.require(group > 0 and shape[1] % group == 0, f"groups that divide {shape[1]} channels", str(group))

    def forward(self, x: Tensor) -> Tensor:
        group = self.spec.shuffle_channel_param.group
        groups = x.reshape(x.shape[0], group, x.shape[1] // group, *x.shape[2:])
        return groups.transpose(1, 2).flatten(1, 2)


@register("Reorg")
class Reorg(Layer):
    """YOLO's: (N, C, H, W) to (N, C · s², H / s, W / s) for a stride s, or `reverse`, to (N, C / s², H · s, W · s).

    Darknet takes the bottom's memory for one of C / s² channels of s H × s W, of which each s × s tile gives values to
    s² channels: so values move farther than to their tile, and C must be divisible by s² both ways.
    """

    of_a_fork = True
    image_by_image = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        shape, stride = bottom_shapes[0], self.spec.reorg_param.stride
        self.require_maps(shape)
        self.require(stride > 0 and shape[1] % stride**2 == 0, f"channels that {stride}² divides", str(shape[1]))
        fits = self.spec.reorg_param.reverse or all(size % stride == 0 for size in shape[2:])
        self.require(fits, f"a map that {stride} divides", str(shape[2:]))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        (images, channels, height, width), stride = bottom_shapes[0], self.spec.reorg_param.stride
        if self.spec.reorg_param.reverse:
            return [(images, channels // stride**2, height * stride, width * stride)]
        return [(images, channels * stride**2, height // stride, width // stride)]

    def forward(self, x: Tensor) -> Tensor:
        (images, channels, height, width), stride = x.shape, self.spec.reorg_param.stride
        (top,) = self.top_shapes([tuple(x.shape)])
        if self.spec.reorg_param.reverse:
            tiles = x.reshape(images, stride, stride, channels // stride**2, height, width)
            return tiles.permute(0, 3, 4, 1, 5, 2).reshape(top)
        maps = x.reshape(images, channels // stride**2, height, stride, width, stride)
        return maps.permute(0, 3, 5, 1, 2, 4).reshape(top)


@register("Tile")
class Tile(Layer):
    """The bottom repeated along an axis."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.tile_param
        self.require(p.tiles > 0, "tiles above 0", str(p.tiles))
        self.along = self.axis(p.axis, len(bottom_shapes[0]))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shape = list(bottom_shapes[0])
        shape[self.along] *= self.spec.tile_param.tiles
        return [tuple(shape)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self.ops.split(x, self.spec.tile_param.tiles), self.along)


@register("Crop")
class Crop(Layer):
    """The first bottom cut to the size of the second from `axis` on."""

    bottoms = range(2, 3)
    receptive_window = POINT

    def seen_by(self, top: int) -> list[str]:
        return [self.spec.bottom[0]]

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, like) = self.spec.crop_param, bottom_shapes
        first = self.axis(p.axis, len(x))
        axes = len(x) - first
        self.require(len(x) == len(like), "two bottoms of as many axes", f"{x} and {like}")
        self.require(len(p.offset) in (0, 1, axes), f"none, one or {axes} offsets", str(len(p.offset)))
        given = list(p.offset) or [0]
        self.offsets = [0] * first + (given * axes if len(given) == 1 else given)
        self.first = first
        for axis in range(first, len(x)):
            inside = self.offsets[axis] + like[axis] <= x[axis]
            self.require(inside, f"the crop inside {x}", f"offsets {self.offsets} and size {like}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        x, like = bottom_shapes
        return [(*x[: self.first], *like[self.first :])]

    def forward(self, x: Tensor, like: Tensor) -> Tensor:
        for axis in range(self.first, x.dim()):
            x = x.narrow(axis, self.offsets[axis], like.shape[axis])
        return x
