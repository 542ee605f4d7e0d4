"""Synthetic people: the same bytes for a seed, bodies that are whole, joints that lie where they are drawn."""

import numpy as np
import pytest
from PIL import Image

from cpm_repro.synthetic import pictures as synthetic_people
from cpm_repro.synthetic.figure import Figure, random_look
from cpm_repro.synthetic.pictures import draw_picture, write_people
from cpm_repro.synthetic.pose import random_pose
from cpm_repro.synthetic.scene import Canvas, Cloth, draw_object
from data_lmdb.datasets.own import own_annotations
from data_lmdb.joints import PARTS_14, SWAPS
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

PART = {name: index for index, name in enumerate(PARTS_14)}


@pytest.fixture(scope="module")
def pictures():
    return [draw_picture(23, index) for index in range(60)]


def white(canvas):
    return Cloth(np.full(3, 255, np.float32), np.full(3, 255, np.float32), noise=np.zeros((64, 64), np.float32))


def test_same_seed_same_bytes_in_any_order():
    later, first = draw_picture(4, 1), draw_picture(4, 0)
    again = [draw_picture(4, 0), draw_picture(4, 1)]
    for picture, repeated in zip((first, later), again, strict=True):
        assert_same_bits(repeated.image, picture.image, "image")
        assert len(repeated.people) == len(picture.people)
        for one, two in zip(picture.people, repeated.people, strict=True):
            assert_same_bits(two.joints, one.joints, "joints")
            assert two.stature == one.stature
    assert draw_picture(5, 0).image.tobytes() != first.image.tobytes()


def test_sizes_dtypes_and_counts(pictures):
    counts = {len(picture.people) for picture in pictures}
    assert counts == {1, 2, 3}
    for picture in pictures:
        height, width = picture.image.shape[:2]
        assert 200 <= height <= 260 and 220 <= width <= 340
        assert picture.image.dtype == np.uint8
        for person in picture.people:
            assert person.joints.shape == (14, 3) and np.isfinite(person.joints).all()
            assert set(np.unique(person.joints[:, 2])) <= {0.0, 1.0}
            assert person.scale_provided == person.stature / 200


def test_people_are_large_and_mostly_in_the_picture(pictures):
    inside = []
    for picture in pictures:
        height, width = picture.image.shape[:2]
        main = max(picture.people, key=lambda person: person.stature)
        assert np.ptp(main.joints[:, 1]) > 0.4 * height
        for person in picture.people:
            x, y = person.joints[:, :2].T
            inside.append(((x >= 0) & (x < width) & (y >= 0) & (y < height)).mean())
            low, high = person.joints[:, :2].min(0), person.joints[:, :2].max(0)
            np.testing.assert_allclose(person.objpos, (low + high) / 2)
    assert np.mean(inside) > 0.98


def test_some_joints_are_covered_but_most_are_seen(pictures):
    visible = np.concatenate([person.joints[:, 2] for picture in pictures for person in picture.people])
    assert 0.02 < 1 - visible.mean() < 0.25


def test_limb_lengths_are_human():
    rng = np.random.default_rng(8)
    for _ in range(200):
        points = random_pose(rng).points
        for side in ("r_", "l_"):
            for start, end, low, high in (
                ("shoulder", "elbow", 0.14, 0.20),
                ("elbow", "wrist", 0.12, 0.18),
                ("hip", "knee", 0.20, 0.28),
                ("knee", "ankle", 0.20, 0.27),
            ):
                length = np.linalg.norm(points[side + start] - points[side + end])
                assert low < length < high, (side, start, length)
        assert 0.15 < np.linalg.norm(points["head"] - points["neck"]) < 0.19


def test_right_is_the_persons_own_right():
    rng = np.random.default_rng(2)
    facing = []
    for _ in range(300):
        pose = random_pose(rng)
        left_of_right = pose.points["l_shoulder"][0] - pose.points["r_shoulder"][0]
        if abs(left_of_right) > 0.1:
            assert (left_of_right > 0) == (abs(pose.turn) < 90)
        facing.append(abs(pose.turn) < 90)
    assert 0.65 < np.mean(facing) < 0.85


def test_knees_and_elbows_do_not_bend_the_wrong_way():
    rng = np.random.default_rng(3)
    for _ in range(200):
        pose = random_pose(rng)
        for side in ("r_", "l_"):
            hip, knee, ankle = (pose.points[side + name] for name in ("hip", "knee", "ankle"))
            straight = np.linalg.norm(ankle - knee) / np.linalg.norm(knee - hip) * (knee - hip) + knee
            backwards = -(ankle - straight) @ pose.torso_axes[:, 2]
            assert backwards > -0.06


@pytest.mark.parametrize("seed", range(6))
def test_every_limb_is_drawn_where_its_joints_are(seed):
    rng = np.random.default_rng(seed)
    canvas = Canvas(240, 240, rng)
    canvas.layer = 1
    figure = Figure(random_pose(rng), random_look(rng, canvas, 150.0), np.array([120.0, 120.0]), 150.0)
    figure.draw(canvas)
    joints = figure.joints()
    for start, end in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")):
        for side in ("r_", "l_"):
            ends = joints[[PART[side + start], PART[side + end]]]
            for share in (0.1, 0.5, 0.9):
                x, y = np.rint(share * ends[0] + (1 - share) * ends[1]).astype(int)
                assert canvas.owner[y, x] == 1


