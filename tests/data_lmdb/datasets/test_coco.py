"""COCO keypoints: the 17 points in MPII's 16 places, who gets a record, and files that are no COCO."""

import json

import numpy as np
import pytest
from PIL import Image

from data_lmdb.datasets.coco import coco_annotations
from data_lmdb.joints import COCO_17, STORED_16
from prototxt_import.files import InputError


def random_person(rng, image_id=7, **changes):
    keypoints = np.column_stack([rng.integers(0, 90, (17, 2)), rng.integers(1, 3, 17)])
    values = {
        "id": int(rng.integers(1e6)),
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "num_keypoints": 17,
        "area": float(rng.uniform(1100, 4000)),
        "bbox": rng.uniform(1, 90, 4).round(2).tolist(),
        "keypoints": keypoints.ravel().tolist(),
        "segmentation": [rng.uniform(0, 90, 30).tolist()],
    }
    return {**values, **changes}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (72, 48)).save(tmp_path / name)
    return tmp_path


def save(folder, people, **changes):
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 391895, "file_name": "b.jpg"}]
    path = folder / "keypoints.json"
    path.write_text(json.dumps({"info": {}, "images": images, "annotations": people, **changes}))
    return path


def test_where_the_points_go(folder):
    person = random_person(np.random.default_rng(0))
    (annotation,), skipped = coco_annotations(save(folder, [person]), folder)
    points = dict(zip(COCO_17, np.reshape(person["keypoints"], (17, 3)), strict=True))
    joints = dict(zip(STORED_16, annotation.joint_self, strict=True))
    for name in set(STORED_16) & set(COCO_17):
        x, y, visibility = points[name]
        assert joints[name].tolist() == [x + 1, y + 1, visibility == 2], name
    for name, ends in (("pelvis", "hip"), ("thorax", "shoulder"), ("neck", "shoulder")):
        left, right = points[f"l_{ends}"], points[f"r_{ends}"]
        assert joints[name].tolist() == [*((left + right) / 2 + 1)[:2], min(left[2], right[2]) == 2], name
    assert joints["head"].tolist() == [0, 0, 0] and len(set(STORED_16) - set(COCO_17)) == 4
    x, y, width, height = person["bbox"]
    np.testing.assert_allclose(annotation.objpos, [x + width / 2 + 1, y + height / 2 + 1], rtol=1e-14)
    assert annotation.scale_provided == height / 200
    assert (annotation.img_paths, annotation.img_width, annotation.img_height) == ("a.jpg", 72, 48)
    assert (annotation.annolist_index, annotation.people_index, annotation.is_validation) == (7, 1, False)
    assert skipped.lines() == []


def test_points_that_are_not_marked(folder):
    person = random_person(np.random.default_rng(1))
    for name in ("l_hip", "r_shoulder", "r_ankle"):
        at = 3 * COCO_17.index(name)
        person["keypoints"][at : at + 3] = [0, 0, 0]
    (annotation,), _ = coco_annotations(save(folder, [person]), folder)
    missing = {name for name, joint in zip(STORED_16, annotation.joint_self, strict=True) if not joint.any()}
    assert missing == {"l_hip", "r_shoulder", "r_ankle", "pelvis", "thorax", "neck", "head"}


def test_who_gets_a_record_and_who_is_only_an_other(folder):
    rng = np.random.default_rng(2)
    few = [0, 0, 0] * 13 + [5, 6, 2] * 4
    people = [
        random_person(rng),
        random_person(rng, iscrowd=1),
        random_person(rng, keypoints=[0] * 51, num_keypoints=0),
        random_person(rng, keypoints=[5, 6, 2] * 5 + [0, 0, 0] * 12),
        random_person(rng, image_id=391895),
        random_person(rng, keypoints=few),
        random_person(rng, area=1023.9),
        random_person(rng, area=1024),
        random_person(rng, bbox=[1, 2, 30, 0]),
        random_person(rng, bbox=[1, 2, 30, -5.5]),
    ]
    annotations, skipped = coco_annotations(save(folder, people), folder, validation=True)
    assert [(a.annolist_index, a.people_index) for a in annotations] == [(7, 1), (391895, 1), (7, 6)]
    assert [a.number_of_others for a in annotations] == [3, 0, 3] and all(a.is_validation for a in annotations)
    assert annotations[0].scale_provided_other.tolist() == [people[i]["bbox"][3] / 200 for i in (5, 6, 7)]
    assert skipped.counts == {
        "a crowd": 1,
        "no joint is marked": 2,  # one has nothing, the other a face
        "fewer than 5 keypoints; only among the others": 1,
        "an area below 1024 px; only among the others": 1,
        "no positive scale": 2,
    }


