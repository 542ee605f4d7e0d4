"""LSP and LSPET: joint order, visibility, and the scale estimate of the release."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

from data_lmdb.annotations import record_text
from data_lmdb.datasets import lsp
from data_lmdb.joints import STORED_16
from prototxt_import.files import InputError
from tests.annotated_people import annotations_in

LSP_ORDER = (
    "r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "r_wrist", "r_elbow", "r_shoulder", "l_shoulder",
    "l_elbow", "l_wrist", "neck", "head",
)  # fmt: skip


def random_joints(rng, people):
    """(N, 14, 3): x, y and visible, as read_joints gives them."""
    joints = rng.uniform(1, 150, (people, 14, 3))
    joints[..., 2] = rng.random((people, 14)) < 0.85
    return joints


def write_data_set(folder, joints, names, occluded=False):
    stored = joints.transpose(1, 2, 0)
    if occluded:
        stored = stored.transpose(1, 0, 2).copy()
        stored[2] = 1 - stored[2]
    (folder / "images").mkdir(parents=True)
    scipy.io.savemat(folder / "joints.mat", {"joints": stored})
    for i, name in enumerate(names):
        Image.new("RGB", (150 + i, 120)).save(folder / "images" / name)


def scales_one_by_one(joints):
    """The estimate as the release describes it, person by person and limb by limb, quantile by hand."""
    fourteen = np.delete(joints, [6, 7], axis=1)
    parents = [2, 3, 7, 5, 4, 7, 8, None, 10, 11, 7, 13, 12, 7]
    limbs = [i for i, parent in enumerate(parents) if parent]

    def length(person, i):
        a, b = person[i], person[parents[i] - 1]
        return np.linalg.norm(a[:2] - b[:2]) if a[2] and b[2] else None

    ratios = {}
    for i in limbs:
        pairs = [(length(person, i), length(person, 6)) for person in fourteen]
        ratios[i] = np.median([limb / neck for limb, neck in pairs if limb is not None and neck is not None])
    scales = []
    for person in fourteen:
        sizes = sorted(length(person, i) / ratios[i] for i in limbs if length(person, i) is not None)
        knots = (np.arange(len(sizes)) + 0.5) / len(sizes)
        seen = person[person[:, 2] > 0, :2]
        fits = (seen.max(axis=0) - seen.min(axis=0)).max() * 41 / 35 / 304
        scales.append(max(np.interp(0.75, knots, sizes) / 35, fits))
    return np.array(scales)


def test_joints_land_in_mpiis_places():
    named = np.arange(14)[None, :, None] + np.ones((1, 14, 3))
    stored = lsp.stored_joints(named)[0]
    for row, name in enumerate(STORED_16):
        expected = LSP_ORDER.index(name) + 1 if name in LSP_ORDER else 0
        assert (stored[row] == expected).all(), name


def test_scales_follow_the_description():
    rng = np.random.default_rng(0)
    joints = lsp.stored_joints(random_joints(rng, 61))
    joints[5:20, :, :2] *= 4  # some that must shrink to fit
    np.testing.assert_allclose(lsp.estimate_scales(joints), scales_one_by_one(joints), rtol=1e-12)


def test_a_person_without_a_visible_limb_has_no_scale():
    joints = random_joints(np.random.default_rng(1), 30)
    joints[3, :, 2] = 0
    joints[4, :, 2] = 0
    joints[4, 0, 2] = 1
    joints[:, 12, 2] = 0  # nobody's neck is visible: no reference limb at all
    assert np.isnan(lsp.estimate_scales(lsp.stored_joints(joints))).all()
    joints[10:, 12:, 2] = 1
    assert np.flatnonzero(np.isnan(lsp.estimate_scales(lsp.stored_joints(joints)))).tolist() == [3, 4]


@pytest.mark.parametrize("name", ["mpi16_lmdb", "flic9_lmdb"])
def test_golden_persons_have_the_golden_numbers(golden, lspet, name):
    """Twelve LSPET persons are in the golden annotations; the flic9 ones with LSPET's scale and objpos."""
    annotations, skipped = lsp.lspet_annotations(lspet, range(2001, 2501))
    by_number = {a.annolist_index: a for a in annotations}
    assert len(annotations) + skipped.counts.total() == 10_000 and sum(a.is_validation for a in annotations) == 500
    for golden_person in annotations_in(golden / "transform" / f"{name}.json"):
        if golden_person.img_paths == "thin.png":
            continue
        ours = by_number[golden_person.annolist_index]
        assert ours.img_paths == golden_person.img_paths
        assert (ours.img_width, ours.img_height) == (golden_person.img_width, golden_person.img_height)
        assert f"{ours.scale_provided:.3f}" == f"{golden_person.scale_provided:.3f}", ours.img_paths
        assert np.array_equal(ours.objpos.round(3), golden_person.objpos), ours.img_paths
        alone = golden_person.dataset == "LEEDS" and golden_person.annolist_index != 1340  # altered by hand
        if alone:
            assert record_text(ours) == record_text(golden_person)


