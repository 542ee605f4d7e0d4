"""YOLO's output against plain loops."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

BIASES = [10, 14, 23, 27, 37, 58, 81, 82]
PARAM = """num_classes: 3 confidence_threshold: %s nms_threshold: 0.45 mask: 2 mask: 3 mask: 0 mask: 1
anchors_scale: 32 anchors_scale: 16 mask_group_num: 2 """ + " ".join(f"biases: {b}" for b in BIASES)
SHAPES = {"a": (1, 16, 3, 3), "b": (1, 16, 6, 6)}


def shares(a, b):
    common = [min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2)
              for i in (0, 1)]  # fmt: skip
    area = common[0] * common[1] if min(common) >= 0 else 0
    return area / (a[2] * a[3] + b[2] * b[3] - area)


def found(maps, threshold):
    candidates = []
    for x, mask, scale in zip(maps, ([2, 3], [0, 1]), (32, 16), strict=True):
        side = x.shape[3]
        for i, j, n in np.ndindex(side, side, 2):
            v = [float(value) for value in x[0, n * 8 : n * 8 + 8, i, j]]
            sure = [1 / (1 + math.exp(-value)) for value in v]
            box = [(j + sure[0]) / side, (i + sure[1]) / side]
            box += [math.exp(v[2 + k]) * BIASES[2 * mask[n] + k] / (side * scale) for k in (0, 1)]
            candidates += [(sure[4] * sure[5 + c], c + 1, box) for c in range(3) if sure[4] * sure[5 + c] > threshold]
    kept = []
    for score, label, box in sorted(candidates, key=lambda one: -one[0]):
        if all(shares(box, other) < 0.45 for *_, other in kept):
            kept.append((score, label, box))
    rows = [[0, label, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2] for score, label, (x, y, w, h) in kept]
    return rows or [[0, *[-1] * 6]]


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("threshold", [0.2, 0.99])
def test_against_plain_loops(engine, threshold):
    net = single_layer(
        "Yolov3DetectionOutput", SHAPES, f"yolov3_detection_output_param {{ {PARAM % threshold} }}", engine
    )
    maps = [
        np.random.default_rng(k).normal(0, 1.5, shape).astype(np.float32) for k, shape in enumerate(SHAPES.values())
    ]
    y = net({name: torch.from_numpy(values) for name, values in zip(SHAPES, maps, strict=True)})["t"]
    wanted = found(maps, threshold)
    assert y.shape == (1, 1, len(wanted), 7) and (len(wanted) > 5) == (threshold == 0.2)
    np.testing.assert_allclose(y[0, 0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("num_classes: 3", "num_classes: 4", r"maps \(1, 18, S, S\) of one image"),
    ("mask: 1\n", "mask: 9\n", "pairs of biases"),
    ("nms_threshold: 0.45", "", "found no nms_threshold"), ("mask_group_num: 2", "", "mask_group_num 2 and 2 anchors"),
])  # fmt: skip
def test_what_cannot_be_is_named(old, new, said):
    param = (PARAM % 0.5).replace(old, new)
    with pytest.raises(InputError, match=said):
        single_layer("Yolov3DetectionOutput", SHAPES, f"yolov3_detection_output_param {{ {param} }}")
