"""BatchNorm and Normalize of a vector; BN as SegNet's fork and PSPNet's have it, against torch's own."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from prototxt_import.files import InputError
from tests.prototxt_import.numeric_gradient import numeric_gradient
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])
SHAPE = (3, 4, 5, 6)
SEGNET = "scale_filler { type: 'constant' value: 2 } shift_filler { type: 'constant' value: 0.5 }"
PSPNET = "slope_filler { type: 'constant' value: 2 } bias_filler { type: 'constant' value: 0.5 } momentum: 0.95"


def bn(fields, engine, phase="TEST"):
    return single_layer("BN", {"x": SHAPE}, f"bn_param {{ {fields} }}".replace("'", '"'), engine, phase=phase, seed=1)


def x():
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)) * 3 + 1


@ENGINES
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_segnets_learns_from_the_batch_in_every_phase(engine, phase):
    net, ours, theirs = bn(SEGNET, engine, phase), x().requires_grad_(), x().requires_grad_()
    layer = net.layers["l"]
    assert layer.blob_names == ["factor", "offset"] and layer.factor.shape == (1, 4, 1, 1)
    y = net({"x": ours})["t"]
    wanted = F.batch_norm(theirs, None, None, torch.full((4,), 2.0), torch.full((4,), 0.5), training=True, eps=1e-9)
    weight = torch.randn(SHAPE)
    (y * weight).sum().backward()
    (wanted * weight).sum().backward()
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.offset.grad.flatten(), weight.sum((0, 2, 3)), rtol=1e-5, atol=1e-4)


@ENGINES
def test_segnets_inference_only_scales_and_shifts(engine):
    y = bn(f"{SEGNET} bn_mode: INFERENCE", engine)({"x": x()})["t"]
    torch.testing.assert_close(y, x() * 2 + 0.5)


@ENGINES
def test_pspnets_moves_its_statistics_in_training_and_uses_them_in_testing(engine):
    training, testing = bn(PSPNET, engine, "TRAIN"), bn(PSPNET, engine)
    layer = training.layers["l"]
    mean, variance = torch.zeros(4), torch.ones(4)
    scale, shift = torch.full((4,), 2.0), torch.full((4,), 0.5)
    wanted = F.batch_norm(x(), None, None, scale, shift, training=True, eps=1e-5)
    torch.testing.assert_close(training({"x": x()})["t"], wanted, rtol=1e-5, atol=1e-5)
    mean, variance = (
        mean * 0.95 + x().mean((0, 2, 3)) * 0.05,
        variance * 0.95 + x().var((0, 2, 3), unbiased=False) * 0.05,
    )
    torch.testing.assert_close(layer.mean.flatten(), mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.variance.flatten(), variance, rtol=1e-5, atol=1e-5)
    testing.load_state_dict(training.state_dict())
    wanted = F.batch_norm(x(), mean, variance, scale, shift, eps=1e-5)
    torch.testing.assert_close(testing({"x": x()})["t"], wanted, rtol=1e-5, atol=1e-5)
    frozen = bn(f"{PSPNET} frozen: true", engine, "TRAIN")
    frozen.load_state_dict(training.state_dict())
    torch.testing.assert_close(frozen({"x": x()})["t"], wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(frozen.layers["l"].mean, layer.mean)


@ENGINES
def test_pspnets_first_one_moves_its_statistics_from_0_by_decay(engine):
    first = f"{SEGNET} moving_average: true decay: 0.25"
    training, testing = bn(first, engine, "TRAIN"), bn(first, engine)
    layer, scale, shift = training.layers["l"], torch.full((4,), 2.0), torch.full((4,), 0.5)
    assert layer.blob_names == ["factor", "offset", "mean", "variance"] and not layer.variance.any()
    ours, theirs = x().requires_grad_(), x().requires_grad_()
    y, wanted = training({"x": ours})["t"], F.batch_norm(theirs, None, None, scale, shift, training=True, eps=1e-10)
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-5)
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    (y * weight).sum().backward()
    (wanted * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    mean, variance = x().mean((0, 2, 3)) * 0.25, x().var((0, 2, 3), unbiased=False) * 0.25
    torch.testing.assert_close(layer.mean.flatten(), mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(layer.variance.flatten(), variance, rtol=1e-5, atol=1e-5)
    testing.load_state_dict(training.state_dict())
    by_stored = F.batch_norm(x(), mean, variance, scale, shift, eps=1e-10)
    torch.testing.assert_close(testing({"x": x()})["t"], by_stored, rtol=1e-5, atol=1e-5)
    without = bn(f"{SEGNET} decay: 0.25", engine)
    without.load_state_dict(training.state_dict())
    torch.testing.assert_close(without({"x": x()})["t"], wanted, rtol=1e-5, atol=1e-5)
    assert torch.equal(without.layers["l"].mean, layer.mean)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("bn_mode: LEARN frozen: true", "bn_mode and frozen"),
        ("moving_average: true bn_mode: LEARN", "moving_average and bn_mode"),
        ("decay: 0.1 momentum: 0.9", "decay and momentum"),
    ],
)
def test_fields_of_two_forks_are_refused(fields, found):
    with pytest.raises(InputError, match=f"the fields of one fork, found {found}"):
        bn(fields, "fast")


@pytest.mark.parametrize("engine", ["exact", "fast", "plain"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_vector_has_one_channel(engine, phase):
    net, x = single_layer("BatchNorm", {"x": (6,)}, "", engine, phase=phase), torch.arange(6.0)
    expected = (x - 2.5) / (17.5 / 6 + 1e-5) ** 0.5 if phase == "TRAIN" else x / 1e-5**0.5
    torch.testing.assert_close(net({"x": x})["t"].detach(), expected)


NVIDIA = "batch_norm_param { scale_bias: true moving_average_fraction: 0.9 eps: 1e-7 }"


@ENGINES
def test_nvidias_scales_too_and_stores_averages(engine):
    training, testing = (single_layer("BatchNorm", {"x": SHAPE}, NVIDIA, engine, seed=1, phase=phase)
                         for phase in ("TRAIN", "TEST"))  # fmt: skip
    layer = training.layers["l"]
    assert layer.blob_names == ["mean", "variance", "factor", "scale", "bias"]
    assert layer.factor.item() == 1 and (layer.scale == 1).all() and (layer.bias == 0).all()
    scale, bias = torch.tensor([1.0, 2, -1, 0.5]), torch.tensor([0.0, 1, 2, 3])
    with torch.no_grad():
        layer.scale.copy_(scale)
        layer.bias.copy_(bias)
    ours, theirs = x().requires_grad_(), x().requires_grad_()
    y = training({"x": ours})["t"]
    wanted = F.batch_norm(theirs, None, None, scale, bias, training=True, eps=1e-5)
    weight = torch.randn(SHAPE, generator=torch.Generator().manual_seed(2))
    (y * weight).sum().backward()
    (wanted * weight).sum().backward()
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad, weight.sum((0, 2, 3)), rtol=1e-5, atol=1e-4)
    mean, variance = x().mean((0, 2, 3)) * 0.1, x().var((0, 2, 3), unbiased=False) * 0.1
    torch.testing.assert_close(layer.mean.detach(), mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.variance.detach(), variance, rtol=1e-5, atol=1e-6)
    testing.load_state_dict(training.state_dict())
    wanted = F.batch_norm(x(), mean, variance, scale, bias, eps=1e-5)
    torch.testing.assert_close(testing({"x": x()})["t"], wanted, rtol=1e-5, atol=1e-5)


def test_nvidias_weights_come_and_go_in_a_caffemodel():
    net = single_layer("BatchNorm", {"x": SHAPE}, "batch_norm_param { scale_filler { value: 2 } }", seed=1)
    stored = net.to_caffemodel()
    assert [list(blob.shape.dim) for blob in stored.layer[-1].blobs] == [[4], [4], [1], [4], [4]]
    with torch.no_grad():
        net.layers["l"].scale.fill_(0)
    net.load_weights(stored)
    assert (net.layers["l"].scale == 2).all()


@ENGINES
def test_normalize_takes_vectors(engine):
    more = "norm_param { across_spatial: false channel_shared: false scale_filler { type: 'uniform' min: 1 max: 9 } }"
    net = single_layer("Normalize", {"x": (3, 5)}, more.replace("'", '"'), engine, seed=2)
    ours, theirs = (x()[0, :3, :, 0].clone().requires_grad_() for _ in range(2))
    y, wanted = net({"x": ours})["t"], F.normalize(theirs) * net.layers["l"].scale.detach()
    weights = torch.linspace(-1, 2, 15).reshape(3, 5)
    (y * weights).sum().backward(), (wanted * weights).sum().backward()
    torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@ENGINES
@pytest.mark.parametrize("type_name", ["L2Norm", "L2Normalization"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 3, 4, 5)])
def test_the_norm_of_an_image(engine, type_name, shape):
    values = np.random.default_rng(5).standard_normal(shape).astype(np.float32)
    weights = np.random.default_rng(6).standard_normal(shape)

    def formula(x):
        return x / np.sqrt((x * x).reshape(len(x), -1).sum(1)).reshape(-1, *(1,) * (x.ndim - 1))

    given = torch.from_numpy(values).requires_grad_()
    y = single_layer(type_name, {"x": shape}, "", engine)({"x": given})["t"]
    np.testing.assert_allclose(y.detach(), formula(values.astype(np.float64)), rtol=1e-5, atol=1e-7)
    (y * torch.from_numpy(weights)).sum().backward()
    slopes = numeric_gradient(lambda v: float((formula(v) * weights).sum()), values)
    np.testing.assert_allclose(given.grad, slopes, rtol=1e-4, atol=1e-6)


def test_nothing_has_no_norm():
    x = torch.zeros(2, 3, requires_grad=True)
    y = single_layer("L2Norm", {"x": (2, 3)})({"x": x})["t"]
    y.sum().backward()
    assert (y == 0).all() and x.grad.isfinite().all()
