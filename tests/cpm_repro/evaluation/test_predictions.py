"""Predictions written and read in every form, other methods' forms, and what is refused."""

import json
import re

import numpy as np
import pytest
import scipy.io

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.predictions import Predictions, check_suffix, read_predictions, write_predictions
from cpm_repro.npz import write_npz
from data_lmdb.datasets.matlab import variable_names
from data_lmdb.joints import PARTS_14, STORED_16, STORED_TO_14
from prototxt_import.files import InputError

LSP_ORDER = "r_ankle r_knee r_hip l_hip l_knee l_ankle r_wrist r_elbow r_shoulder l_shoulder l_elbow l_wrist neck head"
# Not in the order of the images, two of them with several people.
PLACES = [(7, 1), (3, 2), (3, 1), (12, 1), (7, 4)]


def people(number_of_parts: int = 14, places=PLACES) -> list[GroundTruth]:
    here = np.zeros((number_of_parts, 2)), np.ones(number_of_parts, bool), (0.0, 0.0), 1.0
    return [GroundTruth(*here, place) for place in places]


def found(number_of_parts: int = 14, count: int = len(PLACES), seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    return Predictions(rng.integers(0, 400, (count, number_of_parts, 2)) / 1.0, rng.random((count, number_of_parts)))


@pytest.mark.parametrize("number_of_parts", [9, 14])
@pytest.mark.parametrize("name", ["p.npz", "p.json", "p.mat"])
def test_what_is_written_is_read(tmp_path, name, number_of_parts):
    path, poses = tmp_path / name, found(number_of_parts)
    write_predictions(path, poses, PLACES)
    np.testing.assert_array_equal(read_predictions(path, people(number_of_parts)), poses.joints)
    first = path.read_bytes()
    write_predictions(path, poses, PLACES)
    assert path.read_bytes() == first


def test_coco_results_are_coco_s(tmp_path):
    poses = found()
    write_predictions(tmp_path / "p.json", poses, PLACES)
    results = json.loads((tmp_path / "p.json").read_text())
    assert [(result["image_id"], result["people_index"]) for result in results] == PLACES
    assert {result["category_id"] for result in results} == {1}
    triples = np.array([result["keypoints"] for result in results]).reshape(-1, 14, 3)
    np.testing.assert_allclose(triples, np.dstack([poses.joints, poses.scores]), rtol=0, atol=1e-4)
    np.testing.assert_allclose([result["score"] for result in results], poses.scores.mean(axis=1), rtol=0, atol=1e-4)


def test_people_with_places_are_found_in_any_order(tmp_path):
    poses, order = found(), [4, 2, 0, 3, 1]
    shuffled = Predictions(poses.joints[order], poses.scores[order])
    for name in ("p.json", "p.mat"):
        write_predictions(tmp_path / name, shuffled, [PLACES[index] for index in order], as_structs=True)
        np.testing.assert_array_equal(read_predictions(tmp_path / name, people()), poses.joints)
    some = people(places=PLACES[1:3])
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.mat", some), poses.joints[1:3])
    with pytest.raises(InputError, match=r"pose of person 2 of image 7, found none: .* another data set"):
        read_predictions(tmp_path / "p.json", people(places=[(7, 2)]))
    with pytest.raises(InputError, match="or an LMDB"):
        read_predictions(tmp_path / "p.mat", people(places=[(0, 0)]))


def test_people_who_share_a_place_are_taken_in_order(tmp_path):
    poses, places = found(), [(1, 1), (2, 1), (1, 1), (2, 1), (3, 1)]  # two data sets in one LMDB
    write_predictions(tmp_path / "p.json", poses, places)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.json", people(places=places)), poses.joints)


def test_the_server_s_structs_have_an_element_for_each_image(tmp_path):
    poses = found()
    write_predictions(tmp_path / "p.mat", poses, PLACES, as_structs=True, images=[2, 3, 7, 12, 13])
    pred = scipy.io.loadmat(tmp_path / "p.mat")["pred"]
    assert pred.shape == (1, 5)
    assert [element["annorect"].size for element in pred[0]] == [0, 2, 4, 1, 0]
    assert pred[0, 2]["annorect"][0, 1]["annopoints"].size == 0  # nobody asked for person 2 of image 7
    points = pred[0, 2]["annorect"][0, 3]["annopoints"][0, 0]["point"][0]
    ids = [int(point["id"].item()) for point in points]
    assert ids == sorted(STORED_TO_14)
    for point in points:
        part = STORED_TO_14.index(int(point["id"].item()))
        assert (point["x"].item(), point["y"].item()) == tuple(poses.joints[4, part] + 1)


def test_14_joints_in_a_mat_are_in_lsp_s_order(tmp_path):
    poses = found()
    write_predictions(tmp_path / "p.mat", poses, PLACES)
    joints = scipy.io.loadmat(tmp_path / "p.mat")["joints"]
    assert joints.shape == (2, 14, len(PLACES))
    for place, name in enumerate(LSP_ORDER.split()):
        np.testing.assert_array_equal(joints[:, place].T, poses.joints[:, PARTS_14.index(name)] + 1)


@pytest.mark.parametrize("shape", ["npc", "pcn", "cpn", "ncp"])
@pytest.mark.parametrize("name", ["pos_pred_src", "preds", "pred", "joints"])
def test_any_order_of_the_axes(tmp_path, name, shape):
    stored = found(16).joints
    depth = np.concatenate([stored, np.full((len(stored), 16, 1), 0.7)], axis=2)
    scipy.io.savemat(tmp_path / "p.mat", {name: np.einsum(f"npc->{shape}", depth), "more": np.ones(3)})
    expected = stored[:, list(STORED_TO_14)] - 1
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.mat", people()), expected)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.mat", people(16)), stored - 1)


