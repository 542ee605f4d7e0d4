"""Convolutions without shared weights against a loop over everything, forward and backward."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.numeric_gradient import numeric_gradient
from tests.prototxt_import.single_layer import single_layer

SHAPE = (2, 2, 5, 6)
FILLERS = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
PARAM = "num_output: 3 kernel_size: 3 stride: 2 pad: 1"


def by_loops(x, weight, bias, kernel, stride, pad):
    """Blobs as Caffe's forks keep them: weight (outputs, 1, C · kernel², places), bias (1, 1, outputs, places)."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    high, wide = ((n - kernel) // stride + 1 for n in x.shape[2:])
    y, biases = np.zeros((len(x), len(weight), high, wide)), bias.size // len(weight)
    for n, o, i, j in np.ndindex(y.shape):
        seen = x[n, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel].reshape(-1)
        y[n, o, i, j] = seen @ weight[o, 0, :, i * wide + j] + bias.reshape(len(weight), -1)[o, (i * wide + j) % biases]
    return y


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(
    ("type_name", "param"),
    [
        ("Local", "local_param"),
        ("LocallyConnected", "locally_connected_param"),
        ("LocalWeightedConvolution", "local_weighted_convolution_param"),
    ],
)
def test_against_loops(engine, type_name, param):
    net = single_layer(type_name, {"x": SHAPE}, f"{param} {{ {PARAM} {FILLERS} }}", engine, seed=2)
    layer, random = net.layers["l"], np.random.default_rng(3)
    assert layer.weight.shape == (3, 1, 18, 9)
    assert layer.bias.shape == ((1, 1, 1, 3) if type_name == "LocalWeightedConvolution" else (1, 1, 3, 9))
    values, slopes = random.standard_normal(SHAPE), random.standard_normal((2, 3, 3, 3))
    weight, bias = (blob.detach().numpy().astype(np.float64) for blob in (layer.weight, layer.bias))
    x = torch.from_numpy(values.astype(np.float32)).requires_grad_()
    y = net({"x": x})["t"]
    assert y.shape == net.blob_shapes["t"]
    np.testing.assert_allclose(y.detach(), by_loops(values, weight, bias, 3, 2, 1), rtol=1e-4, atol=1e-5)
    (y * torch.from_numpy(slopes)).sum().backward()
    for found, at, of in (
        (x.grad, values, lambda v: by_loops(v, weight, bias, 3, 2, 1)),
        (layer.weight.grad, weight, lambda v: by_loops(values, v, bias, 3, 2, 1)),
        (layer.bias.grad, bias, lambda v: by_loops(values, weight, v, 3, 2, 1)),
    ):
        wanted = numeric_gradient(lambda v, of=of: float((of(v) * slopes).sum()), at)
        np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


def test_same_weights_everywhere_are_a_convolution():
    local = single_layer("Local", {"x": SHAPE}, f"local_param {{ {PARAM} bias_term: false {FILLERS} }}", seed=2)
    convolution = single_layer(
        "Convolution", {"x": SHAPE}, f"convolution_param {{ {PARAM} bias_term: false {FILLERS} }}", seed=4
    )
    with torch.no_grad():
        weight = convolution.layers["l"].weight.reshape(3, 1, 18, 1)
        local.layers["l"].weight.copy_(weight.expand(3, 1, 18, 9))
        x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(local({"x": x})["t"], convolution({"x": x})["t"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("param", "sentence"),
    [("num_output: 0 kernel_size: 3", "num_output above 0"), ("num_output: 1 kernel_size: 9", "fits into the padded"),
     ("num_output: 2 kernel_size: 1 group: 2", "one group"), ("num_output: 1", "kernel size above 0")],
)  # fmt: skip
def test_what_is_refused(param, sentence):
    with pytest.raises(InputError, match=sentence):
        single_layer("Local", {"x": SHAPE}, f"local_param {{ {param} }}")
