"""PCK and its variants counted by hand: ties, missing joints, torsos of no length, tables and JSON."""

import json

import numpy as np
import pytest

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.pck import PAPER, TABLE_ROWS, THRESHOLDS, as_json, count_hits, flic_pck, pck, pck_table
from data_lmdb import joints
from prototxt_import.files import InputError

L_SHOULDER, R_HIP = joints.TORSO[14]


def a_person(seed: int = 0, torso: float = 50.0) -> GroundTruth:
    parts = np.random.default_rng(seed).uniform(0, 200, (14, 2))
    parts[R_HIP] = parts[L_SHOULDER] + [0.0, torso]
    return GroundTruth(parts, np.ones(14, bool), (100.0, 100.0), 1.1)


def test_pck_by_hand():
    truth = a_person(torso=50.0)
    pose = truth.parts.copy()
    pose[0] += [10.0, 0.0]  # head: 0.2 of the torso exactly, which still counts
    pose[1] += [0.0, 10.1]  # neck: a little beyond
    pose[4] += [300.0, 0.0]  # right wrist: lost
    result = pck([pose], [truth], np.array([0.1, 0.2, 0.5]))
    assert result.people == 1 and result.left_out == 0
    np.testing.assert_array_equal(result.hits[:, 0], [0, 1, 1])
    np.testing.assert_array_equal(result.hits[:, 1], [0, 0, 1])
    np.testing.assert_array_equal(result.hits[:, 4], [0, 0, 0])
    rows = result.rows()
    np.testing.assert_array_equal(rows["Head"], [0, 50, 100])
    np.testing.assert_array_equal(rows["Wrist"], [50, 50, 50])
    np.testing.assert_allclose(rows["Total"], [100 * 11 / 14, 100 * 12 / 14, 100 * 13 / 14])
    assert list(rows) == ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Total"]


def test_missing_joints_and_torsos_are_left_out():
    whole, lame = a_person(1), a_person(2)
    lame.present[[4, 7]] = False
    headless = a_person(3)
    headless.present[R_HIP] = False
    flat = a_person(4, torso=0.0)
    truths = [whole, lame, headless, flat]
    wrong = [truth.parts + 1000 for truth in truths]
    wrong[0] = whole.parts
    result = pck(wrong, truths)
    assert result.people == 2 and result.left_out == 2
    assert result.counts[4] == 1 and result.counts[0] == 2
    assert result.rows()["Wrist"][-1] == 100  # only the whole person's wrists were judged
    assert result.rows()["Head"][-1] == 50
    nobody = pck([flat.parts], [flat])
    assert np.isnan(nobody.percent()).all()


def test_pck_wants_a_pose_for_each_person():
    with pytest.raises(InputError, match="found 0 for 1"):
        pck([], [a_person()])
    for metric in (pck, flic_pck):
        with pytest.raises(InputError, match="found 0 for 0"):
            metric([], [])
    with pytest.raises(InputError, match="expected 14 joints of each person, found 9"):
        pck([np.zeros((9, 2))], [a_person()])


def test_table_is_aligned_and_json_is_plain():
    truth = a_person()
    perfect, lost = pck([truth.parts], [truth]), pck([truth.parts + 999], [truth])
    lines = pck_table({"stage 6": perfect, "mean pose": lost}, reference=PAPER["lsp"]).splitlines()
    assert lines[0].split()[:3] == ["PCK@0.2", "Head", "Shoulder"]
    assert lines[0].split()[-3:] == ["Total", "Mean", "AUC"]
    assert lines[1].startswith("stage 6  ") and set(lines[1].split()[2:]) == {"100.00"}
    assert lines[3].split() == ["paper,", "LSP", *"-------", "84.32", "-", "-"]
    assert len({len(line) for line in lines}) == 1
    stored = json.loads(json.dumps(as_json(lost)))
    assert stored["rows"]["Total"] == [0.0] * len(THRESHOLDS)
    assert stored["joints_judged"]["r_wrist"] == 1 and stored["people"] == 1
    assert stored["auc"]["Total"] == 0 and as_json(perfect)["auc"]["Wrist"] == 100
    hidden = a_person()
    hidden.present[0] = False
    assert as_json(pck([hidden.parts], [hidden]))["parts"]["head"][0] is None


def test_thresholds_are_found_by_value():
    result = pck([a_person().parts], [a_person()])
    assert result.thresholds[result.at(0.2)] == 0.2
    with pytest.raises(ValueError, match=r"not counted at 0\.123"):
        result.at(0.123)


def random_people(number_of_parts: int, count: int = 23, seed: int = 3):
    """Annotated people, some of whose joints are missing, and poses with errors of all sizes, some of them lost."""
    rng = np.random.default_rng(seed)
    truths = [
        GroundTruth(rng.uniform(0, 200, (number_of_parts, 2)), rng.random(number_of_parts) < 0.8, (9.0, 9.0), 1.0)
        for _ in range(count)
    ]
    poses = [truth.parts + rng.normal(0, 30, (number_of_parts, 2)) for truth in truths]
    for pose in poses[::5]:
        pose[rng.integers(number_of_parts)] = np.nan
    return poses, truths


