"""DummyData, whose fillers draw from the net's generator in every pass; how many numbers data layers take at set-up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.deployment import Variant
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import assert_golden_passes


def dummy(parameters: str, tops: str = 'top: "a" top: "b"') -> Net:
    text = f'layer {{ name: "n" type: "DummyData" {tops} dummy_data_param {{ {parameters} }} }}'
    return Net(parse_net(text, "net"), "TRAIN", seed=5)


def test_new_numbers_come_in_every_pass() -> None:
    fillers = 'data_filler { type: "gaussian" std: 2 } data_filler { value: 3 }'
    net = dummy(f"shape {{ dim: 2 dim: 3 }} shape {{ dim: 4 }} {fillers}")
    random = CaffeRandom(5)
    for _ in range(2):
        blobs = net({})
        assert_same_bits(blobs["a"].numpy(), random.normal(0, 2, 6).reshape(2, 3))
        assert blobs["b"].tolist() == [3] * 4


def test_one_filler_and_one_shape_are_for_all_tops() -> None:
    blobs = dummy("num: 2 channels: 1 height: 3 width: 1 width: 2")({})
    assert blobs["a"].shape == (2, 1, 3, 1) and blobs["b"].shape == (2, 1, 3, 2)
    assert not torch.any(blobs["b"])


@pytest.mark.parametrize(
    "parameters, expected",
    [
        ("", "one shape or 2"),
        ("num: 1", "once or 2 times"),
        ("shape { dim: 1 } num: 1", "either shape or"),
        ("shape { dim: 1 } data_filler { } data_filler { } data_filler { }", "no data_filler, one or 2"),
    ],
)
def test_what_does_not_fit_is_refused(parameters: str, expected: str) -> None:
    with pytest.raises(InputError, match=f"layer 'n' .*{expected}"):
        dummy(parameters)


@pytest.mark.parametrize(
    "layer, count",
    [
        ('type: "CPMData" cpmdata_param { batch_size: 1 }', 2),
        ('type: "HDF5Data"', 0),
        ('type: "Data"', 2),
        ('type: "Data" transform_param { mirror: true }', 4),
        ('type: "ImageData" transform_param { crop_size: 3 } image_data_param { shuffle: true rand_skip: 2 }', 5),
        ('type: "ImageData"', 1),
    ],
)
def test_draws_at_set_up(layer: str, count: int) -> None:
    text = f'layer {{ name: "n" top: "a" {layer} }}'
    net = Net(parse_net(text, "net"), "TRAIN", seed=9, data_shapes={"n": [(1, 1)]} if "CPM" not in layer else None)
    assert np.array_equal(net.layer("n").drawn, CaffeRandom(9).draws(count))


@pytest.mark.parametrize("name, seed", [("dummy", 505), ("dummy_legacy", 506)])
def test_the_originals_passes(golden2: Path, name: str, seed: int) -> None:
    assert_golden_passes(golden2 / f"data/{name}.prototxt", "TRAIN", seed)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_a_continuation_indicator_stays_where_inputs_take_the_data_layers_place(engine: str) -> None:
    text = """
    layer { name: "data" type: "Data" top: "data" top: "label" }
    layer { name: "i" type: "ContinuationIndicator" top: "i"
            continuation_indicator_param { time_step: 3 batch_size: 2 } }
    layer { name: "lstm" type: "LSTM" bottom: "data" bottom: "i" top: "lstm" recurrent_param { num_output: 4 } }
    layer { name: "loss" type: "CtcLoss" bottom: "lstm" bottom: "label" top: "loss" }
    """
    net = Net(Variant(input_shapes={"data": (3, 2, 5)}).of(text, "net"), "TEST", engine=engine)
    blobs = net({"data": torch.zeros(3, 2, 5)})
    assert blobs["i"].tolist() == [[0, 0], [1, 1], [1, 1]] and blobs["lstm"].shape == (3, 2, 4)
    with pytest.raises(InputError, match="a time_step and a batch_size above 0"):
        Net(parse_net('layer { name: "i" type: "ContinuationIndicator" top: "i" }', "net"), "TEST")
