"""MS-CNN's and Cascade R-CNN's own layers: proposals of maps of several sizes, boxes moved from stage to stage, and the
share of each level of a pyramid.

Boxes are (x1, y1, x2, y2) in pixels of the net's input, both corners within; regions have their image before that. How
many there are is not known before: the net says one. There is no gradient.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from prototxt_import.formats import schema
from prototxt_import.tensors import array, tensor

from .detection import suppressed
from .layer import Layer, Shape, register

ONE, HALF = np.float32(1), np.float32(0.5)


def areas(boxes: np.ndarray) -> np.ndarray:
    """Of boxes (n, 4) in pixels; 0 of one whose corners are exchanged."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(np.where((sides < 0).any(1), 0, (sides + ONE).prod(1)), np.float32)


def _normalisation(layer: Layer) -> tuple[np.ndarray, np.ndarray]:
    """Means and deviations of shifts, (4,) each: what bbox_reg_param says, or 0 and 1."""
    p = layer.spec.bbox_reg_param
    if not (p.bbox_mean and p.bbox_std):
        return np.zeros(4, np.float32), np.ones(4, np.float32)
    fits = len(p.bbox_mean) == len(p.bbox_std) == 4 and min(p.bbox_std) > 0
    layer.require(fits, "4 bbox_mean and 4 bbox_std above 0", f"{list(p.bbox_mean)} and {list(p.bbox_std)}")
    return np.array(p.bbox_mean, np.float32), np.array(p.bbox_std, np.float32)


@dataclass(frozen=True)
class _Field:
    """Of one map: pixels between places; widths and heights (boxes,) of a place's boxes."""

    stride: np.float32
    wide: np.ndarray
    high: np.ndarray


