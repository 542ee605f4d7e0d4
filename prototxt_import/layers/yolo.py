"""The output of YOLO's second and third version as MobileNet-YOLO's Caffe has them: from maps to boxes."""

import numpy as np
import torch
from torch import Tensor

from prototxt_import.tensors import array

from .detection import suppressed
from .layer import Layer, Shape, register


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-x)))


class _YoloOutput(Layer):
    """What both share: what is found in one image, (1, 1, found, 7), each as image, label (from 1), score and the box's
    corners in shares of the picture, the best first; −1 for all but the image where nothing is. How many these are is
    not known before: the net says one.

    Bottoms: maps (1, boxes · (5 + classes), S, S); a place's box is its shifts and logarithms of its sides, how sure it
    is of anything, and of each class. Of two boxes that share `nms_threshold` of their union or more, whatever their
    classes, the better stays.
    """

    of_a_fork = True
    traceable = False
    boxes: int
    classes: int

    def check_maps(self, bottom_shapes: list[Shape]) -> None:
        """InputError for other bottoms."""
        channels = self.boxes * (5 + self.classes)
        for shape in bottom_shapes:
            square = len(shape) == 4 and shape[:2] == (1, channels) and shape[2] == shape[3]
            self.require(square, f"maps (1, {channels}, S, S) of one image", str(shape))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1, 1, 1, 7)]

    def places(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of one map (channels, S, S): what it says of each place's boxes (S², boxes, 5 + classes), and their middles
        (S², boxes, 2)."""
        side = values.shape[-1]
        values = values.reshape(self.boxes, 5 + self.classes, side * side).transpose(2, 0, 1)
        rows, columns = np.divmod(np.arange(side * side), side)
        corners = np.stack([columns, rows], 1)[:, None].astype(np.float32)
        return values, (corners + _sigmoid(values[..., :2])) / np.float32(side)

    def output(self, found: np.ndarray, limit: np.float32, like: Tensor) -> Tensor:
        """The top, of rows (x, y, width, height, label from 0, score)."""
        found = found[np.argsort(-found[:, 5], kind="stable")]
        kept = suppressed(len(found), lambda best, rest: _shares(found[best], found[rest]) < limit, len(found))
        middles, halves = found[kept, :2], found[kept, 2:4] / 2
        ends = np.concatenate([middles - halves, middles + halves], 1)
        rows = [[0, label + 1, score, *box] for label, score, box in zip(*found[kept, 4:].T, ends, strict=True)]
        rows = rows or [[0, *[-1] * 6]]
        return torch.tensor(np.array(rows, np.float32)[None, None], device=like.device)


@register("YoloDetectionOutput")
class YoloDetectionOutput(_YoloOutput):
    """The second version's, of one map or of two with the same `biases`, num_box pairs of sides in places: a box's
    class is its likeliest, by their softmax, and counts from a score of `confidence_threshold` on."""

    bottoms = range(1, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.yolo_detection_output_param
        self.boxes, self.classes = p.num_box, p.num_classes
        self.require(p.HasField("num_classes"), "num_classes", "none")
        self.require(p.coords == 4, "coords 4", str(p.coords))
        self.require(len(p.biases) == 2 * p.num_box > 0, f"{2 * p.num_box} biases, num_box pairs", str(len(p.biases)))
        self.check_maps(bottom_shapes)

    def _candidates(self, values: np.ndarray) -> np.ndarray:
        p, side = self.spec.yolo_detection_output_param, np.float32(values.shape[-1])
        values, middles = self.places(values)
        sides = np.exp(values[..., 2:4]) * np.array(p.biases, np.float32).reshape(-1, 2) / side
        classes = np.exp(values[..., 5:] - values[..., 5:].max(-1, keepdims=True))
        classes = classes / classes.sum(-1, keepdims=True)
        scores = (_sigmoid(values[..., 4]) * classes.max(-1)).astype(np.float32)
        boxes = np.concatenate([middles, sides, classes.argmax(-1)[..., None], scores[..., None]], -1)
        return np.asarray(boxes[scores >= np.float32(p.confidence_threshold)], np.float32)

    def forward(self, *maps: Tensor) -> Tensor:
        found = np.concatenate([self._candidates(array(x)[0]) for x in maps])
        return self.output(found, np.float32(self.spec.yolo_detection_output_param.nms_threshold), maps[0])


@register("Yolov3DetectionOutput")
class Yolov3DetectionOutput(_YoloOutput):
    """The third version's. Sides are in units of `biases`, those that the map's part of `mask` names, and of
    S · `anchors_scale` pixels. A class counts whose score is above `confidence_threshold`."""

    bottoms = range(1, 1 << 20)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, maps = self.spec.yolov3_detection_output_param, len(bottom_shapes)
        self.require(p.HasField("num_classes"), "num_classes", "none")
        fits, found = p.mask_group_num == maps == len(p.anchors_scale), f"{p.mask_group_num}, {len(p.anchors_scale)}"
        self.require(fits, f"mask_group_num {maps} and {maps} anchors_scale, one for each bottom", found)
        self.boxes = len(p.mask) // maps
        known = self.boxes > 0 and len(p.mask) == self.boxes * maps and 2 * max(p.mask) + 1 < len(p.biases)
        self.require(known, "a mask that shares pairs of biases out to all maps", f"{list(p.mask)}, {list(p.biases)}")
        self.require(p.num_box in (0, self.boxes), f"num_box {self.boxes}", str(p.num_box))
        self.classes = p.num_classes
        self.check_maps(bottom_shapes)
        self.pairs = np.array(p.biases[: len(p.biases) // 2 * 2], np.float32).reshape(-1, 2)
        self.masks = np.array(p.mask).reshape(maps, self.boxes)

    def _candidates(self, values: np.ndarray, index: int) -> np.ndarray:
        """Of one map (channels, S, S): rows (x, y, width, height, label, score), middles and sides."""
        p, scale = self.spec.yolov3_detection_output_param, np.float32(values.shape[-1])
        values, middles = self.places(values)
        scale = scale * np.float32(p.anchors_scale[index])
        sides = np.exp(values[..., 2:4]) * self.pairs[self.masks[index]] / scale
        scores = _sigmoid(values[..., 5:]) * _sigmoid(values[..., 4:5])
        place, box, label = np.nonzero(scores > np.float32(p.confidence_threshold))
        found = [middles[place, box], sides[place, box], label[:, None], scores[place, box, label][:, None]]
        return np.concatenate(found, 1).astype(np.float32)

    def forward(self, *maps: Tensor) -> Tensor:
        found = np.concatenate([self._candidates(array(x)[0], index) for index, x in enumerate(maps)])
        return self.output(found, np.float32(self.spec.yolov3_detection_output_param.nms_threshold), maps[0])


def _shares(best: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of the others, rows of middles and sides."""
    ends = [(b[..., :2] - b[..., 2:4] / 2, b[..., :2] + b[..., 2:4] / 2) for b in (best, others)]
    common = np.minimum(ends[0][1], ends[1][1]) - np.maximum(ends[0][0], ends[1][0])
    area = np.where((common < 0).any(1), 0, common.prod(1))
    return np.asarray(area / (best[2:4].prod() + others[:, 2:4].prod(1) - area))
