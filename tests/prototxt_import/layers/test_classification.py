"""Losses against labels, and Accuracy: both engines against plain NumPy in float64, gradients by finite differences."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.blobs import array_to_blob
from tests.prototxt_import.numeric_gradient import numeric_gradient
from tests.prototxt_import.single_layer import single_layer


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_loss(x, labels, ignored, divisor):
    logs = np.log(softmax(x))
    terms = [-logs[n, labels[n, i], i] for n, i in np.ndindex(labels.shape) if labels[n, i] != ignored]
    return sum(terms) / divisor(len(terms))


def probabilities(random, shape):
    return softmax(random.standard_normal(shape)).astype(np.float32)


def check(net, blobs, reference):
    """The loss and x's gradient, at float32's accuracy."""
    x = torch.from_numpy(blobs["x"]).requires_grad_()
    loss = net({**{name: torch.from_numpy(blob) for name, blob in blobs.items()}, "x": x})["t"]
    (loss * 0.7).backward()
    wanted = reference(blobs["x"].astype(np.float64))
    assert float(loss.detach()) == pytest.approx(wanted, rel=1e-5)
    gradient = numeric_gradient(reference, blobs["x"]) * 0.7
    np.testing.assert_allclose(x.grad.numpy(), gradient, rtol=0, atol=2e-5 * np.abs(gradient).max())


ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])


@ENGINES
@pytest.mark.parametrize(
    ("param", "ignored", "divisor"),
    [
        ("", None, lambda valid: 2 * 7),
        ("ignore_label: 2", 2, lambda valid: valid),
        ("ignore_label: 2 normalization: FULL", 2, lambda valid: 2 * 7),
        ("normalization: BATCH_SIZE", None, lambda valid: 2),
        ("ignore_label: 0 normalization: NONE", 0, lambda valid: 1),
        ("normalize: false", None, lambda valid: 2),
    ],
)
def test_softmax_with_loss(engine, param, ignored, divisor):
    random = np.random.default_rng(1)
    blobs = {"x": random.standard_normal((2, 5, 7)).astype(np.float32), "y": random.integers(0, 5, (2, 7))}
    labels = blobs["y"]
    blobs["y"] = labels.astype(np.float32)
    net = single_layer("SoftmaxWithLoss", {"x": (2, 5, 7), "y": (2, 7)}, f"loss_param {{ {param} }}", engine)
    check(net, blobs, lambda x: softmax_loss(x, labels, ignored, divisor))


@ENGINES
def test_softmax_with_loss_where_every_label_is_ignored(engine):
    net = single_layer("SoftmaxWithLoss", {"x": (2, 5, 3), "y": (2, 3)}, "loss_param { ignore_label: 1 }", engine)
    x = torch.randn(2, 5, 3, requires_grad=True)
    loss = net({"x": x, "y": torch.ones(2, 3)})["t"]
    loss.backward()
    assert float(loss.detach()) == 0 and not x.grad.any()


@ENGINES
def test_softmax_with_loss_takes_no_logarithm_below_the_lowest_float(engine):
    net = single_layer("SoftmaxWithLoss", {"x": (1, 2), "y": (1,)}, engine=engine)
    x = torch.tensor([[300.0, 0.0]], requires_grad=True)
    loss = net({"x": x, "y": torch.ones(1)})["t"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-np.log(np.finfo(np.float32).tiny), rel=1e-6)
    assert x.grad.tolist() == [[1.0, -1.0]]


@ENGINES
def test_sigmoid_cross_entropy_loss(engine):
    random = np.random.default_rng(2)
    x, y = (random.standard_normal((3, 4, 2)).astype(np.float32), random.integers(-1, 2, (3, 4, 2)).astype(np.float32))
    more = "loss_param { ignore_label: -1 normalization: VALID }"
    counts = y != -1

    def reference(x):
        sigmoid = 1 / (1 + np.exp(-x))
        return -np.where(counts, y * np.log(sigmoid) + (1 - y) * np.log(1 - sigmoid), 0).sum() / counts.sum()

    check(
        single_layer("SigmoidCrossEntropyLoss", {"x": x.shape, "y": y.shape}, more, engine), {"x": x, "y": y}, reference
    )


@ENGINES
@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_hinge_loss(engine, norm):
    random = np.random.default_rng(3)
    x, labels = random.standard_normal((5, 4)).astype(np.float32), random.integers(0, 4, 5)

    def reference(x):
        sign = np.where(np.arange(4) == labels[:, None], -1, 1)
        return (np.maximum(0, 1 + sign * x) ** (1 if norm == "L1" else 2)).sum() / 5

    net = single_layer("HingeLoss", {"x": (5, 4), "y": (5,)}, f"hinge_loss_param {{ norm: {norm} }}", engine)
    check(net, {"x": x, "y": labels.astype(np.float32)}, reference)


@ENGINES
def test_multinomial_logistic_and_infogain_loss(engine):
    random = np.random.default_rng(4)
    x, labels = probabilities(random, (4, 3)), random.integers(0, 3, 4)
    gains = random.standard_normal((3, 3)).astype(np.float32)
    blobs = {"x": x, "y": labels.astype(np.float32)}
    net = single_layer("MultinomialLogisticLoss", {"x": (4, 3), "y": (4,)}, engine=engine)
    check(net, blobs, lambda x: -np.log(x[np.arange(4), labels]).sum() / 4)
    net = single_layer("InfogainLoss", {"x": (4, 3), "y": (4,), "gains": (1, 1, 3, 3)}, engine=engine)
    check(net, {**blobs, "gains": gains[None, None]}, lambda x: -(gains[labels] * np.log(x)).sum() / 4)


@ENGINES
def test_logarithms_of_what_is_no_probability_are_limited(engine):
    x, gains = torch.tensor([[-0.5, 0.3, 2.0], [-2.0, 1.0, 0.0]]), torch.eye(3)[None, None]
    net = single_layer("InfogainLoss", {"x": (2, 3), "y": (2,), "gains": (1, 1, 3, 3)}, engine=engine)
    loss = net({"x": x, "y": torch.tensor([0.0, 2.0]), "gains": gains})["t"]
    assert float(loss) == pytest.approx(-np.log(1e-20), rel=1e-6)
    net = single_layer("MultinomialLogisticLoss", {"x": (2, 3), "y": (2,)}, engine=engine)
    assert float(net({"x": x, "y": torch.tensor([0.0, 2.0])})["t"]) == pytest.approx(-np.log(1e-20), rel=1e-6)


@ENGINES
def test_targets_of_a_cross_entropy_get_no_gradient(engine):
    net = single_layer("SigmoidCrossEntropyLoss", {"x": (2, 3), "y": (2, 3)}, engine=engine)
    x, y = torch.zeros(2, 3, requires_grad=True), torch.ones(2, 3, requires_grad=True)
    net({"x": x, "y": y})["t"].backward()
    assert y.grad is None and x.grad is not None and bool((x.grad < 0).all())


def test_infogain_loss_reads_its_gains(tmp_path):
    gains = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    (tmp_path / "gains.binaryproto").write_bytes(array_to_blob(gains, None).SerializeToString())
    more = f'infogain_loss_param {{ source: "{tmp_path / "gains.binaryproto"}" }}'
    net = single_layer("InfogainLoss", {"x": (1, 3), "y": (1,)}, more)
    loss = net({"x": torch.full((1, 3), 0.5), "y": torch.ones(1)})["t"]
    assert float(loss) == pytest.approx(np.log(2) * (3 + 4 + 5), rel=1e-6)
    with pytest.raises(InputError, match="a third bottom or infogain_loss_param with a source"):
        single_layer("InfogainLoss", {"x": (1, 3), "y": (1,)})


def test_a_label_that_is_no_class_is_named():
    net = single_layer("SoftmaxWithLoss", {"x": (2, 5), "y": (2,)})
    with pytest.raises(InputError, match=r"layer 'l' \(SoftmaxWithLoss\): expected labels from 0 to 4, found 5"):
        net({"x": torch.zeros(2, 5), "y": torch.tensor([5.0, 0.0])})
    with pytest.raises(InputError, match="found -1"):
        net({"x": torch.zeros(2, 5), "y": torch.tensor([0.0, -1.0])})


def test_accuracy():
    x = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [0.0, 5.0, 5.0], [1.0, 1.0, 0.0]])
    y = torch.tensor([2.0, 1.0, 1.0, 1.0])
    net = single_layer("Accuracy", {"x": (4, 3), "y": (4,)}, tops=("t", "classes"))
    blobs = net({"x": x, "y": y})
    assert float(blobs["t"]) == 0.5  # of the two equal scores of 5 the last one counts as the highest
    assert blobs["classes"].tolist() == [0, pytest.approx(1 / 3), 1]
    net = single_layer("Accuracy", {"x": (4, 3), "y": (4,)}, "accuracy_param { top_k: 2 ignore_label: 2 }")
    assert float(net({"x": x, "y": y})["t"]) == 1


def test_accuracy_of_an_axis():
    scores, labels = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(2, 4)
    net = single_layer("Accuracy", {"x": (2, 3, 4), "y": (2, 4)})
    assert float(net({"x": scores, "y": labels})["t"]) == float((scores.argmax(1) == 1).float().mean())


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("mode", ["VALID", "FULL", "NONE"])
def test_segnets_weights_of_classes(engine, mode):
    param = "loss_param { weight_by_label_freqs: true ignore_label: 3 class_weighting: 0.5 class_weighting: 2 "
    param += f"class_weighting: 1 class_weighting: 9 normalization: {mode} }}"
    net = single_layer("SoftmaxWithLoss", {"x": (2, 4, 3, 2), "y": (2, 1, 3, 2)}, param, engine)
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, 3, 2, generator=random).requires_grad_()
    y = torch.randint(0, 4, (2, 1, 3, 2), generator=random).float()
    loss = net({"x": x, "y": y})["t"]
    (3 * loss).backward()
    theirs = x.detach().clone().requires_grad_()
    weights = torch.tensor([0.5, 2, 1, 0])
    wanted = torch.nn.functional.cross_entropy(theirs, y[:, 0].long(), weights, reduction="sum")
    wanted = wanted / {"VALID": int((y != 3).sum()), "FULL": 12, "NONE": 1}[mode]
    (3 * wanted).backward()
    torch.testing.assert_close(loss, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(x.grad, theirs.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("type_name", "said"), [
    ("SoftmaxWithLoss", "4 class_weighting, one for each class, found 1"),
    ("SigmoidCrossEntropyLoss", "no weight_by_label_freqs, which SegNet's SoftmaxWithLoss has"),
])  # fmt: skip
def test_weights_of_classes_that_cannot_be(type_name, said):
    shapes = {"x": (2, 4), "y": (2,) if type_name == "SoftmaxWithLoss" else (2, 4)}
    with pytest.raises(InputError, match=said):
        single_layer(type_name, shapes, "loss_param { weight_by_label_freqs: true class_weighting: 1 }")
    single_layer(type_name, shapes, "loss_param { weight_by_label_freqs: false class_weighting: 1 }")


def segmentation(x, y, ignored):
    """DeepLab's three measures by a loop, of scores (N, K, H, W) and labels (N, 1, H, W)."""
    counts = np.zeros((x.shape[1],) * 2)
    for n, i, j in np.ndindex(x.shape[0], *x.shape[2:]):
        if y[n, 0, i, j] not in ignored:
            best = max(range(x.shape[1]), key=lambda k: (x[n, k, i, j], k))
            counts[int(y[n, 0, i, j]), best] += 1
    there, found, right = counts.sum(1), counts.sum(0), counts.diagonal()
    recalls = [r / t for r, t in zip(right, there, strict=True) if t]
    unions = [r / (t + f - r) if t + f else 1 for r, t, f in zip(right, there, found, strict=True)]
    return [right.sum() / counts.sum(), np.mean(recalls), np.mean(unions)], counts