def test_lspet_folder(tmp_path):
    joints = random_joints(np.random.default_rng(2), 6)
    joints[2, :, 2] = 0
    write_data_set(tmp_path, joints, ["im00001.jpg", "im00003.jpg", "im00005.jpg", "im00006.jpg"])
    annotations, skipped = lsp.lspet_annotations(tmp_path, range(5, 6))
    assert skipped.lines() == [
        "skipped 1 person: no limb is visible to tell the scale (first: im00003.jpg)",
        f"skipped 2 persons: the image is not in {tmp_path}/images (first: im00002.jpg)",
    ]
    assert [a.annolist_index for a in annotations] == [1, 5, 6]
    assert [a.is_validation for a in annotations] == [False, True, False]
    first = annotations[0]
    visible = joints[0][joints[0, :, 2] > 0, :2]
    np.testing.assert_array_equal(first.objpos, (visible.min(axis=0) + visible.max(axis=0)) / 2)
    assert (first.img_width, first.img_height, first.dataset, first.people_index) == (150, 120, "LEEDS", 1)
    assert first.scale_provided == lsp.estimate_scales(lsp.stored_joints(joints))[0]


def test_images_that_are_none(tmp_path):
    write_data_set(tmp_path, random_joints(np.random.default_rng(6), 3), ["im00001.jpg", "im00002.jpg"])
    (tmp_path / "images" / "im00002.jpg").write_text("no image")
    annotations, skipped = lsp.lspet_annotations(tmp_path)
    assert [a.img_paths for a in annotations] == ["im00001.jpg"]
    assert skipped.counts["the image cannot be read"] == 1 and skipped.counts.total() == 2


def test_lsp_folder(tmp_path):
    joints = random_joints(np.random.default_rng(3), 4)
    write_data_set(tmp_path, joints, [f"im{i:04d}.jpg" for i in range(1, 5)], occluded=True)
    annotations, skipped = lsp.lsp_annotations(tmp_path, range(3, 5))
    assert skipped.lines() == [] and [a.is_validation for a in annotations] == [False, False, True, True]
    for i, annotation in enumerate(annotations):
        assert annotation.objpos.tolist() == [(150 + i) / 2, 60]
        assert annotation.img_paths == f"im{i + 1:04d}.jpg"
        np.testing.assert_array_equal(annotation.joint_self, lsp.stored_joints(joints)[i])


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"other": np.zeros(3)}, "found no variable of that name"),
        ({"joints": np.zeros((13, 3, 5))}, r"found \(13, 3, 5\)"),
        ({"joints": np.zeros((14, 3))}, r"found \(14, 3\)"),
        ({"joints": "text"}, "expected joints of 14 x 3 x N"),
        ({"joints": np.full((14, 3, 5), np.nan)}, "person 1: expected finite joints"),
    ],
)
def test_wrong_joints_mat(tmp_path, variables, message):
    scipy.io.savemat(tmp_path / "joints.mat", variables)
    with pytest.raises(InputError, match=f"joints.mat: .*{message}"):
        lsp.lspet_annotations(tmp_path)


def test_no_joints_mat_a_broken_one_and_no_images(tmp_path):
    with pytest.raises(InputError, match=r"joints\.mat: cannot be read: No such file"):
        lsp.lspet_annotations(tmp_path)
    write_data_set(tmp_path, random_joints(np.random.default_rng(4), 3), [])
    with pytest.raises(InputError, match=r"joints\.mat: .*skipped 3 persons: the image is not in .*images"):
        lsp.lspet_annotations(tmp_path)
    content = (tmp_path / "joints.mat").read_bytes()
    for broken in [b"", b"text", content[:100], content[:300]]:
        (tmp_path / "joints.mat").write_bytes(broken)
        with pytest.raises(InputError, match=r"joints\.mat: expected"):
            lsp.lspet_annotations(tmp_path)


@pytest.mark.parametrize("text", ["5", "5-", "9-3", "a-b", "-3-5", "1-2-3", " "])
def test_ranges_that_are_none(text):
    with pytest.raises(InputError, match="expected FIRST-LAST, such as 2001-2500"):
        lsp.parse_range(text)
    assert lsp.parse_range("3-5") == range(3, 6) and len(lsp.parse_range("")) == 0
