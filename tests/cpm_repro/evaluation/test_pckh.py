"""PCKh of a published method, by hand, from both kinds of head box files, and by viewpoint."""

import json

import numpy as np
import pytest
import scipy.io

from cpm_repro.evaluation.ground_truth import GroundTruth, ground_truth
from cpm_repro.evaluation.pckh import pckh, pckh_by_cluster, read_clusters, read_validation_file, with_heads
from cpm_repro.evaluation.predictions import read_predictions
from data_lmdb import joints
from prototxt_import.files import InputError
from tests.annotated_people import annotations_in
from tests.small_release import head, write_release

PARTS = list(joints.STORED_TO_14)


@pytest.fixture
def tompson(golden):
    folder = golden.parent / "eval"
    if not folder.is_dir():
        pytest.skip("no evaluation data: ../shared/eval is not beside the project")
    return folder


def write_validation_file(path, count=6, seed=0, **changed):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 300, (16, 2, count))
    missing = (rng.random((16, count)) < 0.2).astype(np.uint8)
    corner = rng.uniform(1, 100, (2, count))
    boxes = np.stack([corner, corner + rng.uniform(10, 60, (2, count))])
    truth[np.broadcast_to(missing[:, None] == 1, truth.shape)] = 0
    variables = {"pos_gt_src": truth, "jnt_missing": missing, "headboxes_src": boxes}
    scipy.io.savemat(path, variables | changed)
    return path


def test_the_published_table_comes_out(tompson):
    expected = json.loads((tompson / "pckh_expected.json").read_text())
    path = tompson / "mpii_val_tompson.mat"
    truths, sizes = read_validation_file(path)
    result = pckh(read_predictions(path, truths), truths, sizes)
    for key, threshold in (("pckh_at_0_5", 0.5), ("pckh_at_0_1", 0.1)):
        at = result.at(threshold)
        found = [round(float(result.percent([part])[at]), 6) for part in range(16)]
        assert found == list(expected[key].values())
    mean = expected["mean_of_14_joints_without_pelvis_thorax"]
    assert result.mean()[result.at(0.5)] == pytest.approx(mean, rel=0, abs=1e-12)
    assert result.people == 2958 and result.left_out == 0


def test_people_of_a_public_conversion_are_recognised(tompson, golden):
    annotations = [a for a in annotations_in(golden / "json/mpii_sample.json") if a.is_validation]
    people = [ground_truth(a.joint_self, a.objpos, a.scale_provided) for a in annotations][::-1]
    path = tompson / "mpii_val_tompson.mat"
    known, sizes = read_validation_file(path)
    judged, found = with_heads(path, people)
    np.testing.assert_array_equal(found, sizes[: len(people)][::-1])
    for truth, person in zip(judged, known[: len(people)][::-1], strict=True):
        np.testing.assert_array_equal(truth.present, person.present[PARTS])


def test_by_hand():
    truth = GroundTruth(np.zeros((16, 2)), np.ones(16, bool), (0.0, 0.0), 1.0)
    truth.present[9] = False  # head top
    pose = np.zeros((16, 2))
    pose[0] = [30, 0]  # right ankle: 0.5 of the head, a tie
    pose[1] = [0, 30.01]  # right knee: just beyond
    pose[9] = [999, 999]
    result = pckh([pose] * 2, [truth] * 2, np.array([60.0, 0.0]))
    assert (result.people, result.left_out) == (1, 1)  # a head of no size
    rows = {name: values[result.at(0.5)] for name, values in result.rows().items()}
    assert (rows["Ankle"], rows["Knee"], rows["Head"]) == (100, 50, 100)
    assert rows["Total"] == pytest.approx(100 * 12 / 13)
    assert result.rows()["Ankle"][result.at(0.49)] == 50
    nobody = pckh([pose], [truth], np.array([np.nan]))
    assert nobody.people == 0 and np.isnan(nobody.percent()).all()


def test_a_validation_file_gives_people_and_heads(tmp_path):
    path = write_validation_file(tmp_path / "v.mat")
    stored = scipy.io.loadmat(path)
    truths, sizes = read_validation_file(path)
    assert len(truths) == 6
    np.testing.assert_array_equal(truths[2].parts, stored["pos_gt_src"][..., 2] - 1)
    np.testing.assert_array_equal(truths[2].present, stored["jnt_missing"][:, 2] == 0)
    (x1, y1), (x2, y2) = stored["headboxes_src"][..., 4]
    assert sizes[4] == pytest.approx(0.6 * np.hypot(x2 - x1, y2 - y1), rel=1e-12)


