"""Faster R-CNN's proposals: of the boxes that may stand at each place of a map, moved as the net says, those that score
best and do not overlap. PVANet's `Proposal` and the layer in Python of py-faster-rcnn, R-FCN and their heirs. CTPN's
proposals, strips of lines of text, are all that there are.

Boxes are (x1, y1, x2, y2) in pixels of the net's input, both corners within. There is no gradient.
"""

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from torch import Tensor

from prototxt_import.formats import schema
from prototxt_import.tensors import array, tensor

from .detection import suppressed
from .layer import Layer, Shape, register, register_python
from .own import python_param


@dataclass(frozen=True)
class Settings:
    """What a proposal layer is told.

    stride: pixels between places. base, ratios (height / width), scales: the boxes of a place. least_side: of a box, in
    pixels of the picture before it was scaled. before, after: how many boxes non-maximum suppression gets and leaves at
    most. overlap: how much of their union two boxes may share. drops_small: whether too small a box is no proposal at
    all, or one that scores 0.
    """

    stride: int
    base: int
    ratios: tuple[float, ...]
    scales: tuple[float, ...]
    least_side: float
    before: int
    after: int
    overlap: float
    drops_small: bool


def _rounded(value: float, half_up: bool) -> float:
    """Halves up, or to the even number."""
    return float(np.floor(value + 0.5) if half_up else np.round(value))


def anchors(settings: Settings, round_half_up: bool) -> np.ndarray:
    """(boxes, 4) float32 around the first place: for each ratio a box of base² pixels, by each scale."""
    centre, boxes = (settings.base - 1) / 2, []
    for ratio in settings.ratios:
        wide = _rounded(np.sqrt(settings.base**2 / ratio), round_half_up)
        high = _rounded(wide * ratio, round_half_up)
        for scale in settings.scales:
            x, y = (wide * scale - 1) / 2, (high * scale - 1) / 2
            boxes.append((centre - x, centre - y, centre + x, centre + y))
    return np.array(boxes, np.float32)


def moved(boxes: np.ndarray, shifts: np.ndarray, height: np.float32, width: np.float32) -> np.ndarray:
    """Boxes (n, 4), their centres moved by shares of their sides, their sides times exp of shifts, in the picture."""
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(1)
    centres = boxes[:, :2] + np.float32(0.5) * sides + shifts[:, :2] * sides
    halves = np.float32(0.5) * np.exp(shifts[:, 2:]) * sides
    corners = np.concatenate([centres - halves, centres + halves], 1)
    return np.asarray(np.clip(corners, 0, np.array([width, height] * 2, np.float32) - np.float32(1)))


def without_overlaps(boxes: np.ndarray, limit: float, most: int) -> list[int]:
    """Which of boxes (n, 4), the best first, overlap none that is kept before by more than `limit`; at most `most`."""
    areas = (boxes[:, 2:] - boxes[:, :2] + np.float32(1)).prod(1)

    def apart(best: int, rest: np.ndarray) -> np.ndarray:
        corner, opposite = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = np.maximum(opposite - corner + np.float32(1), 0).prod(1)
        return np.asarray(common / (areas[best] + areas[rest] - common) <= np.float32(limit))

    return suppressed(len(boxes), apart, most)


def _values(picture: Shape) -> int:
    """How many values a bottom has that says a picture's height, width and scale: (N, 3), (N, 3, 1, 1) or (3,)."""
    return math.prod(picture[1:]) if len(picture) > 1 else picture[0]


