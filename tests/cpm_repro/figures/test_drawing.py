"""Poses on the photograph itself: its own size, its own pixels elsewhere, and joints that fade with their score."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from cpm_repro.figures import drawing
from cpm_repro.inference.pose_files import FoundPose
from data_lmdb import joints

LIMBS = joints.LIMBS[14]
GREY = np.full((140, 190, 3), 128, np.uint8)


def person(scores=0.8, seed=0, index=1):
    rng = np.random.default_rng(seed)
    return FoundPose("a.png", 1, index, (80, 60), 0.5, rng.uniform(30, 110, (14, 2)), np.broadcast_to(scores, 14))


def test_the_picture_keeps_its_size_and_its_pixels_far_from_people():
    picture = np.random.default_rng(1).integers(0, 256, (150, 201, 3)).astype(np.uint8)
    before = picture.copy()
    drawn = drawing.draw_poses(picture, [person()], LIMBS)
    assert drawn.shape == picture.shape and (picture == before).all()
    np.testing.assert_array_equal(drawn[:, 125:], picture[:, 125:])
    assert (drawn[30:110, 30:110] != picture[30:110, 30:110]).any()
    np.testing.assert_array_equal(drawing.draw_poses(picture, [], LIMBS), picture)


@pytest.mark.parametrize(("score", "seen"), [(0.1, 1.0), (0.075, 0.5), (0.05, 0.0), (-0.2, 0.0), (0.9, 1.0)])
def test_joints_fade_below_the_least_score(score, seen):
    np.testing.assert_allclose(drawing.strengths(np.array([score]), 0.1), [seen])


def test_a_least_score_of_zero_shows_everything():
    assert (drawing.strengths(np.array([-1.0, 0.0, 1.0]), 0) == 1).all()


def test_what_is_not_believed_is_not_drawn():
    nobody = drawing.draw_poses(GREY, [person(0.01)], {})
    body = nobody[45:110, 110:]  # between title and legend
    assert (body == 128).all()


def test_a_line_covers_its_pixels_and_half_of_its_edge():
    image = np.zeros((9, 20, 3), np.uint8)
    drawing._draw_line(image, np.array([4.0, 4.0]), np.array([15.0, 4.0]), 2.0, (255, 128, 0), 1.0)
    assert image[4, 10].tolist() == [0, 128, 255] and image[3, 10, 2] == 255
    assert image[6, 10].tolist() == [0, 64, 128] and image[7, 10].max() == 0
    drawing._draw_line(image, np.array([-90.0, -90.0]), np.array([-70.0, -80.0]), 2.0, (255, 255, 255), 1.0)
    assert image[0, 0].max() == 0


def test_titles_of_people_at_one_place_do_not_lie_on_each_other(monkeypatch):
    written = []
    monkeypatch.setattr(drawing, "_write", lambda draw, place, *rest: written.append((place, rest[0])))
    drawing.draw_poses(GREY, [person(index=index) for index in (1, 2, 3)], LIMBS)
    columns, lines = zip(*[place for place, text in written if ":" in text], strict=True)
    assert len(lines) == 3 and len(set(columns)) == 1
    assert all(other - one >= 9 for one, other in pairwise(sorted(lines)))


@pytest.mark.parametrize("x", [2, 95, 188])
def test_the_ground_of_a_title_is_whole_at_the_edges(x, monkeypatch):
    grounds = []
    ground = drawing._ground
    monkeypatch.setattr(drawing, "_ground", lambda *given: grounds.append(ground(*given)) or grounds[-1])
    pose = FoundPose("a.png", 1, 1, (x, 60), 0.5, np.tile([x, 60.0], (14, 1)), np.full(14, 0.8))
    drawing.draw_poses(GREY, [pose], LIMBS)
    assert all(left >= -1e-6 and right <= 190 + 1 for left, _, right, _ in grounds)


def test_the_legend_has_a_bright_colour_of_each_side():
    sides = drawing.side_colours(LIMBS, joints.PARTS_14)
    assert list(sides) == ["right", "left"] and sides["right"][0] > sides["right"][2]
    assert drawing.side_colours({}, ()) == {}


@pytest.mark.parametrize(
    ("place", "corner"),
    [((95, 70), (4, 110)), ((10, 135), (165, 110)), (None, (4, 110))],
    ids=["nobody there", "feet there", "feet in all four"],
)
def test_the_legend_hides_no_joints_where_a_corner_is_free(place, corner, monkeypatch):
    written = {}
    monkeypatch.setattr(drawing, "_write", lambda draw, at, text, *rest: written.update({text: at}))
    joints_there = np.tile(place or (0, 0), (14, 1)).astype(float)
    if place is None:
        joints_there[:4] = [(10, 135), (180, 135), (10, 10), (180, 10)]
        joints_there[4:] = (95, 70)
    drawing.draw_poses(GREY, [FoundPose("a.png", 1, 1, (95, 70), 0.5, joints_there, np.full(14, 0.8))], LIMBS)
    np.testing.assert_allclose(written["right"], corner, atol=4)
    assert written["left"][1] > written["right"][1]


def test_a_legend_that_would_hide_a_small_picture_is_left_out(monkeypatch):
    written = []
    monkeypatch.setattr(drawing, "_write", lambda draw, at, text, *rest: written.append(text))
    drawing.draw_poses(np.zeros((60, 32, 3), np.uint8), [person()], LIMBS)
    assert written == ["1: 0.80"]


@pytest.mark.parametrize("name", ["a.png", "b.jpg"])
def test_pictures_are_saved_at_their_size(tmp_path, name):
    drawing.save(drawing.draw_poses(GREY, [person(), person(seed=1, index=2)], LIMBS), tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.size == (190, 140)
