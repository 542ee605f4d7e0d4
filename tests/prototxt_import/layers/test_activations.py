"""Activations of forks, against their formulas and OpenCV's."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.numeric_gradient import numeric_gradient
from tests.prototxt_import.opencv import opencvs_blob
from tests.prototxt_import.single_layer import single_layer

FORMULAS = {
    ("Mish", ""): lambda x: x * np.tanh(np.logaddexp(0, x)),
    ("NegReLU", ""): lambda x: np.minimum(x, 0),
    ("NegReLU", "relu_param { negative_slope: 0.1 }"): lambda x: np.minimum(x, 0) + 0.1 * np.maximum(x, 0),
    ("MinReLU", ""): lambda x: np.minimum(x, 0),
    ("MinReLU", "minrelu_param { positive_slope: 0.2 }"): lambda x: np.minimum(x, 0) + 0.2 * np.maximum(x, 0),
    ("Insanity", "insanity_param { lb: 3 ub: 5 }"): lambda x: np.maximum(x, 0) + np.minimum(x, 0) * np.log(5 / 3) / 2,
    ("SeLu", ""): lambda x: 1.050700987 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
    ("SeLu", "selu_param { alpha: 0.5 lambda: 2 }"): lambda x: 2 * np.where(x > 0, x, 0.5 * np.expm1(x)),
    ("HardSwish", ""): lambda x: x * np.clip(x + 3, 0, 6) / 6,
    ("HardSigmoid", ""): lambda x: np.clip(x * 0.2 + 0.5, 0, 1),
    ("HardSigmoid", "hard_sigmoid_param { alpha: 0.3 beta: 0.4 }"): lambda x: np.clip(x * 0.3 + 0.4, 0, 1),
    ("HardSigmoid", "hardsigmoid_param { alpha: 0.1 }"): lambda x: np.clip(x * 0.1 + 0.5, 0, 1),
}


def test_swish_and_relu6():
    x = torch.linspace(-9, 9, 20, requires_grad=True)
    y = single_layer("Swish", {"x": (20,)}, "swish_param { beta: 1.5 }")({"x": x})["t"]
    torch.testing.assert_close(y, x / (1 + torch.exp(-1.5 * x)))
    y = single_layer("ReLU6", {"x": (20,)})({"x": x})["t"]
    y.sum().backward()
    assert torch.equal(y, x.clamp(0, 6)) and torch.equal(x.grad != 0, (x > 0) & (x < 6))


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
@pytest.mark.parametrize(("type_name", "param"), FORMULAS)
def test_against_the_formula(engine, type_name, param):
    values, formula = np.linspace(-7.3, 7.1, 41, dtype=np.float32), FORMULAS[type_name, param]
    x = torch.from_numpy(values).requires_grad_()
    y = single_layer(type_name, {"x": (41,)}, param, engine)({"x": x})["t"]
    np.testing.assert_allclose(y.detach(), formula(values.astype(np.float64)), rtol=1e-5, atol=1e-6)
    y.sum().backward()
    np.testing.assert_allclose(
        x.grad, numeric_gradient(lambda v: float(formula(v).sum()), values), rtol=1e-5, atol=1e-5
    )


def test_mish_against_opencv(tmp_path):
    text = 'name: "n" input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 5 } '
    text += 'layer { name: "t" type: "Mish" bottom: "data" top: "t" }'
    net, x = Net(parse_net(text, "n")), np.random.default_rng(1).uniform(-6, 6, (1, 2, 3, 5)).astype(np.float32)
    ours = net({"data": torch.from_numpy(x)})["t"].numpy()
    np.testing.assert_allclose(ours, opencvs_blob(net, text, {"data": x}, "t", tmp_path), rtol=1e-5, atol=1e-6)


def test_two_names_of_one_message():
    with pytest.raises(InputError, match="hard_sigmoid_param or hardsigmoid_param, as forks call it, found both"):
        single_layer("HardSigmoid", {"x": (2,)}, "hard_sigmoid_param { beta: 1 } hardsigmoid_param { beta: 1 }")


def test_brelu():
    x = torch.linspace(-2, 2, 9).requires_grad_()
    y = single_layer("BReLU", {"x": (9,)}, "brelu_param { minval: 0 maxval: 1 }")({"x": x})["t"]
    y.sum().backward()
    assert y.tolist() == [0, 0, 0, 0, 0, 0.5, 1, 1, 1]
    assert x.grad[[0, 5, 8]].tolist() == [0, 1, 0]
    with pytest.raises(InputError, match="a minval and a maxval not below it"):
        single_layer("BReLU", {"x": (9,)}, "brelu_param { minval: 1 maxval: 0 }")


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_insanity_draws_a_divisor_for_each_value(engine):
    param, x = "insanity_param { lb: 3 ub: 8 }", torch.linspace(-4, 3, 3000).requires_grad_()
    y = single_layer("Insanity", {"x": (3000,)}, param, engine, phase="TRAIN")({"x": x})["t"]
    y.sum().backward()
    below, divisors = x.detach() < 0, (x / y).detach()
    assert torch.equal(y[~below], x[~below]) and (x.grad[~below] == 1).all()
    drawn = divisors[below]
    torch.testing.assert_close(x.grad[below], 1 / drawn)
    assert 2.99 < drawn.min() < 3.1 and 7.9 < drawn.max() < 8.01 and abs(float(drawn.mean()) - 5.5) < 0.2
    with pytest.raises(InputError, match="an lb above 0 and an ub above it, found lb 5 and ub 3"):
        single_layer("Insanity", {"x": (2,)}, "insanity_param { lb: 5 ub: 3 }")
