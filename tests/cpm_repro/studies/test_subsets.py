"""LMDBs of others' records: the same bytes, in the order that is said."""

import pytest

from cpm_repro.studies.subsets import part, together, with_others
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode_annotations
from prototxt_import.files import InputError
from tests.annotated_people import values_in


@pytest.fixture
def people(drawn):
    return drawn.train


def values(path):
    return [value for _, value in values_in(path)]


def test_parts_and_all_together(people, tmp_path):
    every = values(people)
    first, rest = part(tmp_path / "a", people, 0, 3), part(tmp_path / "b", people, 3, 999)
    assert values(first) == every[:3] and values(rest) == every[3:]
    both = values(together(tmp_path / "both", [first, rest]))
    assert sorted(both) == sorted(every) and both != every
    assert (
        values(together(tmp_path / "again", [first, rest]))
        == both
        != values(together(tmp_path / "c", [first, rest], 1))
    )


def test_pictures_of_several_people(people, tmp_path):
    crowd = with_others(tmp_path / "crowd", people)
    with LmdbReader(crowd) as reader:
        assert all(decode_annotations(bytes(value), 16, "it").others for value in reader)
    alone = [value for value in values(people) if not decode_annotations(value, 16, "it").others]
    assert sorted([*values(crowd), *alone]) == sorted(values(people))
    one = part(tmp_path / "one", people, 0, 1)
    if decode_annotations(values(one)[0], 16, "it").others:
        assert values(with_others(tmp_path / "x", one)) == values(one)
    else:
        with pytest.raises(InputError, match="expected pictures with several annotated people, found none"):
            with_others(tmp_path / "x", one)
