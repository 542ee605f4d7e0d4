"""Pooling's sizes as the prototxt's fields ask for them, its mask, and the pyramid."""

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("", 5),
        ("ceil_mode: true", 5),
        ("ceil_mode: false", 4),
        ("round_mode: CEIL", 5),
        ("round_mode: FLOOR", 4),
    ],
)
def test_rounding(fields, size):
    text = f"""
        input: "data" input_shape {{ dim: 1 dim: 2 dim: 8 dim: 8 }}
        layer {{ name: "p" type: "Pooling" bottom: "data" top: "p"
                 pooling_param {{ kernel_size: 3 stride: 2 pad: 1 {fields} }} }}"""
    assert Net(parse_net(text, "net")).blob_shapes["p"] == (1, 2, size, size)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_a_second_top_says_where_the_maxima_are(engine):
    more = "pooling_param { kernel_size: 3 stride: 2 pad: 1 }"
    net = single_layer("Pooling", {"x": (2, 3, 6, 5)}, more, engine, ("t", "m"))
    x = torch.randn(2, 3, 6, 5, requires_grad=True)
    blobs = net({"x": x})
    assert blobs["m"].shape == blobs["t"].shape == net.blob_shapes["m"] and not blobs["m"].requires_grad
    assert torch.equal(x.flatten(2).gather(2, blobs["m"].long().flatten(2)), blobs["t"].flatten(2))
    blobs["t"].sum().backward()
    assert float(x.grad.sum()) == blobs["t"].numel()
    with pytest.raises(InputError, match="a second top, the mask, for MAX only"):
        single_layer("Pooling", {"x": (2, 3, 6, 5)}, "pooling_param { pool: AVE kernel_size: 3 }", tops=("t", "m"))


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_pyramid_has_as_many_values_for_a_map_of_any_size(engine, pool):
    for size in ((9, 11), (8, 8)):
        net = single_layer("SPP", {"x": (2, 3, *size)}, f"spp_param {{ pyramid_height: 3 pool: {pool} }}", engine)
        x = torch.randn(2, 3, *size)
        y = net({"x": x})["t"]
        assert y.shape == net.blob_shapes["t"] == (2, 3 * (1 + 4 + 16))
        whole = x.amax((2, 3)) if pool == "MAX" else x.mean((2, 3))
        if size == (8, 8):
            torch.testing.assert_close(y[:, :3], whole)


def test_a_pyramid_that_is_too_high_is_named():
    with pytest.raises(InputError, match="a map of at least 8 x 8"):
        single_layer("SPP", {"x": (2, 3, 7, 9)}, "spp_param { pyramid_height: 4 }")
