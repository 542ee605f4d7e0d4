"""What all data sets share: who is skipped and why, sizes of images, and the others."""

import numpy as np
import pytest
from PIL import Image

from data_lmdb.datasets.marked_people import (
    MarkedPerson,
    Skipped,
    annotations_of,
    image_sizes,
    middle_of,
    usable,
    with_middles,
)
from data_lmdb.joints import TRUNK
from prototxt_import.files import InputError


def random_person(rng, image, **changes):
    joints = np.column_stack([rng.uniform(1, 90, (9, 2)), rng.integers(0, 2, 9)])
    values = {"joints": joints, "objpos": rng.uniform(1, 90, 2), "scale": float(rng.uniform(0.1, 4))}
    return MarkedPerson(image, **{**values, "annolist_index": 3, "people_index": 1, **changes})


def test_everybody_else_in_the_image_is_an_other():
    rng = np.random.default_rng(0)
    people = [random_person(rng, image) for image in "abaca"]
    people[2].only_other = "a reason"
    skipped = Skipped()
    annotations = annotations_of(people, dict.fromkeys("abc", (30, 20)), "SET", "source", skipped)
    assert [a.img_paths for a in annotations] == ["a", "b", "c", "a"]
    assert skipped.lines() == ["skipped 1 person: a reason; only among the others (first: a)"]
    for annotation, others in zip(annotations, [(2, 4), (), (), (0, 2)], strict=True):
        assert annotation.joint_others.shape == (len(others), 9, 3)
        assert annotation.joint_others.tolist() == [people[i].joints.tolist() for i in others]
        assert annotation.objpos_other.tolist() == [people[i].objpos.tolist() for i in others]
        assert annotation.scale_provided_other.tolist() == [people[i].scale for i in others]


def test_images_that_are_missing_or_are_none(tmp_path):
    rng = np.random.default_rng(1)
    Image.new("1", (31, 17)).save(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    names = ["text.png", "good.png", "gone.png", "empty.png", "folder.png", "good.png"]
    seen = []
    sizes = image_sizes(names, tmp_path, lambda images: seen.extend(images) or images)
    assert seen == names[:5] and sizes["good.png"] == (31, 17)
    skipped = Skipped()
    people = [random_person(rng, name) for name in names]
    annotations = annotations_of(people, sizes, "SET", "source", skipped)
    assert [(a.img_width, a.img_height, a.number_of_others) for a in annotations] == [(31, 17, 1)] * 2
    assert skipped.lines() == [
        "skipped 3 persons: the image cannot be read (first: text.png)",
        f"skipped 1 person: the image is not in {tmp_path} (first: gone.png)",
    ]
    with pytest.raises(InputError, match=r"x\.mat: expected annotated persons, .* not in .*first: gone\.png"):
        annotations_of(people[2:3], sizes, "SET", "x.mat", Skipped())


@pytest.mark.parametrize("others", [255, 256, 300])
def test_the_record_counts_up_to_255_others(others):
    rng = np.random.default_rng(2)
    people = [random_person(rng, "crowd") for _ in range(others + 1)] + [random_person(rng, "alone")]
    skipped = Skipped()
    annotations = annotations_of(people, {"crowd": (3, 3), "alone": (3, 3)}, "SET", "source", skipped)
    kept = others + 1 if others <= 255 else 0
    assert len(annotations) == kept + 1
    counted = skipped.counts["more than 255 other people in the image"]
    assert counted == others + 1 - kept


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({}, ""),
        ({"joints": np.zeros((9, 3))}, "no joint is marked"),
        ({"joints": np.full((9, 3), np.nan)}, "a joint or the position is no place in a photograph"),
        ({"objpos": np.array([1, np.inf])}, "a joint or the position is no place in a photograph"),
        ({"objpos": np.array([1, 1e30])}, "a joint or the position is no place in a photograph"),
        ({"scale": 0.0}, "no positive scale"),
        ({"scale": -2.0}, "no positive scale"),
        ({"scale": np.nan}, "no positive scale"),
    ],
)
def test_faults(changes, reason):
    skipped = Skipped()
    person = random_person(np.random.default_rng(3), "a", **changes)
    assert usable([person], skipped) == ([] if reason else [person])
    assert skipped.counts == ({reason: 1} if reason else {})


def test_middles():
    assert middle_of([(1, 9, 0), (4, 2, 1), (3, 3, 1)]).tolist() == [2.5, 5.5]
    joints = {"l_hip": (1, 2, 1), "r_hip": (4, 8, 1), "l_shoulder": (1, 2, 1), "r_shoulder": (4, 8, 0)}
    known = with_middles(joints, TRUNK)
    assert known["pelvis"].tolist() == [2.5, 5, 1] and known["thorax"].tolist() == [2.5, 5, 0]
    del joints["r_hip"], joints["l_shoulder"]
    assert with_middles(joints, TRUNK) == joints
