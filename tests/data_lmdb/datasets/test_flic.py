"""FLIC: which 9 of the 29 columns, the observer's left, fellows, and the release's objpos and scale."""

import numpy as np
import pytest
from PIL import Image

from data_lmdb.datasets.flic import _people, flic_annotations
from data_lmdb.datasets.marked_people import Skipped, annotations_of, usable
from data_lmdb.joints import PARTS_9
from prototxt_import.files import InputError
from tests.data_lmdb.datasets.matlab_structs import EMPTY, save, struct_array

COLUMNS = {
    "l_shoulder": 0, "l_elbow": 1, "l_wrist": 2, "r_shoulder": 3, "r_elbow": 4, "r_wrist": 5, "l_hip": 6, "r_hip": 9,
    "l_eye": 12, "r_eye": 13, "head": 16,
}  # fmt: skip
"""Where FLIC's examples.mat marks its joints; the other 18 columns of coords are NaN."""


def random_example(rng, path, facing=True, **changes):
    """Someone who faces the camera has the left shoulder further right in the image."""
    coords = np.full((2, 29), np.nan)
    coords[:, list(COLUMNS.values())] = rng.uniform(1, 300, (2, 11))
    shoulders = sorted(rng.uniform(1, 300, 2), reverse=facing)
    coords[0, [COLUMNS["l_shoulder"], COLUMNS["r_shoulder"]]] = shoulders
    corner, size = rng.uniform(1, 100, 2), rng.uniform(20, 90, 2)
    values = {
        "poselet_hit_idx": np.array([[1, 7]], np.uint16),
        "moviename": "film",
        "coords": coords,
        "filepath": path,
        "imgdims": np.array([[480, 720, 3]], np.uint16),
        "currframe": 12.0,
        "torsobox": np.concatenate([corner, corner + size])[None],
        "istrain": True,
        "istest": False,
    }
    return {**values, **changes}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (72, 48)).save(tmp_path / name)
    return tmp_path


def annotations_from(folder, examples):
    return flic_annotations(save(folder / "examples.mat", examples=struct_array(examples)), folder)


@pytest.mark.parametrize("facing", [True, False])
def test_nine_joints_as_the_observer_names_them(folder, facing):
    example = random_example(np.random.default_rng(0), "a.jpg", facing)
    (annotation,), skipped = annotations_from(folder, [example])
    other_side = {"l": "r", "r": "l"}
    for row, part in enumerate(PARTS_9):
        source = part if facing or part == "head" else other_side[part[0]] + part[1:]
        assert annotation.joint_self[row].tolist() == [*example["coords"][:, COLUMNS[source]], 1], part
    x1, y1, x2, y2 = example["torsobox"][0]
    np.testing.assert_allclose(annotation.objpos, [(x1 + x2) / 2, 0.7 * y1 + 0.3 * y2], rtol=1e-14)
    np.testing.assert_allclose(annotation.scale_provided, 0.0110 * (y2 - y1), rtol=1e-14)
    assert (annotation.img_width, annotation.img_height, annotation.dataset) == (72, 48, "FLIC")
    assert skipped.lines() == []


def test_equal_shoulders_stay(folder):
    example = random_example(np.random.default_rng(1), "a.jpg")
    example["coords"][0, 3] = example["coords"][0, 0]
    (annotation,), _ = annotations_from(folder, [example])
    assert annotation.joint_self[0, :2].tolist() == example["coords"][:, 0].tolist()


def test_fellows_are_the_other_rows_with_the_same_file(folder):
    rng = np.random.default_rng(2)
    examples = [random_example(rng, name, facing=rng.random() < 0.5) for name in ("a.jpg", "b.jpg", "a.jpg", "a.jpg")]
    examples[2]["istest"], examples[2]["istrain"] = True, False
    annotations, _ = annotations_from(folder, examples)
    assert [a.annolist_index for a in annotations] == [1, 2, 3, 4] and {a.people_index for a in annotations} == {1}
    assert [a.is_validation for a in annotations] == [False, False, True, False]
    for index, others in enumerate([(2, 3), (), (0, 3), (0, 2)]):
        annotation = annotations[index]
        assert annotation.joint_others.tolist() == [annotations[i].joint_self.tolist() for i in others]
        assert annotation.objpos_other.tolist() == [annotations[i].objpos.tolist() for i in others]
        assert annotation.scale_provided_other.tolist() == [annotations[i].scale_provided for i in others]


def test_persons_that_are_skipped(folder):
    rng = np.random.default_rng(3)
    changes = [
        {"coords": np.full((2, 29), np.nan)},
        {"coords": EMPTY},
        {"coords": np.ones((2, 12))},
        {"torsobox": EMPTY},
        {"torsobox": np.array([[1.0, 50, 40, 50]])},
        {"torsobox": np.array([[1.0, 50, 40, 20]])},
        {"torsobox": np.array([[1.0, 50, np.nan, 70]])},
        {"filepath": "gone.jpg"},
        {},
    ]
    examples = [random_example(rng, "a.jpg") | change for change in changes]
    examples[0]["coords"][0] = 5  # only half of each column
    annotations, skipped = annotations_from(folder, examples)
    assert [a.annolist_index for a in annotations] == [9] and annotations[0].number_of_others == 0
    assert skipped.counts == {
        "not 11 joints are marked": 3,
        "no torso box": 1,
        "no positive scale": 2,
        "a joint or the position is no place in a photograph": 1,
        f"the image is not in {folder}": 1,
    }


@pytest.mark.parametrize(
    "examples, message",
    [
        (3.0, "expected a struct array examples with coords, found none"),
        (EMPTY, "expected a struct array examples with coords"),
        (struct_array([{"coords": 1.0, "filepath": "a"}]), "expected a struct array examples with istest"),
        (struct_array([random_example(np.random.default_rng(4), EMPTY)]), r"examples\(1\): expected a filepath"),
    ],
)
def test_files_that_are_not_flic(folder, examples, message):
    path = save(folder / "examples.mat", examples=examples)
    with pytest.raises(InputError, match=f"examples.mat: {message}"):
        flic_annotations(path, folder)
    with pytest.raises(InputError, match="expected a variable examples"):
        flic_annotations(save(folder / "examples.mat", RELEASE=examples), folder)


def test_truncated_files_and_nobody(folder):
    path = save(folder / "examples.mat", examples=struct_array([random_example(np.random.default_rng(5), "no.jpg")]))
    with pytest.raises(InputError, match=r"examples\.mat: expected annotated persons.*the image is not in"):
        flic_annotations(path, folder)
    content = path.read_bytes()
    for length in np.random.default_rng(6).integers(0, len(content) - 1, 20):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"examples\.mat: expected"):
            flic_annotations(path, folder)


@pytest.mark.slow
def test_all_of_flic(release_annotations):
    """5,003 persons: nobody is skipped, every element is its own record in its order, and the test set is whole."""
    path, skipped = release_annotations / "data_FLIC.mat", Skipped()
    people = usable(_people(path, skipped), skipped)
    sizes = {person.image: (720, 480) for person in people}
    annotations = annotations_of(people, sizes, "FLIC", path, skipped)
    assert skipped.lines() == [] and [a.annolist_index for a in annotations] == list(range(1, 5004))
    assert (sum(a.is_validation for a in annotations), len(sizes)) == (1016, 4552)
    assert all((a.joint_self[:, 2] == 1).all() and a.joint_self[0, 0] >= a.joint_self[3, 0] for a in annotations)
    assert sum(a.number_of_others > 0 for a in annotations) == 885
