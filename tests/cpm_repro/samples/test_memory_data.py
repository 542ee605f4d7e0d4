"""MemoryData: what a program hands in comes in order and again; what does not fit is refused."""

from pathlib import Path

import numpy as np
import pytest

from cpm_repro.samples.memory_data import MemoryData
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import read_net
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import layer_of

PARAM = "memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 }"
LAYER = f'name: "mem" type: "MemoryData" top: "d" top: "l" {PARAM}'


def test_batches_come_in_order_and_again() -> None:
    layer = MemoryData(layer_of(LAYER))
    layer.reset(np.arange(12).reshape(4, 1, 1, 3), np.arange(4))
    assert [layer.next_batch()["l"].flatten().tolist() for _ in range(3)] == [[0, 1], [2, 3], [0, 1]]
    state = layer.state()
    assert layer.next_batch()["d"].flatten().tolist() == [6, 7, 8, 9, 10, 11]
    layer.restore(state)
    assert layer.next_batch()["l"].shape == layer.shapes["l"] == (2, 1, 1, 1)


@pytest.mark.parametrize("shape, labels", [((3, 1, 1, 3), 3), ((2, 1, 3, 1), 2), ((2, 1, 1, 3), 3), ((0, 1, 1, 3), 0)])
def test_what_does_not_fit_is_refused(shape: tuple[int, ...], labels: int) -> None:
    with pytest.raises(InputError, match="layer mem: expected data of shape"):
        MemoryData(layer_of(LAYER)).reset(np.zeros(shape), np.zeros(labels))


def test_without_data_there_are_no_batches() -> None:
    layer = MemoryData(layer_of(LAYER))
    with pytest.raises(InputError, match="layer mem: expected data from a program"):
        layer.next_batch()
    with pytest.raises(InputError, match="found row 2"):
        layer.restore({"row": 2})


def test_the_originals_passes(golden2: Path) -> None:
    recorded = np.load(golden2 / "data/memory.npz")
    layer = MemoryData(read_net(golden2 / "data/memory.prototxt").layer[0])
    layer.reset(recorded["reset/data"], recorded["reset/label"])
    for number in range(5):
        for top, blob in layer.next_batch().items():
            assert_same_bits(blob.numpy(), recorded[f"{number}/{top}"], f"{number}/{top}")