class _BoxOutput(Layer):
    """What both share: of each image the boxes that score best and do not overlap, (R, 5, 1, 1) regions; a second top
    has their scores behind, (R, 6, 1, 1). Where there is none, one region (0, 1, 1, 10, 10) whose second top is 0.

    `field_w`, `field_h`: a place's boxes. Their middles are moved by at most 1 / `field_xyr` of these sides, the sides
    become at most `field_whr` times as large or as small. A box counts that scores `fg_thr` or more and has sides of
    `min_size` in the picture; suppression gets the best `max_nms_num` and leaves `max_post_nms_num` (0: all) that share
    at most `iou_thr` with a better one: of their union (`nms_type: "IOU"`), of the smaller ("IOMU") or of the better
    ("IOFU").
    """

    of_a_fork = True
    tops = range(1, 3)
    traceable = False
    ties_reversed = False
    """Whether of boxes that score alike the last comes first."""
    images: int

    @property
    def settings(self) -> "schema.BoxOutputParameter | schema.BoxGroupOutputParameter":
        """What the prototxt says."""
        raise NotImplementedError

    def candidates(self, image: int, maps: list[np.ndarray]) -> np.ndarray:
        """Of one image (n, 5): boxes and scores, those that count."""
        raise NotImplementedError

    def shared(self, best: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of a box (4,) and others (n, 4): the common area, the first's and the others'."""
        raise NotImplementedError

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.settings
        self.require(min(p.field_xyr, p.field_whr) > 0, "field_xyr and field_whr above 0", "others")
        self.require(p.nms_type in ("IOU", "IOMU", "IOFU"), "nms_type IOU, IOMU or IOFU", p.nms_type)
        self.mean, self.deviation = _normalisation(self)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        shapes: list[Shape] = [(1, 5, 1, 1), (1, 6, 1, 1)]
        return shapes[: len(self.spec.top)]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        maps = [array(x) for x in bottoms]
        found = [self._best(self.candidates(image, maps)) for image in range(self.images)]
        rows = np.concatenate([np.insert(boxes, 0, image, 1) for image, boxes in enumerate(found)])
        regions, scored = rows[:, :5].copy(), rows
        if not len(rows):
            regions, scored = np.array([[0, 1, 1, 10, 10]], np.float32), np.zeros((1, 6), np.float32)
        return tuple(tensor(top[..., None, None], bottoms[0]) for top in (regions, scored)[: len(self.spec.top)])

    def _best(self, boxes: np.ndarray) -> np.ndarray:
        p, scores = self.settings, boxes[:, 4]
        order = np.argsort(scores, kind="stable")[::-1] if self.ties_reversed else np.argsort(-scores, kind="stable")
        boxes = boxes[order[: p.max_nms_num or None]]
        most = p.max_post_nms_num or len(boxes)
        return np.asarray(boxes[suppressed(len(boxes), lambda best, rest: self._apart(boxes[best], boxes[rest]), most)])

    def _apart(self, best: np.ndarray, rest: np.ndarray) -> np.ndarray:
        common, own, others = self.shared(best[:4], rest[:, :4])
        whole = {"IOMU": np.minimum(own, others), "IOFU": np.broadcast_to(own, others.shape)}
        union = whole.get(self.settings.nms_type, own + others - common)
        part = np.divide(common, union, out=np.zeros_like(common), where=(union > 0) & (own > 0) & (others > 0))
        return np.asarray(part <= np.float32(self.settings.iou_thr))

    def placed(self, shifts: np.ndarray, field: _Field) -> tuple[np.ndarray, np.ndarray]:
        """Shifts (boxes, 4, H, W) as corners and sides, (2, boxes, H, W) each, in pixels."""
        p, (height, width) = self.settings, shifts.shape[2:]
        most, largest = ONE / np.float32(p.field_xyr), np.float32(p.field_whr)
        shifts = shifts.transpose(1, 0, 2, 3) * self.deviation[:, None, None, None] + self.mean[:, None, None, None]
        moves, logs = np.clip(shifts[:2], -most, most), np.clip(shifts[2:], np.log(ONE / largest), np.log(largest))
        rows, columns = ((places.astype(np.float32) + HALF) * field.stride for places in np.mgrid[:height, :width])
        sides = np.stack([field.wide, field.high])[..., None, None]
        large = sides * np.exp(logs)
        return moves * sides + np.stack([columns, rows])[:, None] - large / np.float32(2), large

    def counted(self, corners: np.ndarray, ends: np.ndarray, sides: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """(n, 5) of those that score enough and are large enough, box after box, row after row."""
        rows = np.concatenate([corners, ends, scores[None]]).reshape(5, -1).T.astype(np.float32)
        large = (sides >= np.float32(self.settings.min_size)).all(0).reshape(-1)
        return np.asarray(rows[(rows[:, 4] >= np.float32(self.settings.fg_thr)) & large])


@register("BoxOutput")
class BoxOutput(_BoxOutput):
    """MS-CNN's. Bottoms: maps (N, classes + 4, H, W), of each place a box of its `field_w`, `field_h` and
    `downsample_rate`; a box's score is that of its best class less the background's, the first."""

    bottoms = range(1, 1 << 20)
    ties_reversed = True

    @property
    def settings(self) -> "schema.BoxOutputParameter":
        return self.spec.box_output_param

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p, count = self.settings, len(bottom_shapes)
        self.require(not p.ringpad and p.num_param_set == 1, "no ringpad and num_param_set 1", "others")
        lengths = [len(p.field_w), len(p.field_h), len(p.downsample_rate)]
        self.require(lengths == [count] * 3, f"{count} field_w, field_h and downsample_rate, as bottoms", str(lengths))
        self.images, channels = bottom_shapes[0][:2]
        fits = channels > 5 and all(len(shape) == 4 and shape[:2] == (self.images, channels) for shape in bottom_shapes)
        self.require(fits, "maps (N, classes + 4, H, W) of two classes or more", str(bottom_shapes))
        sides = zip(p.downsample_rate, p.field_w, p.field_h, strict=True)
        self.fields = [_Field(np.float32(s), *(np.array([side], np.float32) for side in (w, h))) for s, w, h in sides]

    def candidates(self, image: int, maps: list[np.ndarray]) -> np.ndarray:
        every = []
        for field, values in zip(self.fields, maps, strict=True):
            scores = values[[image], 1:-4].max(1) - values[[image], 0]
            corners, sides = self.placed(values[[image], -4:], field)
            corners = np.maximum(corners, 0)
            picture = np.array(values.shape[:1:-1], np.float32)[:, None, None, None] * field.stride
            sides = np.minimum(sides, picture - corners)
            every.append(self.counted(corners, corners + sides, sides, scores))
        return np.concatenate(every)

    def shared(self, best: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        meet = np.minimum(best[2:], others[:, 2:]) - np.maximum(best[:2], others[:, :2])
        common = np.where((meet > 0).all(1), meet.prod(1), 0)
        return common, np.prod(best[2:] - best[:2]), (others[:, 2:] - others[:, :2]).prod(1)


@register("BoxGroupOutput")
class BoxGroupOutput(_BoxOutput):
    """Cascade R-CNN's. Bottoms, for each of any number of groups: probabilities (N · boxes, classes, H, W), of which
    the first is the background's, and shifts (N · boxes, 4, H, W). A box scores what the background leaves."""

    bottoms = range(2, 1 << 20)

    @property
    def settings(self) -> "schema.BoxGroupOutputParameter":
        return self.spec.box_group_output_param

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p, pairs = self.settings, list(zip(bottom_shapes[::2], bottom_shapes[1::2], strict=False))
        fits, found = 0 < len(bottom_shapes) == 2 * len(p.box_group_param), f"{len(bottom_shapes)} bottoms"
        self.require(fits, f"two bottoms for each of {len(p.box_group_param)} box_group_param", found)
        self.fields = [self._field(param, *pair) for param, pair in zip(p.box_group_param, pairs, strict=True)]
        images = [scores[0] // len(field.wide) for field, (scores, _) in zip(self.fields, pairs, strict=True)]
        self.require(len(set(images)) == 1, "as many images in each group", str(images))
        self.images = images[0]

    def _field(self, param: "schema.BoxGroupParameter", scores: Shape, shifts: Shape) -> _Field:
        count = len(param.field_w)
        known = count == len(param.field_h) > 0 and param.stride > 0
        self.require(known, "a stride, and as many field_w as field_h", f"{count} and {len(param.field_h)}")
        fits = len(scores) == 4 and scores[0] % count == 0 and shifts == (scores[0], 4, *scores[2:])
        expected = f"probabilities (N · {count}, classes, H, W) and shifts (N · {count}, 4, H, W)"
        self.require(fits, expected, f"{scores} and {shifts}")
        wide, high = (np.array(values, np.float32) for values in (param.field_w, param.field_h))
        return _Field(np.float32(param.stride), wide, high)

    def candidates(self, image: int, maps: list[np.ndarray]) -> np.ndarray:
        every = []
        for field, scores, shifts in zip(self.fields, maps[::2], maps[1::2], strict=True):
            of_image = slice(image * len(field.wide), (image + 1) * len(field.wide))
            corners, sides = self.placed(shifts[of_image], field)
            picture = np.array(scores.shape[:1:-1], np.float32)[:, None, None, None] * field.stride
            ends = np.minimum(corners + sides - ONE, picture)
            corners = np.maximum(corners, 0)
            every.append(self.counted(corners, ends, ends - corners + ONE, ONE - scores[of_image, 0]))
        return np.concatenate(every)

    def shared(self, best: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        corner, end = np.maximum(best[:2], others[:, :2]), np.minimum(best[2:], others[:, 2:])
        meet = (corner[:, 0] <= end[:, 0]) & (corner[:, 1] < end[:, 1])  # its own comparison of rows
        return np.where(meet, (end - corner + ONE).prod(1), 0), areas(best[None])[0], areas(others)


@register("DecodeBBox")
class DecodeBBox(Layer):
    """Regions (R, 5, 1, 1) moved by what a stage says of the foreground, the second half of (R, 8): middles by shares
    of their sides, sides times exp, after `bbox_std` and `bbox_mean`. TRAIN leaves out those whose corners are then
    exchanged."""

    of_a_fork = True
    bottoms = range(2, 3)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        shifts, regions = (int(np.prod(shape[1:])) for shape in bottom_shapes)
        fits = bottom_shapes[0][0] == bottom_shapes[1][0] and (shifts, regions) == (8, 5)
        self.require(fits, "bottoms (R, 8) and (R, 5)", f"{bottom_shapes[0]} and {bottom_shapes[1]}")
        self.mean, self.deviation = _normalisation(self)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(bottom_shapes[1][0], 5, 1, 1)]

    def forward(self, shifts: Tensor, regions: Tensor) -> Tensor:
        rows, moves = array(regions).reshape(-1, 5), array(shifts).reshape(-1, 8)[:, 4:]
        moves = moves * self.deviation + self.mean
        sides = rows[:, 3:] - rows[:, 1:3] + ONE
        middles = moves[:, :2] * sides + HALF * (rows[:, 3:] + rows[:, 1:3])
        large = sides * np.exp(moves[:, 2:])
        corners = middles - (large - ONE) / np.float32(2)
        moved = np.concatenate([rows[:, :1], corners, corners + large - ONE], 1).astype(np.float32)
        if self.spec.phase == schema.TRAIN:
            moved = moved[(moved[:, 1:3] <= moved[:, 3:]).all(1)]
            self.require(len(moved) > 0, "a region whose corners are not exchanged", "none")
        return tensor(moved[..., None, None], shifts)


@register("ScaleRoute")
class ScaleRoute(Layer):
    """Of regions (R, 5), and of what further bottoms (R, …) have for them, those whose area's root is from `low_scale`
    on and below `high_scale`; if there is none, the one nearest to the two's geometric mean, by ratio."""

    of_a_fork = True
    bottoms = tops = range(1, 1 << 20)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shapes = self.spec.scale_route_param, bottom_shapes
        self.require(len(self.spec.top) == len(shapes), f"{len(shapes)} tops, as bottoms", str(len(self.spec.top)))
        fits = int(np.prod(shapes[0][1:])) == 5 and all(shape[0] == shapes[0][0] for shape in shapes)
        self.require(fits, "bottoms (R, 5) and (R, …)", str(shapes))
        bounds = [getattr(p, name) for name in ("low_scale", "high_scale") if p.HasField(name)]
        rising = min(bounds, default=1) > 0 and bounds == sorted(bounds)
        self.require(rising, "0 < low_scale <= high_scale", str(bounds))
        both = len(bounds) == 2
        self.middle = np.sqrt(np.prod(np.array(bounds, np.float32))) if both else np.float32([*bounds, 256][0])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1, *shape[1:]) for shape in bottom_shapes]

    def forward(self, *bottoms: Tensor) -> tuple[Tensor, ...]:
        p = self.spec.scale_route_param
        scales = np.sqrt(areas(array(bottoms[0]).reshape(-1, 5)[:, 1:]))
        high = np.float32(p.high_scale) if p.HasField("high_scale") else np.float32(np.inf)
        chosen = np.flatnonzero((scales >= np.float32(p.low_scale)) & (scales < high))
        if not len(chosen):
            with np.errstate(divide="ignore"):
                chosen = np.array([np.argmin(np.abs(np.log2(scales / self.middle)))])
        return tuple(x.detach()[chosen.tolist()] for x in bottoms)
