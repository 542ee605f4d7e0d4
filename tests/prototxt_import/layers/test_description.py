"""What a net says of itself, and of what it was called with."""

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

TEXT = """name: "pose" input: "data" input_shape { dim: 1 dim: 4 dim: 12 dim: 10 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
"""


def test_a_net_shows_its_sizes() -> None:
    shown = repr(Net(parse_net(TEXT, "n"))).splitlines()
    assert shown[0] == "Net 'pose', 3 layers, 222 values learned"
    assert [" ".join(line.split()) for line in shown[1:]] == [
        "input Input data 1 x 4 x 12 x 10",
        "conv Convolution conv 1 x 6 x 10 x 8 weight 6 x 4 x 3 x 3, bias 6",
        "relu ReLU conv 1 x 6 x 10 x 8",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("x.jpg", "expected input blobs by name, .*found the text 'x.jpg'; for a picture's file see cpm_repro"),
        (torch.zeros(1, 4, 12, 10), 'expected input blobs by name, {"data": tensor 1 x 4 x 12 x 10}, found a Tensor'),
        ({}, "expected the input blob 'data', found"),
        ({"data": "x"}, "input blob 'data': expected a tensor 1 x 4 x 12 x 10, found a str"),
        ({"data": torch.zeros(1, 3, 12, 10)}, "expected 4 axes and 4 channels, .*found 1 x 3 x 12 x 10"),
        ({"data": torch.zeros(4, 12, 10)}, "expected 4 axes and 4 channels, .*found 4 x 12 x 10"),
    ],
)
def test_what_is_no_input(given: object, said: str) -> None:
    with pytest.raises(InputError, match=f"net 'pose': .*{said}"):
        Net(parse_net(TEXT, "n"))(given)


def test_other_sizes_are_taken() -> None:
    assert Net(parse_net(TEXT, "n"))({"data": torch.zeros(2, 4, 9, 20)})["conv"].shape == (2, 6, 7, 18)
