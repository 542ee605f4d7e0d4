"""Rows of a table by index."""

import pytest
import torch

from tests.prototxt_import.single_layer import single_layer


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_embed(engine):
    more = (
        'embed_param { num_output: 3 input_dim: 5 weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } }'
    )
    net = single_layer("Embed", {"x": (2, 2)}, more, engine, seed=1)
    layer = net.layers["l"]
    y = net({"x": torch.tensor([[4.0, 0], [4, 4]])})["t"]
    assert torch.equal(y, layer.weight[torch.tensor([[4, 0], [4, 4]])] + layer.bias)
    y.backward(torch.tensor([1.0, 5, 2.0**-24, 2.0**-24]).reshape(2, 2, 1).expand(2, 2, 3))
    assert layer.weight.grad[:, 0].tolist() == [5, 0, 0, 0, 1]  # in the order of the indices
    assert layer.bias.grad.tolist() == [6, 6, 6]
