"""MS-CNN's and Cascade R-CNN's layers against plain loops."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

REGRESSION = (
    "bbox_reg_param { bbox_mean: 0.1 bbox_mean: 0 bbox_mean: 0 bbox_mean: 0.05 bbox_std: 0.5 bbox_std: 0.4 "
    "bbox_std: 0.2 bbox_std: 0.3 }"
)
MEAN, DEVIATION = [0.1, 0, 0, 0.05], [0.5, 0.4, 0.2, 0.3]
GROUPS = {"p": (4, 3, 5, 6), "s": (4, 4, 5, 6), "q": (6, 3, 2, 3), "u": (6, 4, 2, 3)}
GROUP = """box_group_output_param { fg_thr: %s iou_thr: 0.4 nms_type: "%s" field_whr: 3 field_xyr: 2 min_size: 6
max_nms_num: 40 max_post_nms_num: %d
box_group_param { field_w: 12 field_w: 20 field_h: 16 field_h: 10 stride: 8 }
box_group_param { field_w: 30 field_w: 18 field_w: 24 field_h: 20 field_h: 28 field_h: 24 stride: 16 } }"""
MAPS = {"a": (2, 7, 5, 6), "b": (2, 7, 3, 4)}
MAP = """box_output_param { fg_thr: %s iou_thr: 0.4 nms_type: "%s" field_whr: 3 field_xyr: 2 min_size: 6 max_nms_num: 40
max_post_nms_num: %d field_w: 16 field_w: 30 field_h: 12 field_h: 25 downsample_rate: 8 downsample_rate: 16 }"""


def limited(value, least, most):
    return min(max(value, least), most)


def placed(shifts, wide, high, stride, row, column):
    """Corner and sides."""
    v = [float(s) * d + m for s, d, m in zip(shifts, DEVIATION, MEAN, strict=True)]
    w, h = (side * math.exp(limited(value, -math.log(3), math.log(3))) for side, value in ((wide, v[2]), (high, v[3])))
    x = limited(v[0], -0.5, 0.5) * wide + (column + 0.5) * stride - w / 2
    return x, limited(v[1], -0.5, 0.5) * high + (row + 0.5) * stride - h / 2, w, h


def kept(boxes, share, most):
    chosen = []
    for box in sorted(boxes, key=lambda one: -one[4])[:40]:
        if all(share(better, box) <= 0.4 for better in chosen):
            chosen.append(box)
    return chosen[: most or None]


def part(common, first, second, mode):
    return common / {"IOU": first + second - common, "IOMU": min(first, second), "IOFU": first}[mode]


def group_share(mode):
    def share(a, b):
        sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
        common = (sides[0] + 1) * (sides[1] + 1) if sides[0] >= 0 and sides[1] > 0 else 0
        return part(common, *((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)), mode)

    return share


def map_share(mode):
    def share(a, b):
        sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1)]
        common = sides[0] * sides[1] if min(sides) > 0 else 0
        return part(common, *((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)), mode)

    return share


def group_candidates(image, values, threshold):
    fields = (([12, 20], [16, 10], 8), ([30, 18, 24], [20, 28, 24], 16))
    for (wide, high, stride), scores, shifts in zip(fields, values[::2], values[1::2], strict=True):
        rows, columns = scores.shape[2:]
        for box, row, column in np.ndindex(len(wide), rows, columns):
            at = image * len(wide) + box
            x, y, w, h = placed(shifts[at, :, row, column], wide[box], high[box], stride, row, column)
            score = 1 - float(scores[at, 0, row, column])
            one = [max(x, 0), max(y, 0), min(x + w - 1, columns * stride), min(y + h - 1, rows * stride), score]
            if score >= threshold and one[2] - one[0] + 1 >= 6 and one[3] - one[1] + 1 >= 6:
                yield one


def map_candidates(image, values, threshold):
    for wide, high, stride, x_of_map in zip((16, 30), (12, 25), (8, 16), values, strict=True):
        rows, columns = x_of_map.shape[2:]
        for row, column in np.ndindex(rows, columns):
            v = x_of_map[image, :, row, column]
            x, y, w, h = placed(v[3:], wide, high, stride, row, column)
            x, y = max(x, 0), max(y, 0)
            w, h, score = min(w, columns * stride - x), min(h, rows * stride - y), float(max(v[1], v[2]) - v[0])
            if score >= threshold and min(w, h) >= 6:
                yield [x, y, x + w, y + h, score]


CASES = {
    "BoxGroupOutput": (GROUPS, GROUP, group_candidates, group_share),
    "BoxOutput": (MAPS, MAP, map_candidates, map_share),
}


def values_of(type_name, seed):
    shapes, generator = CASES[type_name][0], np.random.default_rng(seed)
    values = [generator.normal(0, 1, shape).astype(np.float32) for shape in shapes.values()]
    if type_name == "BoxGroupOutput":
        values[::2] = [generator.random(shape).astype(np.float32) for shape in list(shapes.values())[::2]]
    return values


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(("mode", "threshold", "most"), [("IOU", 0.3, 0), ("IOMU", 0.2, 0), ("IOFU", 0.3, 4)])
@pytest.mark.parametrize("type_name", CASES)
def test_proposals_against_plain_loops(type_name, engine, mode, threshold, most):
    shapes, param, candidates, share = CASES[type_name]
    values = values_of(type_name, 3)
    text = f"{param % (threshold, mode, most)} {REGRESSION}"
    tops = single_layer(type_name, shapes, text, engine, ("t", "scored"))(
        {name: torch.from_numpy(x) for name, x in zip(shapes, values, strict=True)}
    )
    wanted = [[image, *box] for image in (0, 1)
              for box in kept(candidates(image, values, threshold), share(mode), most)]  # fmt: skip
    assert (
        len(wanted) > 4 and tops["t"].shape == (len(wanted), 5, 1, 1) and tops["scored"].shape == (len(wanted), 6, 1, 1)
    )
    np.testing.assert_allclose(tops["scored"][..., 0, 0], wanted, rtol=1e-5, atol=2e-5)
    assert torch.equal(tops["t"], tops["scored"][:, :5])


@pytest.mark.parametrize("type_name", CASES)
def test_where_there_is_no_proposal(type_name):
    shapes, param, *_ = CASES[type_name]
    net = single_layer(type_name, shapes, param % (99, "IOU", 0), tops=("t", "scored"))
    tops = net({name: torch.from_numpy(x) for name, x in zip(shapes, values_of(type_name, 1), strict=True)})
    assert tops["t"].flatten().tolist() == [0, 1, 1, 10, 10] and torch.equal(tops["scored"], torch.zeros(1, 6, 1, 1))


@pytest.mark.parametrize(("type_name", "old", "new", "said"), [
    ("BoxGroupOutput", "stride: 8", "", "a stride, and as many field_w as field_h"),
    ("BoxGroupOutput", "field_w: 12", "", "as many field_w as field_h, found 1 and 2"),
    ("BoxGroupOutput", "field_w: 30 field_w: 18 field_w: 24 field_h: 20", "field_w: 30 field_w: 18", r"\[2, 3\]"),
    ("BoxGroupOutput", "field_w: 12 field_w: 20", "field_w: 12 field_w: 20 field_w: 9 field_h: 9", r"\(N · 3, classes"),
    ("BoxGroupOutput", "IOU", "IOX", "nms_type IOU, IOMU or IOFU, found IOX"),
    ("BoxOutput", "field_w: 30", "", "2 field_w, field_h and downsample_rate, as bottoms"),
    ("BoxOutput", "field_whr: 3", "ringpad: true", "no ringpad"), ("BoxOutput", "xyr: 2", "xyr: 0", "field_xyr and"),
])  # fmt: skip
def test_what_proposals_cannot_have_is_named(type_name, old, new, said):
    shapes, param, *_ = CASES[type_name]
    with pytest.raises(InputError, match=said):
        single_layer(type_name, shapes, (param % (0, "IOU", 0)).replace(old, new))


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(("phase", "param"), [("TEST", REGRESSION), ("TRAIN", REGRESSION), ("TEST", "")])
def test_boxes_of_the_next_stage(engine, phase, param):
    generator = np.random.default_rng(2)
    regions = np.concatenate([generator.integers(0, 2, (6, 1)), generator.uniform(0, 40, (6, 4))], 1).astype(np.float32)
    regions[:4, 3:] = regions[:4, 1:3] + 9
    regions[4:, 3:] = regions[4:, 1:3] - 9
    shifts = generator.normal(0, 0.4, (6, 8)).astype(np.float32)
    net = single_layer("DecodeBBox", {"b": (6, 8), "r": (6, 5, 1, 1)}, param, engine, phase=phase)
    y = net({"b": torch.from_numpy(shifts), "r": torch.from_numpy(regions[..., None, None])})["t"]
    wanted = []
    for (image, x1, y1, x2, y2), v in zip(regions, shifts[:, 4:], strict=True):
        w, h = x2 - x1 + 1, y2 - y1 + 1
        v = [s * d + m for s, d, m in zip(v, DEVIATION, MEAN, strict=True)] if param else v
        wide, high = w * math.exp(v[2]), h * math.exp(v[3])
        x, y_of_box = v[0] * w + (x1 + x2) / 2 - (wide - 1) / 2, v[1] * h + (y1 + y2) / 2 - (high - 1) / 2
        if phase == "TEST" or (wide >= 1 and high >= 1):
            wanted.append([image, x, y_of_box, x + wide - 1, y_of_box + high - 1])
    assert len(wanted) == (4 if phase == "TRAIN" else 6)
    np.testing.assert_allclose(y[..., 0, 0], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(("param", "rows"), [
    ("high_scale: 8", [0]), ("low_scale: 8 high_scale: 20", [1, 3]), ("low_scale: 20", [2]),
    ("low_scale: 200 high_scale: 300", [2]), ("high_scale: 2", [0]), ("", [0, 1, 2, 3]),
])  # fmt: skip
def test_the_share_of_a_level(engine, param, rows):
    corners = np.array([[0, 3, 3, 7, 9], [1, 5, 4, 12, 11], [0, 0, 0, 29, 19], [1, 2, 3, 14, 20]], np.float32)
    net = single_layer(
        "ScaleRoute", {"r": (4, 5), "x": (4, 2, 3)}, f"scale_route_param {{ {param} }}", engine, ("s", "y")
    )
    x = torch.randn(4, 2, 3)
    tops = net({"r": torch.from_numpy(corners), "x": x})
    assert torch.equal(tops["s"], torch.from_numpy(corners[rows])) and torch.equal(tops["y"], x[rows])


def test_what_cannot_be_is_named():
    with pytest.raises(InputError, match=r"bottoms \(R, 8\) and \(R, 5\), found"):
        single_layer("DecodeBBox", {"b": (6, 84), "r": (6, 5)})
    with pytest.raises(InputError, match="4 bbox_mean and 4 bbox_std above 0"):
        single_layer("DecodeBBox", {"b": (6, 8), "r": (6, 5)}, "bbox_reg_param { bbox_mean: 1 bbox_std: 1 }")
    with pytest.raises(InputError, match="0 < low_scale <= high_scale"):
        single_layer("ScaleRoute", {"r": (6, 5)}, "scale_route_param { low_scale: 9 high_scale: 3 }")
    with pytest.raises(InputError, match="2 tops, as bottoms, found 1"):
        single_layer("ScaleRoute", {"r": (6, 5), "x": (6, 2)})