@pytest.mark.parametrize("name", ["pos_gt_src", "jnt_missing", "headboxes_src"])
@pytest.mark.parametrize("value", [np.zeros((14, 2, 6)), np.zeros((16, 5)), "text", np.zeros((0, 0))])
def test_other_validation_files_are_refused(tmp_path, name, value):
    path = write_validation_file(tmp_path / "v.mat", **{name: value})
    with pytest.raises(InputError, match=r"v\.mat: \w+: expected .* numbers for at least one person, found "):
        read_validation_file(path)


def test_heads_are_found_by_the_joints_in_any_order(tmp_path):
    path = write_validation_file(tmp_path / "v.mat")
    known, sizes = read_validation_file(path)
    order = [3, 0, 5, 5]
    rounding = np.random.default_rng(1).uniform(-0.0005, 0.0005, (14, 2))
    people = [
        GroundTruth(known[i].parts[PARTS] + rounding, known[i].present[PARTS], (0.0, 0.0), 1.0, (i + 1, 1))
        for i in order
    ]
    people[1].present[:] = True  # also those that the file leaves out
    judged, found = with_heads(path, people)
    np.testing.assert_array_equal(found, sizes[order])
    for index, truth in zip(order, judged, strict=True):
        np.testing.assert_array_equal(truth.parts, known[index].parts[PARTS])
        np.testing.assert_array_equal(truth.present, known[index].present[PARTS])
        assert truth.place == (index + 1, 1)
    people[2].parts[np.flatnonzero(people[2].present)[0]] += 3
    with pytest.raises(InputError, match=r"v\.mat: expected a person with the joints of record 2 of the LMDB"):
        with_heads(path, people)


def test_heads_are_found_by_image_and_person(tmp_path):
    path = write_release(
        tmp_path / "r.mat",
        [("a.png", True, [], [{"scale": 1.0}, head(0, 0, 30, 40)]), ("b.png", True, [], [head(5, 5, 11, 13)])],
    )
    person = GroundTruth(np.zeros((14, 2)), np.ones(14, bool), (0.0, 0.0), 1.0)
    people = [GroundTruth(person.parts, person.present, (0.0, 0.0), 1.0, place) for place in ((2, 1), (1, 2))]
    judged, sizes = with_heads(path, people)
    assert judged == people
    np.testing.assert_allclose(sizes, [6, 30])
    with pytest.raises(InputError, match=r"a head box in RELEASE\.annolist\(0\)\.annorect\(0\), found none"):
        with_heads(path, [person])


def test_clusters_are_judged_apart(tmp_path):
    rng = np.random.default_rng(7)
    truths = [GroundTruth(rng.uniform(0, 99, (16, 2)), rng.random(16) < 0.9, (0.0, 0.0), 1.0) for _ in range(9)]
    poses = [truth.parts + rng.normal(0, 9, (16, 2)) for truth in truths]
    sizes, labels = rng.uniform(10, 30, 9), [4, -1, 4, 30, 4, -1, 30, 4, 4]
    (tmp_path / "c.txt").write_text("\n".join(map(str, labels)) + "\n")
    clusters = read_clusters(tmp_path / "c.txt", 9)
    results = pckh_by_cluster(poses, truths, sizes, clusters)
    assert {label: result.people for label, result in results.items()} == {-1: 2, 4: 5, 30: 2}
    whole = pckh(poses, truths, sizes)
    np.testing.assert_array_equal(sum(result.hits for result in results.values()), whole.hits)
    alone = pckh([poses[1], poses[5]], [truths[1], truths[5]], sizes[[1, 5]])
    np.testing.assert_array_equal(results[-1].hits, alone.hits)
    with pytest.raises(InputError, match=r"c\.txt: expected the clusters of 8 people, found 9"):
        read_clusters(tmp_path / "c.txt", 8)
    (tmp_path / "c.txt").write_text("1\n\n2.5\n")
    with pytest.raises(InputError, match=r"c\.txt: line 2: expected a whole number, found ''"):
        read_clusters(tmp_path / "c.txt", 3)
