"""Raw records out of those with image files: the same people, the same pixels."""

import numpy as np
import pytest

from data_lmdb.annotations import write_json
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from data_lmdb.records.sources import read_sources
from data_lmdb.records.unpacking import joints_of, unpack
from prototxt_import.files import InputError
from tests.annotated_people import PEOPLE, annotation, write_people


def test_the_same_records(tmp_path):
    write_people(tmp_path)
    sources, folders = read_sources([tmp_path / "x.json"], "include"), [tmp_path / "first", tmp_path / "second"]
    make_lmdb(tmp_path / "packed", sources, folders, "file")
    make_lmdb(tmp_path / "expected", sources, folders, "raw")
    assert joints_of(tmp_path / "packed") == 16
    with pytest.raises(InputError, match=r"record 0000000: expected an image file in the record, .*, found a raw one"):
        joints_of(tmp_path / "expected")
    assert unpack(tmp_path / "packed", tmp_path / "raw", jobs=2) == PEOPLE
    with LmdbReader(tmp_path / "raw") as made, LmdbReader(tmp_path / "expected") as expected:
        assert [bytes(value) for value in made] == [bytes(value) for value in expected]
        assert np.any(decode(made.read(0), 16, "it").image)


def test_nine_joints(tmp_path):
    write_people(tmp_path)
    write_json(tmp_path / "nine.json", [annotation(number, joints=9) for number in range(4)])
    make_lmdb(tmp_path / "packed", read_sources([tmp_path / "nine.json"], "include"), [tmp_path / "first"], "file")
    assert joints_of(tmp_path / "packed") == 9
    assert unpack(tmp_path / "packed", tmp_path / "raw") == 4
