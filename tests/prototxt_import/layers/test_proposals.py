"""Proposals against plain loops."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer

PARAM = """proposal_param { feat_stride: 16 base_size: 16 min_size: 10 ratio: 0.5 ratio: 1 ratio: 2 scale: 1 scale: 2
           pre_nms_topn: 40 post_nms_topn: 7 nms_thresh: 0.4 }"""
PYTHON = 'python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "%s" }'


def boxes_of_a_place(ratios, scales, rounded):
    boxes = []
    for ratio in ratios:
        wide = rounded(math.sqrt(256 / ratio))
        high = rounded(wide * ratio)
        halves = [((wide * scale - 1) / 2, (high * scale - 1) / 2) for scale in scales]
        boxes += [(7.5 - x, 7.5 - y, 7.5 + x, 7.5 + y) for x, y in halves]
    return boxes


def overlap(a, b):
    common = [max(min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + 1, 0) for i in (0, 1)]
    areas = [(x[2] - x[0] + 1) * (x[3] - x[1] + 1) for x in (a, b)]
    return common[0] * common[1] / (sum(areas) - common[0] * common[1])


def proposals(scores, shifts, picture, of_place, least, before, after, limit, drops):
    """[(score, box)] of one image, (2A, H, W) and (4A, H, W)."""
    found = []
    for i, j in np.ndindex(scores.shape[1:]):
        for k, box in enumerate(of_place):
            x1, y1, x2, y2 = (v + 16 * (j, i, j, i)[n] for n, v in enumerate(box))
            wide, high = x2 - x1 + 1, y2 - y1 + 1
            dx, dy, dw, dh = shifts[4 * k : 4 * k + 4, i, j].astype(float)
            x, y = x1 + wide / 2 + dx * wide, y1 + high / 2 + dy * high
            corners = [x - math.exp(dw) * wide / 2, y - math.exp(dh) * high / 2,
                       x + math.exp(dw) * wide / 2, y + math.exp(dh) * high / 2]  # fmt: skip
            corners = [min(max(c, 0), picture[1 - n % 2] - 1) for n, c in enumerate(corners)]
            large = corners[2] - corners[0] + 1 >= least and corners[3] - corners[1] + 1 >= least
            if large or not drops:
                found.append((scores[len(of_place) + k, i, j] if large else 0, corners))
    found = sorted(found, key=lambda pair: -pair[0])[:before]
    kept = []
    for score, box in found:
        if len(kept) < after and all(overlap(box, other) <= limit for _, other in kept):
            kept.append((score, box))
    return kept


def drawn(images, boxes, size, seed=1):
    random = np.random.default_rng(seed)
    scores = random.permutation(images * 2 * boxes * size[0] * size[1]).reshape(images, 2 * boxes, *size) / 1000 + 0.001
    shifts = random.normal(0, 0.3, (images, 4 * boxes, *size))
    return scores.astype(np.float32), shifts.astype(np.float32)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_pvanets_against_plain_loops(engine):
    (scores, shifts), picture = drawn(2, 6, (5, 7)), np.array([[70, 100, 1.5, 1.5]], np.float32)
    shapes = {"s": scores.shape, "d": shifts.shape, "i": (1, 4)}
    net = single_layer("Proposal", shapes, PARAM, engine, tops=("r", "p"))
    assert net.blob_shapes["r"] == (14, 5) and net.blob_shapes["p"] == (14,)
    inputs = {"s": scores, "d": shifts, "i": picture}
    blobs = net({name: torch.from_numpy(values) for name, values in inputs.items()})
    of_place = boxes_of_a_place((0.5, 1, 2), (1, 2), lambda v: math.floor(v + 0.5))
    wanted = [(image, *pair) for image in range(2) for pair in proposals(
        scores[image], shifts[image], (70, 100), of_place, 15, 40, 7, 0.4, drops=False)]  # fmt: skip
    assert 2 < len(wanted) <= 14 and blobs["r"].shape == (len(wanted), 5)
    np.testing.assert_allclose(blobs["r"], [(image, *box) for image, _, box in wanted], rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(blobs["p"], [score for _, score, _ in wanted], rtol=1e-6)


@pytest.mark.parametrize(("more", "ratios", "scales"), [
    ("'feat_stride': 16", (0.5, 1, 2), (8, 16, 32)),
    (r"'feat_stride': 16\n'scales': !!python/tuple [2, 4]", (0.5, 1, 2), (2, 4)),
    (r"{\'feat_stride\': 16, \'scales\': (1,), \'ratios\': [1]}", (1,), (1,)),
    ("feat_stride: 16", (0.5, 1, 2), (8, 16, 32)),
])  # fmt: skip
def test_py_faster_rcnns_against_plain_loops(more, ratios, scales):
    of_place = boxes_of_a_place(ratios, scales, round)
    (scores, shifts), picture = drawn(1, len(of_place), (6, 9)), np.array([[96, 140, 1]], np.float32)
    shapes = {"s": scores.shape, "d": shifts.shape, "i": (1, 3)}
    net = single_layer("Python", shapes, PYTHON % more, tops=("r", "p"))
    inputs = {"s": scores, "d": shifts, "i": picture}
    blobs = net({name: torch.from_numpy(values) for name, values in inputs.items()})
    wanted = proposals(scores[0], shifts[0], (96, 140), of_place, 16, 6000, 300, 0.7, drops=True)
    assert len(wanted) > 3 and blobs["p"].shape == (len(wanted), 1)
    np.testing.assert_allclose(blobs["r"], [(0, *box) for _, box in wanted], rtol=1e-5, atol=1e-4)


def test_pooling_regions_that_a_net_proposes_itself():
    text = """input: "data" input_shape { dim: 1 dim: 18 dim: 4 dim: 5 } input: "im_info" input_shape { dim: 1 dim: 3 }
    layer { name: "shifts" type: "Convolution" bottom: "data" top: "shifts"
            convolution_param { num_output: 36 kernel_size: 1 } }
    layer { name: "p" type: "Python" bottom: "data" bottom: "shifts" bottom: "im_info" top: "rois" """
    text += PYTHON % "'feat_stride': 16"
    text += """ } layer { name: "roi" type: "ROIPooling" bottom: "data" bottom: "rois" top: "roi"
            roi_pooling_param { pooled_w: 2 pooled_h: 2 spatial_scale: 0.0625 } }
    layer { name: "ip" type: "InnerProduct" bottom: "roi" top: "ip" inner_product_param { num_output: 3 } }
    layer { name: "reshape" type: "Reshape" bottom: "ip" top: "reshape" reshape_param { shape { dim: -1 dim: 3 } } }"""
    net = Net(parse_net(text, "n"), seed=1)
    for side in (80, 3):  # in a picture of 3 pixels every box is too small
        blobs = net({"data": torch.rand(1, 18, 4, 5), "im_info": torch.tensor([[64.0, side, 1.0]])})
        assert blobs["reshape"].shape == (len(blobs["rois"]), 3)
        assert (len(blobs["rois"]) == 0) == (side == 3)


@pytest.mark.parametrize(("param", "said"), [
    ("proposal_param { scale: 8 }", "ratios, scales, sizes and counts above 0"),
    ("proposal_param { scale: 8 ratio: 1 }", r"shifts of 1 boxes a place: \(1, 2, 3, 4\) and \(1, 4, 3, 4\)"),
    ("proposal_param { scale: 8 ratio: 1 anchor_base_size: 3 }", "found 'proposal_param.anchor_base_size'"),
])  # fmt: skip
def test_what_cannot_be_is_named(param, said):
    with pytest.raises(InputError, match=said):
        single_layer("Proposal", {"s": (1, 18, 3, 4), "d": (1, 36, 3, 4), "i": (1, 4)}, param)


CTPN = 'python_param { module: "layers.text_proposal_layer" layer: "ProposalLayer" param_str: "\'feat_stride\': 16" }'


def test_ctpns_strips_of_text():
    rng = np.random.default_rng(7)
    scores, shifts = rng.random((1, 20, 3, 5)).astype(np.float32), rng.normal(0, 0.4, (1, 20, 3, 5)).astype(np.float32)
    shapes = {"scores": scores.shape, "shifts": shifts.shape, "info": (1, 3, 1, 1)}
    net = single_layer("Python", shapes, CTPN, tops=("rois", "each"))
    picture = torch.tensor([45.0, 77.0, 1.0]).reshape(1, 3, 1, 1)
    made = net({"scores": torch.from_numpy(scores), "shifts": torch.from_numpy(shifts), "info": picture})
    strips, of_each = [], []
    for i, j, k in np.ndindex(3, 5, 10):
        high = (11, 16, 23, 33, 48, 68, 97, 139, 198, 283)[k]
        top, bottom = math.trunc(7.5 - high // 2) + 16 * i, math.trunc(7.5 + high // 2) + 16 * i
        middle, side = (top + bottom) / 2, bottom - top + 1
        dy, dh = shifts[0, 2 * k : 2 * k + 2, i, j].astype(float)
        upper = middle + dy * side - math.exp(dh) * side / 2
        corners = [16 * j, upper, 16 * j + 15, upper + math.exp(dh) * side]
        strips.append([min(max(c, 0), (76, 44)[n % 2]) for n, c in enumerate(corners)])
        of_each.append([scores[0, 10 + k, i, j]])
    np.testing.assert_allclose(made["rois"].numpy(), strips, rtol=0, atol=1e-4)
    np.testing.assert_array_equal(made["each"].numpy(), of_each)
    with pytest.raises(InputError, match="scores and shifts of ten strips a place"):
        single_layer("Python", dict(shapes, shifts=(1, 40, 3, 5)), CTPN, tops=("rois", "each"))
    with pytest.raises(InputError, match="expected a feat_stride in param_str, found None"):
        single_layer("Python", shapes, CTPN.replace("'feat_stride': 16", ""), tops=("rois", "each"))
