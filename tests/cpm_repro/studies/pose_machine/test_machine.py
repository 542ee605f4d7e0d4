"""The sequence of predictors: held-out maps, the same bits for any number of jobs, and going on after a stop."""

from dataclasses import replace

import numpy as np
import pytest

from cpm_repro.npz import read_npz, write_npz
from cpm_repro.studies.pose_machine import machine
from cpm_repro.studies.pose_machine.machine import PoseMachine, Settings
from cpm_repro.studies.pose_machine.people import TrainingPeople, folds_of
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

pytest.importorskip("sklearn")
SMALL = Settings(stages=3, folds=3, positions=12, trees=3, smallest_leaf=2)
ROWS, COLUMNS = 5, 4


def people(count=12, parts=9):
    """Crops whose cells say where the parts are, with noise; two of each picture."""
    rng = np.random.default_rng(3)
    places = rng.uniform(0, 8 * COLUMNS, (count, parts, 2)).astype(np.float32)
    cells = rng.standard_normal((count, ROWS, COLUMNS, 3)).astype(np.float32)
    cells[:, 0, 0, 0] = places[:, 0, 0]
    return TrainingPeople(cells, places, np.arange(count) // 2, 8, 9.0)


def built(folder, of=None, settings=SMALL, jobs=1, told=lambda what: None):
    cells = np.random.default_rng(4).standard_normal((7, ROWS, COLUMNS, 3)).astype(np.float32)
    return PoseMachine(of or people(), cells, settings, folder, jobs, told)


def test_maps_are_distributions_of_every_stage(tmp_path):
    told = []
    one = built(tmp_path, told=told.append)
    stages = one.stage_maps()
    assert [maps.shape for maps in stages] == [(7, 10, ROWS, COLUMNS)] * 3
    for maps in stages:
        np.testing.assert_allclose(maps.sum(axis=1), 1, rtol=0, atol=1e-2)  # kept in half precision
    assert len(set(told)) == len(told) == one.predictors == 7 + 4 + 1


def test_any_number_of_jobs_gives_the_same_bits(tmp_path):
    """Trees are trained in any order, beliefs are added up in one."""
    one, several = (built(tmp_path / str(jobs), jobs=jobs) for jobs in (1, 3))
    for stage, (expected, found) in enumerate(zip(one.stage_maps(), several.stage_maps(), strict=True), 1):
        assert_same_bits(found, expected, f"stage {stage}")


def test_chunks_of_crops_change_nothing(tmp_path, monkeypatch):
    expected = built(tmp_path / "one").stage_maps()
    monkeypatch.setattr(machine, "AT_ONCE", 5)
    for found, known in zip(built(tmp_path / "other").stage_maps(), expected, strict=True):
        assert_same_bits(found, known, "maps")


def contexts(one):
    """What every predictor is shown of every crop that it is trained on: by (stage, without, crop)."""
    seen = {}
    for stage, without in one._choices():
        if stage > 1:
            trained = np.flatnonzero(~np.isin(one._folds, without))
            maps = one._seen(stage, frozenset(without), trained)["parts"]
            seen |= {(stage, without, int(crop)): own for crop, own in zip(trained, maps, strict=True)}
    return seen


def test_no_ones_own_labels_reach_the_maps_that_predictors_are_shown_of_him(tmp_path):
    """Of a picture whose people are all marked elsewhere, its own crops' context keeps its bits, in every stage;
    others' changes."""
    known = people()
    moved = replace(known, parts=known.parts.copy())
    crop = 5
    own_picture = np.flatnonzero(known.pictures == known.pictures[crop])
    moved.parts[own_picture] = 8 * COLUMNS - moved.parts[own_picture]
    before, after = contexts(built(tmp_path / "before", known)), contexts(built(tmp_path / "after", moved))
    assert before.keys() == after.keys()
    own = [key for key in before if key[2] in own_picture]
    assert {stage for stage, _, _ in own} == {2, 3}
    for key in own:
        assert_same_bits(after[key], before[key], f"stage, without, crop: {key}")
    assert any(after[key].tobytes() != before[key].tobytes() for key in before if key not in own)


def test_neighbours_in_a_picture_share_a_fold():
    pictures = np.array([4, 9, 4, 7, 9, 30, 31, 32])
    folds = folds_of(pictures, 3, 1)
    assert folds[0] == folds[2] and folds[1] == folds[4]
    assert np.bincount(np.unique(np.stack([pictures, folds]), axis=1)[1]).tolist() == [2, 2, 2]


def test_a_machine_that_was_stopped_goes_on_to_the_same_maps(tmp_path):
    expected = built(tmp_path / "whole").stage_maps()

    def stop_at(name):
        if name == "stage1_without0_without2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(tmp_path / "cut", told=stop_at).stage_maps()
    left = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cut").iterdir()}
    assert left
    for found, known in zip(built(tmp_path / "cut").stage_maps(), expected, strict=True):
        assert_same_bits(found, known, "maps")
    assert left == {name: (tmp_path / "cut" / name).stat().st_mtime_ns for name in left}


def test_damaged_maps_are_refused(tmp_path):
    built(tmp_path).stage_maps()
    kept = tmp_path / "stage2_without1.npz"
    whole = read_npz(kept)
    for maps in ({}, {"parts": whole["parts"][:-1]}, {"other": whole["parts"]}):
        write_npz(kept, maps)
        (tmp_path / "stage3.npz").unlink(missing_ok=True)
        with pytest.raises(InputError, match=r"stage2_without1.npz: expected maps of .* made again\), found"):
            built(tmp_path).stage_maps()


def test_levels_see_each_other(tmp_path):
    settings = replace(SMALL, stages=2, levels=("parts", "pairs", "whole"))
    one = built(tmp_path, settings=settings)
    alone = built(tmp_path / "alone", settings=replace(settings, levels=("parts",)))
    first, second = one.stage_maps()
    assert_same_bits(first, alone.stage_maps()[0], "stage 1")
    assert second.tobytes() != alone.stage_maps()[1].tobytes()
    assert set(one.maps(1, frozenset())) == {"parts", "pairs", "whole"}


@pytest.mark.parametrize(
    ("change", "words"),
    [({"stages": 4}, "expected 1 to 3"), ({"levels": ("pairs",)}, "expected parts, then any of pairs, whole")],
)
def test_settings_that_cannot_be(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        built(tmp_path, settings=replace(SMALL, **change))
