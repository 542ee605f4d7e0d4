"""A recipe's digest says what is trained, not where; what it starts from counts."""

from dataclasses import replace
from pathlib import Path

import pytest

from cpm_repro.studies.data import Data
from cpm_repro.studies.networks import recipe
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import read_net
from tests.cpm_repro.studies.tiny import SIZE


def data(folder="a", digest="1"):
    return Data("people", Path(f"/{folder}/train"), Path(f"/{folder}/held_out"), digest, digest)


def test_the_digest_is_of_what_is_trained():
    one = recipe("x", SIZE, data(), 1)
    assert one.digest == recipe("another name", SIZE, data("elsewhere"), 1).digest
    others = [
        recipe("x", SIZE, data(), 2),
        recipe("x", SIZE, data(digest="2"), 1),
        recipe("x", SIZE, data(), 1, stages=1),
        recipe("x", replace(SIZE, base_lr=1), data(), 1),
        replace(one, start=one),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 6


def test_samples_and_lineage_count_what_it_starts_from():
    one = recipe("x", SIZE, data(), 1)
    two = replace(one, name="y", start=one)
    assert (one.samples, two.samples) == (12, 24) and two.lineage == [one, two]


def test_a_path_that_a_prototxt_cannot_hold_is_refused_where_it_has_to_be_named(tmp_path):
    """One below the same folder has not."""
    one = recipe("x", SIZE, replace(data(), train=tmp_path / "\udcff" / "lmdb"), 1)
    one.write(tmp_path / "\udcff" / "trainings" / "z")
    with pytest.raises(InputError, match="lmdb: expected a path in UTF-8, all that a prototxt can hold, found"):
        one.write(tmp_path / "z")


def test_the_files_name_the_lmdb_from_their_folder(tmp_path):
    one = recipe("x", SIZE, replace(data(), train=tmp_path / "lmdb"), 1)
    one.write(tmp_path / "trainings" / "z")
    assert read_net(tmp_path / "trainings/z/train.prototxt").layer[0].cpmdata_param.source == "../../lmdb"
