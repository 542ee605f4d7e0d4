"""Snappy's raw format, and what only looks like it."""

import numpy as np
import pytest

from data_lmdb.records.snappy import BrokenSnappy, decompress
from tests.data_lmdb.records.leveldb_writer import squeezed


@pytest.mark.parametrize("length", [0, 1, 7, 60, 61, 300, 5000])
def test_what_was_compressed_comes_back(length: int) -> None:
    random = np.random.default_rng(length)
    data = np.repeat(random.integers(0, 9, length, np.uint8), random.integers(1, 40, length)).tobytes()
    assert decompress(squeezed(data)) == data


def test_every_kind_of_copy() -> None:
    literal = b"\x14" + b"abcdef"
    copies = bytes([(4 - 4) << 2 | 1, 6]) + bytes([(5 - 1) << 2 | 2, 3, 0]) + bytes([(9 - 1) << 2 | 3, 2, 0, 0, 0])
    assert decompress(b"\x18" + literal + copies) == b"abcdef" + b"abcd" + b"bcdbc" + b"bcbcbcbcb"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 11,
        b"\x05\x00a",
        b"\x01\x08ab",
        b"\x02\xf4a",
        b"\x04\x01\x00",
        b"\x04\x00a\x01\x00",
        b"\x04\x00a\x01\x02",
        b"\x04\x00a\x02\x01",
        b"\xff\xff\x7f\x00a",
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenSnappy):
        decompress(data)
