"""A blob as a layer."""

import pytest
import torch

from tests.prototxt_import.single_layer import single_layer


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_top_is_the_blob_and_its_gradient_the_blobs(engine):
    net = single_layer("Parameter", {}, "parameter_param { shape { dim: 2 dim: 3 } }", engine)
    value = net.layers["l"].value
    with torch.no_grad():
        value.copy_(torch.arange(6.0).reshape(2, 3))
    for factor in (1.0, 3.0):  # not added up: in Caffe the top's gradient and the blob's are one
        top = net({})["t"]
        (top * factor).sum().backward()
        assert torch.equal(top, value) and torch.equal(value.grad, torch.full((2, 3), factor))