def test_one_person_whose_last_axis_matlab_dropped(tmp_path):
    stored = found(16, count=1).joints
    scipy.io.savemat(tmp_path / "p.mat", {"preds": stored[0]})
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.mat", people(16, [(1, 1)])), stored - 1)


def test_joints_that_were_not_found_are_nan(tmp_path):
    poses = found()
    poses.joints[2, 5] = np.nan
    for name in ("p.npz", "p.json", "p.mat"):
        write_predictions(tmp_path / name, poses, PLACES)
        np.testing.assert_array_equal(read_predictions(tmp_path / name, people()), poses.joints)
    stored = read_predictions(tmp_path / "p.npz", people(16))
    assert np.isnan(stored[:, [STORED_16.index("pelvis"), STORED_16.index("thorax")]]).all()
    np.testing.assert_array_equal(stored[:, list(STORED_TO_14)], poses.joints)


def coco(**changed) -> list:
    return [{"image_id": i, "keypoints": [1.5] * 42} | changed for i in range(len(PLACES))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"results": []}, "expected COCO's results, a list"),
        ([], "expected COCO's results, a list"),
        (coco()[:3], "expected 14 or 16 joints of 5 people, found 3 x 14 x 2 numbers: .* another data set"),
        (coco(keypoints=[1] * 51), "result 0: keypoints: expected 42 or 48 numbers .*, found 51"),
        (coco(keypoints=[1] * 41 + ["1"]), "result 0: keypoints: expected a list of numbers"),
        (coco(keypoints=[10**400] * 42), "float's range"),
        ([*coco()[1:], *coco(keypoints=[1] * 48)[:1]], "as many keypoints in every result"),
    ],
)
def test_other_json_is_refused(tmp_path, content, said):
    path = tmp_path / "p.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: .*{said}"):
        read_predictions(path, people())


def test_other_arrays_are_refused(tmp_path):
    mat, npz = tmp_path / "p.mat", tmp_path / "p.npz"
    for value, said in (
        (np.zeros((14, 2, 4)), "expected 14 or 16 joints of 5 people, found 14 x 2 x 4 numbers"),
        (np.zeros((17, 2, 5)), "found 17 x 2 x 5 numbers: are these the predictions of another data set"),
        (np.zeros((9, 2, 5)), "found 9 x 2 x 5 numbers"),
        (np.zeros(7), "found 1 x 7 x 1 numbers"),
        ("text", "of something else"),
    ):
        scipy.io.savemat(mat, {"joints": value})
        with pytest.raises(InputError, match=said):
            read_predictions(mat, people())
    scipy.io.savemat(mat, {"other": np.zeros(2)})
    with pytest.raises(InputError, match="variable pos_pred_src or preds or pred or joints, found other"):
        read_predictions(mat, people())
    write_npz(npz, {"scores": np.zeros(2)})
    with pytest.raises(InputError, match="expected an array joints, found scores"):
        read_predictions(npz, people())
    write_npz(npz, {"joints": np.zeros((5, 14, 2))})
    with pytest.raises(InputError, match="expected 9 joints of 5 people, found 5 x 14 x 2"):
        read_predictions(npz, people(9))


def test_broken_files_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    for name in ("p.npz", "p.json", "p.mat"):
        path = tmp_path / name
        with pytest.raises(InputError, match="cannot be read"):
            read_predictions(path, people())
        write_predictions(path, found(), PLACES, as_structs=True)
        whole = path.read_bytes()
        for _ in range(60):
            broken = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.5 else whole)
            for place in rng.integers(len(broken), size=3):
                broken[place] = rng.integers(256)
            path.write_bytes(broken)
            try:
                assert read_predictions(path, people()).shape == (5, 14, 2)
            except InputError as error:
                assert str(error).startswith(str(path))


def test_other_endings_and_unlikely_places_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a name ending in \.npz, \.json, \.mat, found '\.csv'"):
        check_suffix("p.csv")
    with pytest.raises(InputError, match="expected MPII's people"):
        write_predictions(tmp_path / "p.mat", found(count=1), [(2**40, 1)], as_structs=True)
    with pytest.raises(InputError, match="expected 14 parts, those of MPII's joints, found 28"):
        write_predictions(tmp_path / "p.mat", found(28), PLACES, as_structs=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "p.mat").write_bytes(b"no MATLAB")
    with pytest.raises(InputError, match="expected a MATLAB file"):
        variable_names(tmp_path / "p.mat")
