"""R-FCN's mining layers beside plain NumPy."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = ["fast", "exact", "plain"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("normalization", "divisor"), [("", 25), ("normalization: FULL", 30), ("normalize: false", 3)])
def test_the_softmax_loss_of_every_place(engine, normalization, divisor):
    more = f"loss_weight: 2 loss_weight: 0 loss_weight: 0 loss_param {{ ignore_label: -1 {normalization} }}"
    shapes = {"x": (3, 4, 2, 5), "y": (3, 1, 2, 5)}
    net = single_layer("SoftmaxWithLossOHEM", shapes, more, engine, ("t", "p", "each"), phase="TRAIN")
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal(shapes["x"]).astype(np.float32), rng.integers(0, 4, shapes["y"])
    labels.reshape(-1)[:5] = -1
    blobs = {"x": torch.from_numpy(x).requires_grad_(), "y": torch.from_numpy(labels.astype(np.float32))}
    made = net(blobs)
    p = np.exp(x.astype(float)) / np.exp(x.astype(float)).sum(1, keepdims=True)
    each = np.where(labels < 0, 0, -np.log(np.take_along_axis(p, np.maximum(labels, 0), 1)))
    np.testing.assert_allclose(made["p"].numpy(), p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(made["each"].numpy(), each, rtol=0, atol=1e-5)
    assert made["t"].item() == pytest.approx(each.sum() / divisor, rel=1e-5)
    net.loss(made).backward()
    wanted = np.where(labels < 0, 0, p - np.eye(4)[np.maximum(labels[:, 0], 0)].transpose(0, 3, 1, 2)) * 2 / divisor
    np.testing.assert_allclose(blobs["x"].grad.numpy(), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(5, 8), (5, 8, 2, 3)])
def test_the_smooth_loss_of_every_place(engine, shape):
    more = "loss_weight: 1 loss_weight: 0 loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 12 }"
    shapes = {"x": shape, "y": shape, "w": shape}
    net = single_layer("SmoothL1LossOHEM", shapes, more, engine, ("t", "each"), phase="TRAIN")
    rng = np.random.default_rng(1)
    x, y, w = (rng.standard_normal(shape).astype(np.float32) for _ in shapes)
    blobs = {"x": torch.from_numpy(x).requires_grad_(), "y": torch.from_numpy(y), "w": torch.from_numpy(w)}
    made = net(blobs)
    d = (x - y).astype(float) * w
    terms = np.where(abs(d) < 1, d**2 / 2, abs(d) - 0.5)
    assert made["t"].item() == pytest.approx(terms.sum() / 12, rel=1e-5)
    assert made["each"].shape == (5, 1, *shape[2:], *(1,) * (4 - len(shape)))
    np.testing.assert_allclose(made["each"].numpy().ravel(), terms.sum(1).ravel(), rtol=0, atol=1e-5)
    net.loss(made).backward()
    np.testing.assert_allclose(blobs["x"].grad.numpy(), np.clip(d, -1, 1) * w / 12, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("param", "divisor"),
    [("", 20), ("normalization: BATCH_SIZE", 5), ("normalization: NONE", 1), ("normalize: false", 5)],
)
def test_what_the_smooth_loss_is_divided_by(param, divisor):
    shapes = dict.fromkeys(("x", "y"), (5, 2, 2, 2))
    net = single_layer("SmoothL1LossOHEM", shapes, f"loss_param {{ {param} }}")
    made = net({"x": torch.full((5, 2, 2, 2), 2.5), "y": torch.zeros(5, 2, 2, 2)})
    assert made["t"].item() == pytest.approx(5 * 8 * 2 / divisor)


@pytest.mark.parametrize("maps", [(), (2, 3)])
def test_the_regions_of_the_highest_losses(maps):
    shapes = {"rois": (17, 5, *maps), "each": (17, 1, *maps), "labels": (17, 1, *maps), "weights": (17, 8, *maps)}
    more = "box_annotator_ohem_param { roi_per_img: 4 ignore_label: -1 }"
    net = single_layer("BoxAnnotatorOHEM", shapes, more, tops=("l1", "w1"))
    rng = np.random.default_rng(2)
    values = {name: rng.random(shape).astype(np.float32) for name, shape in shapes.items()}
    values["rois"][:, 0] = rng.integers(0, 3, (17, *maps))
    values["labels"] = rng.integers(0, 9, shapes["labels"]).astype(np.float32)
    made = net({name: torch.from_numpy(array) for name, array in values.items()})
    rois, each, given, of_boxes = (array.reshape(17, array.shape[1], -1) for array in values.values())
    labels, weights, left = np.full_like(given, -1), np.zeros_like(of_boxes), [4, 4, 4]
    for n, place in sorted(np.ndindex(17, each.shape[2]), key=lambda at: -each[at[0], 0, at[1]]):
        image = int(rois[n, 0, place])
        if left[image] > 0:
            left[image] -= 1
            labels[n, 0, place] = given[n, 0, place]
            weights[n, :, place] = of_boxes[n, :, place]
    np.testing.assert_array_equal(made["l1"].numpy(), labels.reshape(shapes["labels"]))
    np.testing.assert_array_equal(made["w1"].numpy(), weights.reshape(shapes["weights"]))


def test_what_is_wrong_is_said():
    with pytest.raises(InputError, match="roi_per_img above 0"):
        single_layer("BoxAnnotatorOHEM", dict.fromkeys("abcd", (3, 5)), "", tops=("t", "u"))
    fixed = "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 }"
    with pytest.raises(InputError, match="no PRE_FIXED normalization, which R-FCN's SmoothL1LossOHEM has"):
        single_layer("SoftmaxWithLoss", {"x": (3, 4), "y": (3,)}, fixed)
    with pytest.raises(InputError, match="expected normalization: PRE_FIXED, found VALID"):
        single_layer("SmoothL1LossOHEM", dict.fromkeys("xy", (3, 4)), "loss_param { pre_fixed_normalizer: 128 }")
