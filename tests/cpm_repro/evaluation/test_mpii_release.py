"""Head boxes and test people of the data set's own file, and what MPII's server takes."""

import numpy as np
import pytest
import scipy.io
from PIL import Image

from cpm_repro.evaluation.mpii_release import (
    asked_pictures,
    prediction_structs,
    read_asked_people,
    read_prediction_structs,
    release_heads,
)
from prototxt_import.files import InputError
from tests.small_release import asked_person, head, write_release


@pytest.fixture
def release(tmp_path):
    return write_release(
        tmp_path / "release.mat",
        [
            ("one.png", True, [1], [head(10, 20, 40, 60), {"scale": 2.0}]),
            ("two.png", False, [2, 1], [asked_person(30.5, 41, 0.5), asked_person(9, 8, 1.25)]),
            ("none.png", True, [], []),
            ("three.png", False, [], [asked_person(1, 1, 1.0)]),
            ("four.png", False, [1], [asked_person(20, 21, 0.75)]),
        ],
    )


def test_head_boxes_by_image_and_person(release):
    assert release_heads(release) == {(1, 1): 50.0}


def test_the_single_people_of_test_images(tmp_path, release):
    people, images = read_asked_people(release)
    assert images == [2, 4, 5]
    assert [tuple(person) for person in people] == [
        ("two.png", (2, 2), (8.0, 7.0), 1.25),
        ("two.png", (2, 1), (29.5, 40.0), 0.5),
        ("four.png", (5, 1), (19.0, 20.0), 0.75),
    ]
    pixels = np.random.default_rng(0).integers(0, 256, (31, 47, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "two.png")
    pictures = asked_pictures(people, tmp_path)
    first = next(pictures)
    np.testing.assert_array_equal(first.image, pixels[..., ::-1])
    assert first.center == (8.0, 7.0) and first.scale == 1.25
    next(pictures)
    with pytest.raises(InputError, match=r"four\.png: expected a readable image"):
        next(pictures)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([("a.png", True, [1], [asked_person(1, 1, 1)])], "expected single people in test images"),
        ([("a.png", False, [2], [asked_person(1, 1, 1)])], r"annolist\(1\)\.annorect\(2\): expected an image name"),
        ([("a.png", False, [1], [{"scale": 1.0}])], r"annorect\(1\): expected an image name, objpos and scale"),
        ([("a.png", False, [1], [asked_person(1, 1, np.nan)])], "objpos and scale"),
    ],
)
def test_a_release_that_asks_for_nobody_or_the_impossible_is_refused(tmp_path, images, said):
    with pytest.raises(InputError, match=said):
        read_asked_people(write_release(tmp_path / "r.mat", images))


def test_structs_come_back(tmp_path):
    rng = np.random.default_rng(4)
    points = {
        place: {int(joint): rng.uniform(1, 500, 2) for joint in rng.permutation(16)[:14]}
        for place in ((1, 1), (3, 2), (3, 5), (6, 1))
    }
    scipy.io.savemat(tmp_path / "p.mat", {"pred": prediction_structs(points, range(1, 8))})
    back = read_prediction_structs(scipy.io.loadmat(tmp_path / "p.mat")["pred"])
    assert {place: sorted(joints) for place, joints in back.items()} == {
        place: sorted(joints) for place, joints in points.items()
    }
    for place, joints in points.items():
        for joint, where in joints.items():
            np.testing.assert_array_equal(back[place][joint], where)
