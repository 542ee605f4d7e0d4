"""Pooling's sizes as the prototxt's fields ask for them."""

import pytest

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net


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
