"""YOLO's outputs against plain loops."""

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
    ("num_classes: 3", "", "num_classes, found none"),
    ("group_num: 2", "group_num: 1", "mask_group_num 2 and 2 anchors"),
])  # fmt: skip
def test_what_cannot_be_is_named(old, new, said):
    param = (PARAM % 0.5).replace(old, new)
    with pytest.raises(InputError, match=said):
        single_layer("Yolov3DetectionOutput", SHAPES, f"yolov3_detection_output_param {{ {param} }}")


def test_what_need_not_be_said():
    said = PARAM % 0.01
    left_out = said.replace("confidence_threshold: 0.01 nms_threshold: 0.45", "").replace("mask_group_num: 2", "")
    maps = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    tops = [single_layer("Yolov3DetectionOutput", SHAPES, f"yolov3_detection_output_param {{ {text} }}")(maps)["t"]
            for text in (said, left_out)]  # fmt: skip
    assert torch.equal(*tops)


def found_by_the_second(maps, threshold):
    candidates = []
    for x in maps:
        side = x.shape[3]
        for i, j, n in np.ndindex(side, side, 2):
            v = [float(value) for value in x[0, n * 8 : n * 8 + 8, i, j]]
            sure = [1 / (1 + math.exp(-value)) for value in v]
            box = [(j + sure[0]) / side, (i + sure[1]) / side]
            box += [math.exp(v[2 + k]) * PAIRS[2 * n + k] / side for k in (0, 1)]
            powers = [math.exp(value) for value in v[5:]]
            score = sure[4] * max(powers) / sum(powers)
            candidates += [(score, powers.index(max(powers)) + 1, box)] if score >= threshold else []
    kept = []
    for one in sorted(candidates, key=lambda one: -one[0]):
        if all(shares(one[2], other) < 0.3 for *_, other in kept):
            kept.append(one)
    rows = [[0, label, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2] for score, label, (x, y, w, h) in kept]
    return rows or [[0, *[-1] * 6]]


PAIRS = [0.5, 0.7, 1.15, 1.35]
SECOND = "num_classes: 3 num_box: 2 nms_threshold: 0.3 biases: 0.5 biases: 0.7 biases: 1.15 biases: 1.35"


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(("threshold", "count"), [(0.2, 2), (0.2, 1), (0.999, 2)])
def test_the_second_version_against_plain_loops(engine, threshold, count):
    shapes = dict(list(SHAPES.items())[:count])
    param = f"yolo_detection_output_param {{ {SECOND} confidence_threshold: {threshold} coords: 4 side: 13 }}"
    net, generator = single_layer("YoloDetectionOutput", shapes, param, engine), np.random.default_rng(3)
    maps = [generator.normal(0, 1.5, shape).astype(np.float32) for shape in shapes.values()]
    y = net({name: torch.from_numpy(values) for name, values in zip(shapes, maps, strict=True)})["t"]
    wanted = found_by_the_second(maps, threshold)
    assert y.shape == (1, 1, len(wanted), 7) and (len(wanted) > 2) == (threshold == 0.2)
    np.testing.assert_allclose(y[0, 0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("old", "new", "said"), [
    ("num_classes: 3", "", "num_classes, found none"), ("num_classes: 3", "num_classes: 4", r"maps \(1, 18, S, S\)"),
    ("num_box: 2", "", "10 biases, num_box pairs, found 4"),
    ("num_box: 2", "num_box: 2 coords: 5", "coords 4, found 5"),
])  # fmt: skip
def test_what_the_second_version_cannot_have_is_named(old, new, said):
    with pytest.raises(InputError, match=said):
        single_layer("YoloDetectionOutput", SHAPES, f"yolo_detection_output_param {{ {SECOND.replace(old, new)} }}")
