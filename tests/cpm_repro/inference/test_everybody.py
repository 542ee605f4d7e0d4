"""People of any size: one sighting of each, somebody always, and the same whatever the picture's size."""

import numpy as np
import pytest
import torch

import cpm_repro
from cpm_repro.inference import everybody
from cpm_repro.inference.beliefs import Pose
from cpm_repro.inference.crops import Person
from cpm_repro.inference.everybody import (
    _each_once,
    _one_of_each,
    _Sighting,
    find_everybody,
    middle,
    people_finder,
    settled,
)
from cpm_repro.inference.person_detection import find_people
from cpm_repro.inference.protocol import Protocol
from cpm_repro.synthetic.pictures import draw_picture

PROTOCOL = Protocol(64, 0.2, 5, (1.0,))
PICTURE = np.random.default_rng(0).integers(0, 256, (90, 120, 3)).astype(np.uint8)


def test_of_sightings_near_each_other_the_most_certain_is_kept():
    first, same, other = (
        _Sighting(0.6, (50, 50), 0.5),
        _Sighting(0.5, (70, 50), 0.5),
        _Sighting(0.4, (150, 50), 0.4),
    )
    doubtful = _Sighting(0.3, (300, 50), 0.4)
    assert _one_of_each([same, doubtful, other, first]) == [first, other]
    assert _one_of_each([doubtful, _Sighting(0.1, (0, 0), 1)]) == [doubtful]
    assert _one_of_each([]) == []


def test_the_middle_leaves_out_joints_that_nobody_believes_in():
    joints = np.array([[10.0, 20.0], [30.0, 60.0], [500.0, 500.0]])
    pose = Pose(joints, np.array([0.9, 0.5, 0.1]), np.zeros((4, 1, 1), np.float32))
    assert middle(pose) == (20.0, 40.0)


@pytest.fixture
def sizes(monkeypatch):
    """The network believes most in people of a certain size; the joints are always the same."""
    asked = []

    def beliefs(people, net, protocol):
        for person in people:
            asked.append((person, protocol))
            score = np.full(14, 1 / (1 + abs(person.scale - 0.55)))
            joints = np.tile([[10.0, 20.0], [50.0, 40.0]], (7, 1)) + person.center
            yield type("Beliefs", (), {"pose": lambda self, s=score, j=joints: Pose(j, s, np.zeros((15, 1, 1)))})()

    monkeypatch.setattr(everybody, "estimate_beliefs", beliefs)
    return asked


def test_a_person_settles_at_the_size_that_is_believed_in_most(sizes):
    person, pose = settled(Person(PICTURE, (5.0, 5.0), 0.5, "x"), None, Protocol(64, 0.2, 5, (0.7, 1.3)))
    assert (person.scale, person.center, person.where) == (0.55, (35.0, 35.0), "x")
    assert {protocol.scales for _, protocol in sizes} == {(1.0,)} and pose.scores.tolist() == [1.0] * 14


def placed(x, score, scale=0.5):
    """A person whose joints stand in a column of 100 px."""
    joints = np.stack([np.full(14, x), np.linspace(0, 100, 14)], axis=1)
    return Person(PICTURE, (x, 50.0), scale, "x"), Pose(joints, np.full(14, score), np.zeros((15, 1, 1), np.float32))


def test_who_shares_a_better_persons_joints_is_nobody():
    better, same, beside, faint = placed(10.0, 0.6), placed(15.0, 0.5), placed(17.0, 0.5), placed(90.0, 0.2)
    assert _each_once([same, better], [0.5, 0.5]) == [1]
    assert _each_once([better, beside], [0.5, 0.5]) == [0, 1]
    assert _each_once([faint, better], [0.5, 0.5]) == [1]


def test_somebody_is_whom_both_networks_believe_in():
    faint, beside = placed(90.0, 0.2), placed(17.0, 0.5)
    assert _each_once([faint], [0.7]) == [0] and _each_once([faint], [0.5]) == []
    assert _each_once([beside], [0.3]) == [0] and _each_once([beside, faint], [0.2, 0.7]) == [1]


def test_peaks_of_all_sizes_become_people(sizes, monkeypatch):
    def person_map(image, net, factor):
        belief = np.zeros((round(90 * factor), round(120 * factor)), np.float32)
        if factor == pytest.approx(142 / 120):
            belief[round(45 * factor), round(20 * factor)] = 0.7
        if factor == pytest.approx(251 / 120):
            belief[round(40 * factor), round(100 * factor)] = 0.5
            belief[round(40 * factor), round(22 * factor)] = 0.4  # the first person again
        return belief

    monkeypatch.setattr(everybody, "person_map", person_map)
    found = find_everybody(PICTURE, None, everybody.LADDER_SIZE, None, PROTOCOL)
    assert found.scores.tolist() == pytest.approx([0.7, 0.5]) and len(found.people) == 2
    first, second = sizes[0][0], sizes[len(everybody.STEPS)][0]
    assert first.center == pytest.approx((20, 45), abs=1) and second.center == pytest.approx((100, 40), abs=1)
    assert first.scale / second.scale == pytest.approx(251 / 142)
    assert found.person_map.max() == np.float32(0.7)