def test_deeplabs_measures_of_a_segmentation():
    random, shapes = np.random.default_rng(2), {"x": (2, 5, 3, 4), "y": (2, 1, 3, 4)}
    param = "seg_accuracy_param { ignore_label: 255 ignore_label: 3 %s }"
    each, summed = (single_layer("SegAccuracy", shapes, param % more) for more in ("", "reset: false"))
    scores, labels = [], []
    for _ in range(3):
        x = random.integers(0, 4, shapes["x"]).astype(np.float32)  # with ties
        x[:, 4] = -1  # found nowhere
        y = random.choice([0, 1, 2, 3, 255], shapes["y"]).astype(np.float32)  # class 4 is nowhere
        scores, labels = [*scores, x], [*labels, y]
        blobs = {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}
        ours = each(blobs)["t"]
        assert ours.shape == (1, 1, 1, 3)
        np.testing.assert_allclose(ours[0, 0, 0], segmentation(x, y, (255, 3))[0], rtol=1e-6)
        of_all = segmentation(np.concatenate(scores), np.concatenate(labels), (255, 3))[0]
        np.testing.assert_allclose(summed(blobs)["t"][0, 0, 0], of_all, rtol=1e-6)
    blobs["y"] = torch.full(shapes["y"], 255.0)
    assert each(blobs)["t"].flatten().tolist() == [0, 0, 1]
    blobs["y"] = torch.full(shapes["y"], 7.0)
    with pytest.raises(InputError, match="labels from 0 to 4, found 7"):
        each(blobs)
