"""The sets that are compared: made of the LMDBs that are given now, whatever an earlier run was given."""

from dataclasses import replace

from cpm_repro.studies.more_data import BOTH, OTHER, OWN, sets
from cpm_repro.studies.study import Setting
from cpm_repro.studies.subsets import part
from cpm_repro.studies.trainer import Trainer
from tests.annotated_people import values_in
from tests.cpm_repro.studies.tiny import SIZE


def records(path):
    return sorted(value for _, value in values_in(path))


def found(out, data):
    return {name: records(path) for name, path in sets(Setting(Trainer(out, data), SIZE, 1)).items()}


def test_each_second_set_has_its_own_lmdbs(drawn, tmp_path):
    own = records(drawn.train)
    for name, first, last in (("a", 0, 2), ("b", 2, 5)):
        other = part(tmp_path / name, drawn.train, first, last)
        expected = {OWN: own, OTHER: records(other), BOTH: sorted([*own, *records(other)])}
        assert found(tmp_path, replace(drawn, more=(other,))) == expected


def test_of_drawn_people_a_sixth_is_the_first_set(drawn, tmp_path):
    sizes = {name: len(values) for name, values in found(tmp_path, drawn).items()}
    assert sizes == {OWN: round(sizes[BOTH] / 6), OTHER: sizes[BOTH] - sizes[OWN], BOTH: len(records(drawn.train))}
