"""Images left out, repeated, reordered; gradients of repeated ones in their order."""

import pytest
import torch

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])


@ENGINES
def test_filter(engine):
    net = single_layer("Filter", {"x": (4, 2, 3), "y": (4, 5), "s": (4, 1)}, engine=engine, tops=("t", "u"))
    x, y = torch.randn(4, 2, 3, requires_grad=True), torch.randn(4, 5)
    blobs = net({"x": x, "y": y, "s": torch.tensor([[0.0], [1], [0], [-2]])})
    assert torch.equal(blobs["t"], x[[1, 3]]) and torch.equal(blobs["u"], y[[1, 3]])
    blobs["t"].sum().backward()
    assert x.grad[:, 0, 0].tolist() == [0, 1, 0, 1]
    with pytest.raises(InputError, match="a last bottom of one value for each image"):
        single_layer("Filter", {"x": (4, 2), "s": (4, 2)})


@ENGINES
def test_batch_reindex(engine):
    net = single_layer("BatchReindex", {"x": (3, 2), "i": (4,)}, engine=engine)
    x = torch.randn(3, 2, requires_grad=True)
    y = net({"x": x, "i": torch.tensor([2.0, 0, 2, 2])})["t"]
    assert torch.equal(y, x[[2, 0, 2, 2]])
    y.backward(torch.tensor([[1.0], [5], [2.0**-24], [2.0**-24]]).expand(4, 2))
    assert x.grad[:, 0].tolist() == [5, 0, 1]  # (1 + 2^-24) + 2^-24; the other order would give 1 + 2^-23
    with pytest.raises(InputError, match="labels from 0 to 2, found 3"):
        net({"x": x, "i": torch.tensor([2.0, 0, 3, 2])})
