"""The output of YOLO's third version as MobileNet-YOLO's Caffe has it: from maps to boxes."""

import numpy as np
import torch
from torch import Tensor

from prototxt_import.tensors import array

from .detection import suppressed
from .layer import Layer, Shape, register


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-x)))


@register("Yolov3DetectionOutput")
class Yolov3DetectionOutput(Layer):
    """What is found in one image: (1, 1, found, 7), each as image, label (from 1), score and the box's corners in
    shares of the picture, the best first; −1 for all but the image where nothing is. How many these are is not known
    before: the net says one.

    Bottoms: maps (1, boxes · (5 + classes), S, S); a place's box is its shifts and logarithms of its sides, how sure it
    is of anything, and of each class. Sides are in units of `biases`, those that the map's part of `mask` names, and of
    S · `anchors_scale` pixels. A class counts whose score is above `confidence_threshold`; of two boxes that share
    `nms_threshold` of their union or more, whatever their classes, the better stays.
    """

    of_a_fork = True
    bottoms = range(1, 1 << 20)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, maps = self.spec.yolov3_detection_output_param, len(bottom_shapes)
        asked = ("num_classes", "confidence_threshold", "nms_threshold")
        missing = [name for name in asked if not p.HasField(name)]
        self.require(not missing, ", ".join(asked), f"no {' and no '.join(missing)}")
        fits, found = p.mask_group_num == maps == len(p.anchors_scale), f"{p.mask_group_num}, {len(p.anchors_scale)}"
        self.require(fits, f"mask_group_num {maps} and {maps} anchors_scale, one for each bottom", found)
        self.boxes = len(p.mask) // maps
        known = self.boxes > 0 and len(p.mask) == self.boxes * maps and 2 * max(p.mask) + 1 < len(p.biases)
        self.require(known, "a mask that shares pairs of biases out to all maps", f"{list(p.mask)}, {list(p.biases)}")
        self.require(p.num_box in (0, self.boxes), f"num_box {self.boxes}", str(p.num_box))
        channels = self.boxes * (5 + p.num_classes)
        for shape in bottom_shapes:
            square = len(shape) == 4 and shape[:2] == (1, channels) and shape[2] == shape[3]
            self.require(square, f"maps (1, {channels}, S, S) of one image", str(shape))
        self.pairs = np.array(p.biases[: len(p.biases) // 2 * 2], np.float32).reshape(-1, 2)
        self.masks = np.array(p.mask).reshape(maps, self.boxes)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1, 1, 1, 7)]

    def _candidates(self, values: np.ndarray, index: int) -> np.ndarray:
        """Of one map (channels, S, S): rows (x, y, width, height, label, score), middles and sides."""
        p, side = self.spec.yolov3_detection_output_param, values.shape[-1]
        values = values.reshape(self.boxes, 5 + p.num_classes, side * side).transpose(2, 0, 1)
        rows, columns = np.divmod(np.arange(side * side), side)
        places = np.stack([columns, rows], 1)[:, None].astype(np.float32)
        middles = (places + _sigmoid(values[..., :2])) / np.float32(side)
        scale = np.float32(side * p.anchors_scale[index])
        sides = np.exp(values[..., 2:4]) * self.pairs[self.masks[index]] / scale
        scores = _sigmoid(values[..., 5:]) * _sigmoid(values[..., 4:5])
        place, box, label = np.nonzero(scores > np.float32(p.confidence_threshold))
        found = [middles[place, box], sides[place, box], label[:, None], scores[place, box, label][:, None]]
        return np.concatenate(found, 1).astype(np.float32)

    def forward(self, *maps: Tensor) -> Tensor:
        limit = np.float32(self.spec.yolov3_detection_output_param.nms_threshold)
        found = np.concatenate([self._candidates(array(x)[0], index) for index, x in enumerate(maps)])
        found = found[np.argsort(-found[:, 5], kind="stable")]
        kept = suppressed(len(found), lambda best, rest: _shares(found[best], found[rest]) < limit, len(found))
        middles, halves = found[kept, :2], found[kept, 2:4] / 2
        ends = np.concatenate([middles - halves, middles + halves], 1)
        rows = [[0, label + 1, score, *box] for label, score, box in zip(*found[kept, 4:].T, ends, strict=True)]
        rows = rows or [[0, *[-1] * 6]]
        return torch.tensor(np.array(rows, np.float32)[None, None], device=maps[0].device)


def _shares(best: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with each of the others, rows of middles and sides."""
    ends = [(b[..., :2] - b[..., 2:4] / 2, b[..., :2] + b[..., 2:4] / 2) for b in (best, others)]
    common = np.minimum(ends[0][1], ends[1][1]) - np.maximum(ends[0][0], ends[1][0])
    area = np.where((common < 0).any(1), 0, common.prod(1))
    return np.asarray(area / (best[2:4].prod() + others[:, 2:4].prod(1) - area))
