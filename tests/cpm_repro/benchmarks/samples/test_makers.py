"""Every peer that is installed makes this project's samples, as nearly as its pixels allow; the others are named."""

from contextlib import ExitStack

import numpy as np
import pytest

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.benchmarks.data import as_jpeg, drawn_record, transformer_for
from cpm_repro.benchmarks.samples.makers import FILE_PEERS, PEERS, Peer, opened
from data_lmdb.records.record import decode, encode

TRANSFORMER = transformer_for()
MOST, MEAN = 3 / 256, 1 / 256  # differences of pixels; mirrored or shifted by one they are several times that


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [encode(drawn_record(index)) for index in range(3)]


@pytest.mark.parametrize("name", [*PEERS, *FILE_PEERS])
def test_a_peer_makes_the_same_samples(values: list[bytes], name: str) -> None:
    data, label = (
        np.full(shape, np.nan, np.float32) for shape in (TRANSFORMER.shape.data_shape, TRANSFORMER.shape.label_shape)
    )
    peer, random = {**PEERS, **FILE_PEERS}[name], GlibcRand(5)
    with ExitStack() as stack:
        try:
            decoder, draw = peer.decoder(), peer.draw(TRANSFORMER, stack)
        except ImportError as error:
            pytest.skip(f"{error.name} is not installed")
        for value in (as_jpeg(value) if name in FILE_PEERS else value for value in values * 2):
            record, augmentation = decoder(value), TRANSFORMER.draw(random)
            draw(TRANSFORMER.place(record, augmentation), data, label)
            our_data, our_label = TRANSFORMER.apply(decode(value, 16, "record"), augmentation)
            difference = np.abs(data[:3] - our_data[:3])
            assert difference.mean() < MEAN and (name != "OpenCV" or difference.max() <= MOST)
            assert np.abs(data[3] - our_data[3]).max() < 1e-6 and np.abs(label - our_label).max() < 1e-6


def test_peers_that_are_not_there_are_named() -> None:
    def absent(transformer, stack):
        raise ImportError("none", name="albumentations")

    def broken(transformer, stack):
        raise KeyError("uint32")

    with ExitStack() as stack:
        makers, missing = opened(TRANSFORMER, {"one": Peer(absent), "other": Peer(broken)}, stack)
    assert list(makers) == ["cpm-repro"]
    assert missing == {
        "one": "albumentations is not installed",
        "other": "it cannot be imported (KeyError: 'uint32')",
    }
