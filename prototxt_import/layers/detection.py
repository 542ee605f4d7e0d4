"""SSD's PriorBox and DetectionOutput: where boxes may be, and what becomes of the scores and shifts of them.

Boxes are (xmin, ymin, xmax, ymax) in shares of the image's width and height, float32. Neither has a gradient.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prototxt_import.formats import schema
from prototxt_import.tensors import array, tensor

from .layer import Layer, Shape, register


@register("PriorBox")
class PriorBox(Layer):
    """The boxes of a feature map's places, and their variances, (1, 2, places · boxes · 4); bottoms: the map, and the
    image, of which only the sizes count."""

    of_a_fork = True
    bottoms = range(2, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.prior_box_param
        self.require(all(len(s) == 4 for s in bottom_shapes), "N x C x H x W bottoms", str(bottom_shapes))
        self.require(bool(p.min_size) and min(p.min_size) > 0, "a min_size above 0", str(list(p.min_size)))
        sizes = zip(p.min_size, p.max_size, strict=False)
        fit = len(p.max_size) in (0, len(p.min_size)) and all(large > small for small, large in sizes)
        self.require(fit, f"{len(p.min_size)} max_size above their min_size, or none", str(list(p.max_size)))
        self.require(len(p.variance) in (0, 1, 4), "no variance, one or four", str(len(p.variance)))
        self.require(all(ratio > 0 for ratio in p.aspect_ratio), "aspect_ratios above 0", str(list(p.aspect_ratio)))
        self.ratios = self._ratios()

    def _ratios(self) -> list[np.float32]:
        """1, then those that are given, each with its inverse if asked, none twice."""
        p, ratios = self.spec.prior_box_param, [np.float32(1)]
        for ratio in map(np.float32, p.aspect_ratio):
            if all(abs(ratio - other) >= 1e-6 for other in ratios):
                ratios += [ratio, np.float32(1) / ratio] if p.flip else [ratio]
        return ratios

    def sides(self) -> np.ndarray:
        """(boxes, 2): width and height of a place's boxes, in pixels: for each min_size the square, the square of the
        mean with its max_size, and the other ratios. SSD's Caffe takes both sizes for whole pixels (35.84: 35)."""
        p, shapes = self.spec.prior_box_param, []
        for index, small in enumerate(map(np.float32, map(int, p.min_size))):
            shapes.append((small, small))
            if p.max_size:
                shapes.append((np.sqrt(small * np.float32(int(p.max_size[index]))),) * 2)
            roots = [np.sqrt(ratio) for ratio in self.ratios if abs(ratio - 1) >= 1e-6]
            shapes += [(small * root, small / root) for root in roots]
        return np.array(shapes, np.float32)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        count = bottom_shapes[0][2] * bottom_shapes[0][3] * len(self.sides()) * len(self.offsets())
        return [(1, 2, count * 4)]

    def offsets(self) -> list[float]:
        """Where a box's copies stand from a place downwards, in steps: TextBoxes' denser boxes have a second one."""
        p = self.spec.prior_box_param
        return [p.offset, 1.0] if p.denser_prior_boxes else [p.offset]

    def image(self, size: Shape) -> tuple[int, int]:
        """Height and width of the image, as given or as the second bottom has them."""
        p = self.spec.prior_box_param
        height, width = p.img_h or p.img_size, p.img_w or p.img_size
        return (height, width) if height and width else (size[0], size[1])

    def boxes(self, size: Shape, image: Shape) -> np.ndarray:
        """(places, boxes, 4) for a map and an image of these sizes."""
        p, (height, width) = self.spec.prior_box_param, self.image(image)
        steps = (p.step_h or p.step, p.step_w or p.step)
        step_y, step_x = (
            np.float32(step or np.float32(whole) / np.float32(n))
            for step, whole, n in zip(steps, (height, width), size, strict=True)
        )
        y = [(np.arange(size[0], dtype=np.float32) + np.float32(offset)) * step_y for offset in self.offsets()]
        x = (np.arange(size[1], dtype=np.float32) + np.float32(p.offset)) * step_x
        centres = np.stack([np.stack(np.meshgrid(x, of_copy), -1).reshape(-1, 1, 2) for of_copy in y], 2)
        halves = self.sides()[:, None] / np.float32(2)
        extent = np.array([width, height], np.float32)
        boxes = np.concatenate([(centres - halves) / extent, (centres + halves) / extent], -1)
        boxes = boxes.reshape(len(boxes), -1, 4)
        return np.clip(boxes, 0, 1) if p.clip else boxes

    def both(self, size: Shape, image: Shape) -> np.ndarray:
        """Boxes and variances, (1, 2, places · boxes · 4)."""
        p = self.spec.prior_box_param
        boxes = self.boxes(size, image).reshape(-1)
        given = list(p.variance) or [0.1]
        variances = np.tile(np.array(given * 4 if len(given) == 1 else given, np.float32), len(boxes) // 4)
        return np.stack([boxes, variances])[None].astype(np.float32)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        return tensor(self.both(tuple(x.shape[2:]), tuple(image.shape[2:])), x)


def decode(shifts: np.ndarray, priors: np.ndarray, variances: np.ndarray, code: str) -> np.ndarray:
    """The boxes that the net means: priors (P, 4) moved by shifts (P, 4), in units of variances (P, 4); code: CORNER,
    CENTER_SIZE or CORNER_SIZE."""
    moved = shifts * variances
    if code == "CORNER":
        return np.asarray(priors + moved)
    sides = priors[:, 2:] - priors[:, :2]
    if code == "CORNER_SIZE":
        return np.asarray(priors + moved * np.tile(sides, 2))
    centres = (priors[:, :2] + priors[:, 2:]) / np.float32(2) + moved[:, :2] * sides
    halves = np.exp(moved[:, 2:]) * sides / np.float32(2)
    return np.concatenate([centres - halves, centres + halves], 1)


def code_of(code_type: int) -> str:
    """What shifts mean, as `decode` takes it."""
    codes = schema.DetectionOutputParameter.DESCRIPTOR.fields_by_name["code_type"].enum_type
    return codes.values_by_number[code_type].name if codes else ""


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of boxes (n, 4)."""
    sides = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0)
    common = sides.prod(1)
    areas = [np.where((b[:, 2:] < b[:, :2]).any(1), 0, (b[:, 2:] - b[:, :2]).prod(1)) for b in (box[None], boxes)]
    union = areas[0] + areas[1] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union > 0))


def suppressed(count: int, apart: Callable[[int, np.ndarray], np.ndarray], most: int) -> list[int]:
    """Non-maximum suppression of `count` boxes, the best first: those that are apart from all that are kept before, at
    most `most`. apart: of a box and of others, by their places: bool for each of the others."""
    waiting, kept = np.arange(count), list[int]()
    while len(waiting) and len(kept) < most:
        best, rest = int(waiting[0]), waiting[1:]
        kept.append(best)
        waiting = rest[apart(best, rest)]
    return kept


def strongest(boxes: np.ndarray, scores: np.ndarray, least: float, limit: float, most: int, eta: float) -> list[int]:
    """Non-maximum suppression: of boxes that score more than `least`, at most `most` (−1: all) and the best first,
    those that overlap none kept before by more than `limit`, which shrinks by `eta` while it is above 1/2."""
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > least]
    kept: list[int] = []
    for index in order[:most] if most > -1 else order:
        if not kept or (overlap(boxes[index], boxes[kept]) <= limit).all():
            kept.append(index)
            limit = limit * eta if eta < 1 and limit > 0.5 else limit
    return kept


@register("DetectionOutput")
class DetectionOutput(Layer):
    """What is found: (1, 1, found, 7), each as image, label, score and box; −1 for all but the image's number where
    nothing is. How many these are is not known before: the net says one. Bottoms: shifts (N, P · 4), or of each class
    without `share_location`, scores (N, P · classes), priors (1, 2, P · 4). RefineDet's: a first stage's probabilities
    (N, P · 2), below whose `objectness_score` a box scores nothing, and its shifts (N, P · 4), which move the priors
    before."""

    of_a_fork = True
    bottoms = range(3, 6)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (shifts, scores, priors, *first) = self.spec.detection_output_param, bottom_shapes
        self.require(p.num_classes > 0, "num_classes above 0", str(p.num_classes))
        self.shift_classes = 1 if p.share_location else p.num_classes
        count = priors[-1] // 4 if len(priors) == 3 else int(np.prod(priors[1:])) // 8
        values = (int(np.prod(shifts[1:])), int(np.prod(scores[1:])))
        expected = (count * 4 * self.shift_classes, count * p.num_classes)
        self.require(values == expected, f"{expected} shifts and scores for {count} priors", str(values))
        of_first, needed = [int(np.prod(shape[1:])) for shape in first], [count * 2, count * 4][: len(first)]
        self.require(of_first == needed, f"a first stage of {needed} values for {count} priors", str(of_first))
        self.require(p.share_location or len(first) < 2, "share_location with a first stage's shifts", "none")
        self.require(p.nms_param.nms_threshold >= 0, "an nms_threshold of 0 or more", f"{p.nms_param.nms_threshold:g}")
        self.require(0 < p.nms_param.eta <= 1, "an eta above 0 and up to 1", f"{p.nms_param.eta:g}")

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1, 1, 1, 7)]

    @property
    def code(self) -> str:
        """What shifts mean, as `decode` takes it."""
        return code_of(self.spec.detection_output_param.code_type)

    def suppression(self) -> tuple[float, float, int, float]:
        """`strongest`'s least score, limit, number of boxes and eta."""
        p = self.spec.detection_output_param
        least = p.confidence_threshold if p.HasField("confidence_threshold") else -np.inf
        most = p.nms_param.top_k if p.nms_param.HasField("top_k") else -1
        return least, p.nms_param.nms_threshold, most, p.nms_param.eta

    def _found(self, boxes: np.ndarray, scores: np.ndarray) -> list[tuple[int, int]]:
        """Label and number of each box of an image that is kept; boxes (P, shift classes, 4), scores (P, classes)."""
        p, found = self.spec.detection_output_param, []
        for label in range(p.num_classes):
            if label != p.background_label_id:
                own = boxes[:, 0 if p.share_location else label]
                found += [(label, index) for index in strongest(own, scores[:, label], *self.suppression())]
        if -1 < p.keep_top_k < len(found):
            best = sorted(found, key=lambda one: -scores[one[1], one[0]])[: p.keep_top_k]
            found = sorted(best, key=lambda one: one[0])
        return found

    def _boxes(self, shifts: np.ndarray, priors: np.ndarray, moves: list[np.ndarray]) -> np.ndarray:
        """Those that an image's shifts (P, shift classes, 4) mean, of that shape; moves: the priors' before, if any."""
        boxes, variances = priors.reshape(2, -1, 4)
        if self.spec.detection_output_param.variance_encoded_in_target:
            variances = np.ones_like(variances)
        for own in moves:
            boxes = decode(own, boxes, variances, self.code)
        return np.stack([decode(one, boxes, variances, self.code) for one in shifts.swapaxes(0, 1)], 1)

    def _all_scores(self, scores: Tensor, *first: Tensor) -> np.ndarray:
        """(N, P, classes); what the first stage does not believe in is background."""
        p = self.spec.detection_output_param
        rows = array(scores).reshape(len(scores), -1, p.num_classes)
        for sure in first[:1]:
            doubted = array(sure).reshape(len(scores), -1, 2)[..., 1] < np.float32(p.objectness_score)
            rows = np.where(doubted[..., None], np.arange(p.num_classes) == p.background_label_id, rows)
        return rows

    def forward(self, shifts: Tensor, scores: Tensor, priors: Tensor, *first: Tensor) -> Tensor:
        p, rows = self.spec.detection_output_param, []
        all_shifts = array(shifts).reshape(len(shifts), -1, self.shift_classes, 4)
        for image, (own, score) in enumerate(zip(all_shifts, self._all_scores(scores, *first), strict=True)):
            moves = [array(one)[image].reshape(-1, 4) for one in first[1:]]
            boxes = self._boxes(own, array(priors), moves)
            for label, index in self._found(boxes, score):
                box = boxes[index, 0 if p.share_location else label]
                rows.append([image, label, score[index, label], *box])
        if not rows:
            rows = [[image, *[-1] * 6] for image in range(len(shifts))]
        return torch.tensor(np.array(rows, np.float32)[None, None], device=shifts.device)