def test_300_people_and_missing_images(folder):
    rng = np.random.default_rng(3)
    crowd = [random_person(rng) for _ in range(301)]
    with pytest.raises(InputError, match=r"keypoints.json: .*skipped 301 persons: more than 255 other people"):
        coco_annotations(save(folder, crowd), folder)
    (folder / "b.jpg").write_text("no image")
    people = [*crowd[:3], random_person(rng, image_id=391895)]
    annotations, skipped = coco_annotations(save(folder, people), folder)
    assert len(annotations) == 3
    assert skipped.lines() == ["skipped 1 person: the image cannot be read (first: b.jpg)"]
    with pytest.raises(InputError, match="none that can be used: skipped 3 persons: the image is not in"):
        coco_annotations(save(folder, crowd[:3]), folder / "elsewhere")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image_id": 8}, "expected the image_id of one of the images"),
        ({"image_id": [7]}, "expected the image_id of one of the images"),
        ({"keypoints": None}, "keypoints: expected 51 numbers, found null"),
        ({"keypoints": [1, 2, 2] * 16}, "keypoints: expected 51 numbers, found 48 values"),
        ({"keypoints": [1, 2, "2"] * 17}, "keypoints: expected 51 numbers, found 51 values"),
        ({"keypoints": [1, 2, 3] * 17}, "keypoints: expected a visibility of 0, 1 or 2"),
        ({"keypoints": [1, 2, float("nan")] * 17}, "keypoints: expected a visibility of 0, 1 or 2"),
        ({"bbox": [1, 2, 3]}, "bbox: expected 4 numbers, found 3 values"),
        ({"bbox": [1, 2, 3, 10**400]}, "bbox: expected 4 numbers"),
        ({"area": None}, "area: expected a number, found null"),
    ],
)
def test_wrong_annotations_are_named(folder, changes, message):
    rng = np.random.default_rng(4)
    path = save(folder, [random_person(rng), random_person(rng, **changes)])
    with pytest.raises(InputError, match=f"keypoints.json: annotation 1: {message}") as caught:
        coco_annotations(path, folder)
    assert "\n" not in str(caught.value)


def test_nan_joints_are_skipped(folder):
    rng = np.random.default_rng(5)
    people = [random_person(rng, keypoints=[float("nan"), 2, 2] * 17), random_person(rng)]
    annotations, skipped = coco_annotations(save(folder, people), folder)
    assert len(annotations) == 1
    assert skipped.counts == {"a joint or the position is no place in a photograph": 1}


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "expected JSON"),
        ('{"images": [', "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[1, 2]", "expected COCO's person keypoints"),
        ("{}", "expected COCO's person keypoints"),
        ('{"root": [{"dataset": "MPI"}]}', "expected COCO's person keypoints"),
        ('{"images": [], "annotations": []}', "expected COCO's person keypoints"),
        ('{"images": [3], "annotations": [3]}', "image 0: expected an id and a file_name"),
        ('{"images": [{"id": 1}], "annotations": [3]}', "image 0: expected an id and a file_name"),
        ('{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [3]}', "annotation 0: expected the image_id"),
    ],
)
def test_files_that_are_no_coco(folder, content, message):
    (folder / "k.json").write_text(content)
    with pytest.raises(InputError, match=f"k.json: {message}"):
        coco_annotations(folder / "k.json", folder)