def test_a_joint_behind_a_later_layer_is_not_visible():
    rng = np.random.default_rng(0)
    canvas = Canvas(240, 240, rng)
    canvas.layer = 1
    figure = Figure(random_pose(rng), random_look(rng, canvas, 150.0), np.array([120.0, 120.0]), 150.0)
    figure.draw(canvas)
    assert synthetic_people._visible(canvas, figure, 1).all()
    canvas.layer = 2
    knee = figure.at["l_knee"]
    canvas.capsule(knee - (0, 2), knee + (0, 2), (4.0, 4.0), white(canvas))
    visible = synthetic_people._visible(canvas, figure, 1)
    assert visible[PART["l_knee"]] == 0 and visible.sum() >= 10


def test_a_joint_beyond_the_picture_is_not_visible():
    rng = np.random.default_rng(1)
    canvas = Canvas(240, 240, rng)
    figure = Figure(random_pose(rng), random_look(rng, canvas, 150.0), np.array([120.0, 230.0]), 150.0)
    figure.draw(canvas)
    below = figure.joints()[:, 1] > 239.5
    assert below.any()
    np.testing.assert_array_equal(synthetic_people._visible(canvas, figure, 1)[below], 0)


def test_capsule_coverage_is_its_area():
    canvas = Canvas(61, 83, np.random.default_rng(0))
    canvas.ambient, canvas.light = 1.0, [0.0, 0.0, 0.0]
    canvas.capsule(np.array([20.3, 18.7]), np.array([60.1, 40.2]), (6.0, 6.0), white(canvas))
    area = canvas.pixels[..., 0].sum() / 255
    length = np.hypot(60.1 - 20.3, 40.2 - 18.7)
    assert area == pytest.approx(np.pi * 36 + 12 * length, rel=0.01)


def test_polygon_coverage_is_its_area_and_beyond_the_edge_is_cut():
    canvas = Canvas(50, 70, np.random.default_rng(0))
    canvas.ambient, canvas.light = 1.0, [0.0, 0.0, 0.0]
    corners = np.array([[10.5, 8.5], [40.5, 12.5], [33.5, 41.5], [20.5, 30.5]])
    canvas.polygon(corners, 0.0, white(canvas))
    x, y = corners.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert canvas.pixels[..., 1].sum() / 255 == pytest.approx(area, rel=0.01)
    before = canvas.pixels.copy()
    canvas.polygon(corners + 500, 3.0, white(canvas))
    canvas.capsule(np.array([-90.0, -90.0]), np.array([-50.0, -70.0]), (5.0, 5.0), white(canvas))
    assert_same_bits(canvas.pixels, before, "what lies beyond the picture")


def test_objects_set_the_owner_only_where_they_are():
    for seed in range(12):
        rng = np.random.default_rng(seed)
        canvas = Canvas(101, 133, rng)
        canvas.layer = 7
        draw_object(canvas, rng, np.array([60.0, 50.0]), 40.0)
        assert set(np.unique(canvas.owner)) <= {0, 7} and (canvas.owner == 7).any()
        assert not canvas.pixels[canvas.owner == 0].max() > 255


def test_joint_names_are_the_own_data_formats():
    assert PARTS_14 == PARTS_14
    for one, other in zip(*SWAPS[14], strict=True):
        assert {PARTS_14[one][:2], PARTS_14[other][:2]} == {"r_", "l_"}


def test_written_table_reads_back_as_annotations(tmp_path):
    count = write_people(tmp_path / "people", 7, seed=6, validation_count=2)
    annotations = own_annotations(tmp_path / "people" / "people.csv", tmp_path / "people" / "images")
    drawn = [(index, person) for index in range(7) for person in draw_picture(6, index).people]
    assert len(annotations) == len(drawn) == count
    stored_nine = [9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5]
    for annotation, (index, person) in zip(annotations, drawn, strict=True):
        assert annotation.is_validation == (index >= 5)
        assert annotation.img_paths == f"{index:06d}.jpg"
        assert annotation.scale_provided == pytest.approx(person.scale_provided, abs=1e-4)
        np.testing.assert_allclose(annotation.objpos, person.objpos + 1, atol=0.011)
        np.testing.assert_allclose(annotation.joint_self[stored_nine, :2], person.joints[:, :2] + 1, atol=0.011)
        np.testing.assert_array_equal(annotation.joint_self[stored_nine, 2], person.joints[:, 2])
        with Image.open(tmp_path / "people" / "images" / annotation.img_paths) as image:
            assert image.size == (annotation.img_width, annotation.img_height)


def test_written_bytes_are_the_same_and_an_earlier_set_is_replaced(tmp_path):
    write_people(tmp_path / "a", 3, seed=1)
    write_people(tmp_path / "b", 9, seed=2)
    write_people(tmp_path / "b", 3, seed=1)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert names == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*.*"))
    assert len(names) == 4
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_interrupted_run_leaves_what_was_there(tmp_path):
    write_people(tmp_path / "people", 2, seed=1)
    before = (tmp_path / "people" / "people.csv").read_bytes()

    def interrupted(pictures):
        yield pictures[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_people(tmp_path / "people", 5, seed=9, progress=interrupted)
    assert [p.name for p in tmp_path.iterdir()] == ["people"]
    assert (tmp_path / "people" / "people.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "found"),
    [((0, 0, 0), "found 0"), ((3, -1, 0), "found -1"), ((3, 0, 4), "found 4"), ((3, 0, -2), "found -2")],
)
def test_numbers_out_of_range(tmp_path, arguments, found):
    with pytest.raises(InputError, match=found):
        write_people(tmp_path / "people", *arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"found thesis\.txt"):
        write_people(tmp_path, 1, seed=0)
    with pytest.raises(InputError, match="found a file"):
        write_people(tmp_path / "thesis.txt", 1, seed=0)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