@pytest.mark.parametrize("number_of_parts", [9, 14])
@pytest.mark.parametrize("metric", [pck, flic_pck])
def test_every_count_is_that_of_a_plain_loop(number_of_parts, metric):
    poses, truths = random_people(number_of_parts)
    shoulder, hip = joints.TORSO[number_of_parts]
    result = metric(poses, truths)
    hits, counts = np.zeros_like(result.hits), np.zeros_like(result.counts)
    for pose, truth in zip(poses, truths, strict=True):
        if metric is pck and not (truth.present[shoulder] and truth.present[hip]):
            continue
        measured = truth.parts if metric is pck else pose
        torso = np.hypot(*(measured[shoulder] - measured[hip]))
        for part in np.flatnonzero(truth.present):
            counts[part] += 1
            for index, threshold in enumerate(THRESHOLDS):
                hits[index, part] += np.hypot(*(pose[part] - truth.parts[part])) / torso <= threshold
    np.testing.assert_array_equal(result.hits, hits)
    np.testing.assert_array_equal(result.counts, counts)


def test_ties_are_hits_at_every_threshold():
    parts = np.zeros((14, 2))
    parts[L_SHOULDER], parts[R_HIP] = [0, 100], [0, 0]  # a torso of 100 px
    truth = GroundTruth(parts, np.ones(14, bool), (0.0, 0.0), 1.0)
    for index, threshold in enumerate(THRESHOLDS):
        pose = parts + [[0.0, float(round(100 * threshold))]]
        result = pck([pose], [truth])
        assert result.hits[index].sum() == 14
        assert index == 0 or result.hits[index - 1].sum() == 0


def test_flic_divides_by_the_predicted_torso():
    shoulder = joints.TORSO[9][0]
    truth = GroundTruth(np.zeros((9, 2)), np.ones(9, bool), (0.0, 0.0), 1.0)
    truth.parts[shoulder] = [0, 50]
    pose = truth.parts + [[10.0, 0.0]]  # everything 10 px off
    pose[shoulder] = [10, 40]  # and a torso of 40 px
    result = flic_pck([pose], [truth])
    assert result.hits[result.at(0.24)].sum() == 0
    assert result.hits[result.at(0.25)].sum() == 8  # 10 / 40, a tie; the shoulder is farther off
    by_annotation = pck([pose], [truth])
    assert by_annotation.hits[by_annotation.at(0.2)].sum() == 8


def test_flic_counts_a_prediction_without_torso_as_wrong():
    truth = GroundTruth(np.random.default_rng(2).uniform(0, 99, (9, 2)), np.ones(9, bool), (0.0, 0.0), 1.0)
    shoulder, hip = joints.TORSO[9]
    flat = truth.parts.copy()
    flat[shoulder] = flat[hip]
    lost = truth.parts.copy()
    lost[hip] = np.nan
    for pose in (flat, lost):
        result = flic_pck([pose], [truth])
        assert result.people == 1 and result.joints == 9 and result.hits.sum() == 0
    nobody_marked = GroundTruth(truth.parts, np.zeros(9, bool), (0.0, 0.0), 1.0)
    assert np.isnan(flic_pck([truth.parts], [nobody_marked]).percent()).all()


def test_mpii_joints_share_rows_and_total_without_pelvis_and_thorax():
    names = joints.STORED_16
    truth = GroundTruth(np.zeros((16, 2)), np.ones(16, bool), (0.0, 0.0), 1.0)
    pose = np.zeros((16, 2))
    pose[[names.index("pelvis"), names.index("thorax"), names.index("l_ankle")]] = 1000
    result = count_hits([pose], [truth], np.array([10.0]))
    rows = {name: values[-1] for name, values in result.rows().items()}
    assert rows.pop("Ankle") == 50 and rows.pop("Total") == pytest.approx(100 * 13 / 14)
    assert set(rows.values()) == {100}
    assert as_json(result)["parts"]["pelvis"][-1] == 0
    assert sorted(part for row in TABLE_ROWS[16].values() for part in row) == [*range(6), *range(8, 16)]


def test_mean_counts_every_part_the_same_and_area_is_a_trapezoid():
    whole, hidden = a_person(1), a_person(2)
    hidden.present[:] = False
    hidden.present[[L_SHOULDER, R_HIP]] = True
    poses = [whole.parts.copy(), hidden.parts]
    poses[0][L_SHOULDER] += 1000
    result = pck(poses, [whole, hidden], np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(result.percent(), 100 * 15 / 16)
    np.testing.assert_allclose(result.mean(), 100 * 13.5 / 14)
    assert result.area(np.array([0.0, 100.0, 100.0])) == pytest.approx(100 * (0.125 + 0.75))
    nobody = pck([whole.parts], [GroundTruth(whole.parts, np.zeros(14, bool), (0.0, 0.0), 1.0)])
    assert np.isnan(nobody.mean()).all() and nobody.people == 0