class _Proposals(Layer):
    """What both share. Bottoms: scores (N, 2 · boxes, H, W), of which the second half counts, shifts (N, 4 · boxes, H,
    W), and the picture's height, width and scale. Tops: (R, 5) regions (image, x1, y1, x2, y2); maybe their scores. How
    many these are is not known before: the net says the most."""

    of_a_fork = True
    bottoms = range(3, 4)
    tops = range(1, 3)
    traceable = False
    round_half_up = False
    scores_axes = 2
    settings: Settings

    def read(self) -> Settings:
        """What the prototxt says."""
        raise NotImplementedError

    def setup(self, bottom_shapes: list[Shape]) -> None:
        scores, shifts, picture = bottom_shapes
        self.settings = s = self.read()
        positive = min(s.stride, s.base, s.before, s.after, *s.ratios, *s.scales, 1) > 0
        self.require(positive and bool(s.ratios and s.scales), "ratios, scales, sizes and counts above 0", str(s))
        self.anchors = anchors(s, self.round_half_up)
        count = len(self.anchors)
        wanted = (scores[0], 2 * count, *scores[2:]), (scores[0], 4 * count, *scores[2:])
        self.require(len(scores) == 4 and (scores, shifts) == wanted, f"scores and shifts of {count} boxes a place: "
                     f"{wanted[0]} and {wanted[1]}", f"{scores} and {shifts}")  # fmt: skip
        self.require(_values(picture) >= 3, "a third bottom of height, width and scale", str(picture))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        most = bottom_shapes[0][0] * min(self.settings.after, len(self.anchors) * int(np.prod(bottom_shapes[0][2:])))
        return [(most, 5), (most, *(1,) * (self.scores_axes - 1))][: len(self.spec.top)]

    def forward(self, scores: Tensor, shifts: Tensor, picture: Tensor) -> tuple[Tensor, ...]:
        pictures = array(picture).reshape(-1, _values(tuple(picture.shape)))
        pictures = np.broadcast_to(pictures[: len(scores)], (len(scores), pictures.shape[1]))
        found = [self._found(*each) for each in zip(array(scores), array(shifts), pictures, strict=True)]
        regions = [np.insert(boxes, 0, image, 1) for image, (boxes, _) in enumerate(found)]
        of_each = np.concatenate([best for _, best in found])
        tops = np.concatenate(regions), of_each.reshape(-1, *(1,) * (self.scores_axes - 1))
        return tuple(tensor(top, scores) for top in tops[: len(self.spec.top)])

    def _found(self, scores: np.ndarray, shifts: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of one image: boxes (n, 4), and their scores (n,), the best first."""
        s, (height, width) = self.settings, scores.shape[1:]
        rows, columns = np.mgrid[:height, :width].astype(np.float32) * np.float32(s.stride)
        places = np.stack([columns, rows, columns, rows], -1).reshape(-1, 1, 4)
        shifts = shifts.reshape(-1, 4, height, width).transpose(2, 3, 0, 1).reshape(-1, 4)
        boxes = moved((places + self.anchors).reshape(-1, 4), shifts, picture[0], picture[1])
        values = scores[len(self.anchors) :].transpose(1, 2, 0).reshape(-1)
        least = np.float32(s.least_side) * np.array([picture[3 if len(picture) > 3 else 2], picture[2]], np.float32)
        large = (boxes[:, 2:] - boxes[:, :2] + np.float32(1) >= least).all(1)
        boxes, values = (boxes[large], values[large]) if s.drops_small else (boxes, np.where(large, values, 0))
        order = np.argsort(-values, kind="stable")[: s.before]
        kept = order[without_overlaps(boxes[order], s.overlap, s.after)]
        return boxes[kept], values[kept].astype(np.float32)


@register("Proposal")
class Proposal(_Proposals):
    """PVANet's, with `proposal_param`; a box that is too small scores 0. The third bottom has a fourth value: the scale
    of widths."""

    round_half_up = True
    scores_axes = 1

    def read(self) -> Settings:
        p = self.spec.proposal_param
        sides = p.feat_stride, p.base_size, tuple(p.ratio), tuple(p.scale), p.min_size
        return Settings(*sides, p.pre_nms_topn, p.post_nms_topn, p.nms_thresh, drops_small=False)


@register_python("rpn.proposal_layer", "ProposalLayer")
class PythonProposal(_Proposals):
    """py-faster-rcnn's, with `param_str: "'feat_stride': 16"`, maybe 'scales' and 'ratios', and the numbers that its
    configuration has from the start: 6000 boxes before suppression and 300 after it (TRAIN: 12000 and 2000)."""

    def read(self) -> Settings:
        given = python_param(self.spec, ("feat_stride", "scales", "ratios"))
        stride, scales = given.get("feat_stride", 16), self._numbers(given.get("scales", (8, 16, 32)))
        ratios, (stride,) = self._numbers(given.get("ratios", (0.5, 1, 2))), self._numbers((stride,))
        before, after = (12000, 2000) if self.spec.phase == schema.TRAIN else (6000, 300)
        return Settings(int(stride), 16, ratios, scales, 16, before, after, 0.7, drops_small=True)

    def _numbers(self, values: object) -> tuple[float, ...]:
        """A list of numbers that param_str says."""
        listed = tuple(values) if isinstance(values, tuple | list) else (None,)
        known = all(isinstance(value, int | float) for value in listed)
        self.require(known, "numbers in param_str", repr(self.spec.python_param.param_str))
        return cast(tuple[float, ...], listed)


@register_python("layers.text_proposal_layer", "ProposalLayer")
class TextProposals(Layer):
    """CTPN's, with `param_str: "'feat_stride': 16"`: ten strips at each place, 16 pixels wide, whose middle is moved by
    a share of their height and whose height by a factor exp of the second bottom's (1, 20, H, W). Bottoms as of the
    other proposals. Tops: (R, 4) strips (left, top, right, bottom) in the picture, and their scores (R, 1)."""

    of_a_fork = True
    bottoms = range(3, 4)
    tops = range(2, 3)
    traceable = False
    heights = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        scores, shifts, picture = bottom_shapes
        wanted = (1, 2 * len(self.heights), *scores[2:])
        fits = len(scores) == 4 and scores == shifts == wanted
        self.require(fits, f"scores and shifts of ten strips a place: {wanted} twice", f"{scores} and {shifts}")
        self.require(_values(picture) >= 2, "a third bottom of height and width", str(picture))
        stride = python_param(self.spec, ("feat_stride",)).get("feat_stride")
        self.require(isinstance(stride, int) and stride > 0, "a feat_stride in param_str", repr(stride))
        self.stride = cast(int, stride)
        halves = [high // 2 for high in self.heights]  # as its Python 2 divides, and cuts off below
        self.strips = np.array([(0, int(7.5 - half), 15, int(7.5 + half)) for half in halves])

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        count = len(self.heights) * int(np.prod(bottom_shapes[0][2:]))
        return [(count, 4), (count, 1)]

    def forward(self, scores: Tensor, shifts: Tensor, picture: Tensor) -> tuple[Tensor, ...]:
        count, (height, width) = len(self.heights), scores.shape[2:]
        rows, columns = np.mgrid[:height, :width] * self.stride
        places = np.stack([columns, rows, columns, rows], -1).reshape(-1, 1, 4)
        left, top, right, bottom = (places + self.strips).reshape(-1, 4).T
        moves = array(shifts)[0].transpose(1, 2, 0).reshape(-1, 2)
        sides = bottom - top + 1.0
        high = (np.exp(moves[:, 1]) * sides).astype(np.float32)
        upper = (moves[:, 0] * sides + (top + bottom) / 2 - high / 2).astype(np.float32)
        boxes = np.stack([left, upper, right, upper + high], 1).astype(np.float32)
        high_picture, wide_picture = array(picture).reshape(-1)[:2]
        boxes = np.clip(boxes, 0, np.array([wide_picture, high_picture] * 2, np.float32) - np.float32(1))
        of_each = array(scores)[0, count:].transpose(1, 2, 0).reshape(-1, 1)
        return tensor(boxes, scores), tensor(np.ascontiguousarray(of_each), scores)