def test_where_nobody_is_seen_nobody_is_found(sizes, monkeypatch):
    monkeypatch.setattr(everybody, "person_map", lambda image, net, factor: np.zeros((9, 12), np.float32))
    found = find_everybody(PICTURE, None, everybody.LADDER_SIZE, None, PROTOCOL)
    assert not found.people and not sizes and found.peaks.shape == (0, 2) and found.person_map.shape == (1, 1)


def test_a_large_picture_is_shrunk_and_its_people_are_placed_in_it(sizes, monkeypatch):
    seen = []

    def person_map(image, net, factor):
        seen.append(image.shape)
        belief = np.zeros((round(image.shape[0] * factor), round(image.shape[1] * factor)), np.float32)
        belief[round(45 * factor), round(20 * factor)] = 0.7
        return belief

    monkeypatch.setattr(everybody, "person_map", person_map)
    small = find_everybody(PICTURE, None, everybody.LADDER_SIZE, None, PROTOCOL)
    monkeypatch.setattr(everybody, "LARGEST_SIDE", 120)
    large = np.repeat(np.repeat(PICTURE, 4, axis=0), 4, axis=1)
    found = find_everybody(large, None, everybody.LADDER_SIZE, None, PROTOCOL)
    assert set(seen) == {(90, 120, 3)} and found.people[0].image is large
    assert found.people[0].scale == 4 * small.people[0].scale
    np.testing.assert_allclose(np.add(found.people[0].center, 1) / 4, np.add(small.people[0].center, 1))
    np.testing.assert_allclose((found.peaks + 1) / 4, small.peaks + 1)


def test_a_picture_is_shrunk_once(sizes, monkeypatch):
    """900 / 1061 * 1061 is a little more than 900 in float64, and resizing rounds up."""
    seen = np.pad(np.full((1, 1), 0.7, np.float32), 4)
    monkeypatch.setattr(everybody, "person_map", lambda image, net, factor: seen)
    find_everybody(np.zeros((60, 1061, 3), np.uint8), None, everybody.LADDER_SIZE, None, PROTOCOL)
    assert sizes[0][0].image.shape == (51, 901, 3)


@pytest.mark.parametrize(
    ("trained", "asked", "size"),
    [
        ({"target_dist": 0.65}, {}, 0.65),  # of its training
        ({"target_dist": 0.65}, {"person_size": 0.37}, 0.37),
        ({}, {"person_size": 0.37}, 0.37),
        ({"target_dist": 0.65}, {"scale": 0.9}, None),
        ({"target_dist": 1.171}, {}, None),  # the release's
        ({}, {}, None),
    ],
)
def test_a_detector_finds_people_of_any_size_where_its_own_is_known(trained, asked, size):
    detector = type("Detector", (), {"trained": trained})()
    find = people_finder(detector, None, PROTOCOL, **asked)
    assert find.func is (find_people if size is None else find_everybody)
    assert find.keywords.get("person_size") == size


def test_in_a_picture_without_people_nobody_is_found():
    net, detector = cpm_repro.load("lsp-small"), cpm_repro.load("person-small")
    assert cpm_repro.estimate_all_poses(np.full((120, 160, 3), 128, np.uint8), net, detector, scales=(1.0,)) == []


def test_all_poses_are_those_of_the_detectors_people():
    """The package's detector finds people of any size; with `scale` it is asked as the release's."""
    net, detector = cpm_repro.load("lsp-small"), cpm_repro.load("person-small")
    picture = draw_picture(3, 1).image[..., ::-1].copy()
    with torch.inference_mode():
        poses = cpm_repro.estimate_all_poses(picture, net, detector, scales=(1.0,))
        size, protocol = detector.trained["target_dist"], Protocol.for_net(net, scales=(1.0,))
        people = find_everybody(picture, detector, size, net, protocol).people
        alone = cpm_repro.estimate_pose(picture, net, people[0].center, people[0].scale, (1.0,))
        assert len(poses) == len(people) and (poses[0].joints == alone.joints).all()
        assert cpm_repro.estimate_all_poses(picture, net, detector, 0.5, (1.0,), threshold=2) == []
