"""The person detector on networks whose map peaks where red squares are, against a plain reading of the rule."""

import numpy as np
import pytest
import torch

from cpm_repro.inference.beliefs import estimate_pose
from cpm_repro.inference.crops import Person, crop_person, person_crops
from cpm_repro.inference.everybody import estimate_all_poses
from cpm_repro.inference.imresize import imresize
from cpm_repro.inference.person_detection import detector_stride, find_people, map_peaks, person_map
from cpm_repro.inference.protocol import Protocol, target_dist_for
from cpm_repro.network.specification import person_deploy
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore:.*of the training not known")

BOX = 64
PROTOCOL = Protocol(BOX, target_dist_for(BOX), scales=(1.0,))
NEUTRAL = 100


class RedNet(torch.nn.Module):
    """One map at stride 8: how red each 8 x 8 block of the input is, 1 for the brightest red. Keeps its inputs."""

    def __init__(self):
        super().__init__()
        self.input_shapes = {"image": (1, 3, 96, 96)}
        self.blob_shapes = {"conv6_2_CPM": (1, 1, 12, 12), "Mconv7_stage2": (1, 1, 12, 12)}
        self.blob_names = list(self.blob_shapes)
        self.inputs = []

    def forward(self, inputs, wanted=None):
        image = inputs["image"]
        self.inputs.append(image.numpy().copy())
        red = torch.nn.functional.avg_pool2d(image[:, 2:] - image[:, 1:2], 8)
        return {"conv6_2_CPM": red * 0.1, "Mconv7_stage2": red * 256 / (255 - NEUTRAL)}


class CentreNet(torch.nn.Module):
    """A pose network of one part, which it puts where its centre map says; then the background."""

    def __init__(self):
        super().__init__()
        self.input_shapes = {"data": (1, 4, BOX, BOX)}
        self.blob_names = ["conv7_stage1"]
        self.batches = []

    def forward(self, inputs, wanted=None):
        self.batches.append(len(inputs["data"]))
        part = torch.nn.functional.avg_pool2d(inputs["data"][:, 3:], 8)
        return {"conv7_stage1": torch.cat([part, 1 - part], 1)}


def picture_with(height: int, width: int, squares: list[tuple[int, int, int]]) -> np.ndarray:
    """Red squares (left, top, brightness), 16 px wide, on grey."""
    picture = np.full((height, width, 3), NEUTRAL, np.uint8)
    for left, top, red in squares:
        picture[top : top + 16, left : left + 16, 2] = red
    return picture


def peaks_by_the_rule(belief: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    """x, y of everything above the threshold that none of its 8 neighbours exceeds."""
    found = set()
    height, width = belief.shape
    for y in range(height):
        for x in range(width):
            around = belief[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            if belief[y, x] > threshold and belief[y, x] == around.max():
                found.add((x, y))
    return found


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (17, 23), (40, 31)])
def test_peaks_are_those_of_the_rule(size):
    belief = np.random.default_rng(size[1]).random(size).astype(np.float32)
    peaks = map_peaks(belief, 0.4)
    assert peaks.shape[1] == 2
    assert set(map(tuple, peaks.tolist())) == peaks_by_the_rule(belief, 0.4)
    heights = belief[peaks[:, 1], peaks[:, 0]]
    assert (np.diff(heights) <= 0).all()


def test_a_plateau_is_one_peak_and_the_threshold_is_not_enough():
    belief = np.zeros((9, 11), np.float32)
    belief[2:4, 3:6] = 0.75  # one person
    belief[8, 0] = belief[8, 2] = 0.75  # two, later in row order
    belief[6, 9] = 0.5
    assert map_peaks(belief).tolist() == [[3, 2], [0, 8], [2, 8]]
    assert map_peaks(np.full((5, 6), 0.8, np.float32)).tolist() == [[0, 0]]
    assert map_peaks(np.zeros((5, 6), np.float32)).shape == (0, 2)


def test_the_detector_sees_the_padded_picture_at_the_inputs_height():
    picture = np.random.default_rng(2).integers(0, 256, (101, 77, 3)).astype(np.uint8)
    net = RedNet()
    found = find_people(picture, net, PROTOCOL)
    scaled = imresize(picture, BOX / 101)
    (given,) = net.inputs
    assert scaled.shape == (64, 49, 3) and given.shape == (1, 3, 64, 56) and given.dtype == np.float32
    assert_same_bits(given[0, :, :, :49], scaled.transpose(2, 0, 1).astype(np.float32) / 256 - np.float32(0.5))
    assert not given[..., 49:].any()  # 128 / 256 - 0.5
    assert found.person_map.shape == (64, 49)
    coarse = RedNet()({"image": torch.from_numpy(given)})["Mconv7_stage2"][0, 0].numpy()
    assert_same_bits(found.person_map, imresize(coarse, 8)[:, :49])


def test_people_are_found_and_their_crops_lie_around_them():
    picture = picture_with(128, 311, [(32, 48, 200), (160, 64, 255), (256, 32, 160)])
    found = find_people(picture, RedNet(), PROTOCOL, where="a.png")
    # 128 px become 64: the squares become 8 px blocks of the detector's input, their centres 2 px of 128 off at most.
    centers = np.array([person.center for person in found.people])
    # The third square is not half as red as the brightest could be.
    np.testing.assert_allclose(centers, [[168, 72], [40, 56]], atol=2)
    assert found.scores.dtype == np.float64 and found.scores[0] > found.scores[1] > 0.5
    for person, score in zip(found.people, found.scores, strict=True):
        (crop,) = person_crops(person, PROTOCOL)
        assert crop.factor == pytest.approx(0.5, rel=1e-12) and person.where == "a.png"
        x, y = crop.left + BOX // 2 - 1, crop.top + BOX // 2 - 1
        assert found.person_map[y, x] == score


def test_a_given_scale_sets_the_size():
    picture = picture_with(128, 200, [(60, 48, 255)])
    (small,) = find_people(picture, RedNet(), Protocol(BOX, 0.2), scale=0.4).people
    assert small.scale == pytest.approx(0.4)
    assert find_people(picture, RedNet(), Protocol(BOX, 0.1), scale=0.4).person_map.shape == (32, 50)


def test_everybodys_pose_is_the_testing_protocols_in_batches():
    squares = [(16, 48, 255), (96, 16, 245), (176, 64, 235), (256, 32, 225), (336, 96, 215)]
    picture = picture_with(128, 400, squares)
    net, scales = CentreNet(), (0.9, 1.1)
    poses = estimate_all_poses(picture, net, RedNet(), scales=scales, sigma_center=4, batch_size=4)
    assert net.batches == [4, 4, 2]
    people = find_people(picture, RedNet(), PROTOCOL).people
    assert len(poses) == len(people) == 5
    for pose, person in zip(poses, people, strict=True):
        alone = estimate_pose(picture, CentreNet(), person.center, person.scale, scales, sigma_center=4)
        assert_same_bits(pose.maps, alone.maps)
        assert np.abs(pose.joints[0] - person.center).max() < 5


def test_nobody_gives_no_poses():
    assert estimate_all_poses(picture_with(64, 64, []), CentreNet(), RedNet()) == []


def test_a_crop_at_the_border_is_padded():
    picture = picture_with(128, 160, [(0, 0, 255)])
    (person,) = find_people(picture, RedNet(), PROTOCOL).people
    crop = crop_person(Person(picture, person.center, person.scale), 0.5, Protocol(BOX, 0.5, 4.0))
    assert not crop.data[:3, :20].any() and crop.data[:3, 40:, 40:].any()


def with_blobs(**shapes) -> RedNet:
    net = RedNet()
    net.blob_shapes = shapes
    net.blob_names = list(shapes)
    return net


def test_other_networks_are_named():
    net = RedNet()
    net.input_shapes = {"data": (1, 4, 64, 64)}
    with pytest.raises(
        InputError, match=r"p.prototxt: .*found `data` 1 x 4 x 64 x 64; it looks like a network for poses"
    ):
        detector_stride(net, "p.prototxt")
    net.input_shapes = {"image": (1, 4, 64, 64)}
    with pytest.raises(InputError, match=r"N x 3 x H x W, found `image` 1 x 4 x 64 x 64$"):
        detector_stride(net)
    with pytest.raises(
        InputError, match=r"expected one belief map of people, found 15 in its last blob `Mconv7_stage2`"
    ):
        detector_stride(with_blobs(conv6_2_CPM=(1, 1, 12, 12), Mconv7_stage2=(1, 15, 12, 12)))
    with pytest.raises(InputError, match=r"divides the input 96 x 96, found `conv6_2_CPM` 11 x 12"):
        detector_stride(with_blobs(conv6_2_CPM=(1, 1, 11, 12)))


def test_pictures_that_cannot_be_searched_are_named():
    for size, said in (
        ((5, 200), "a.png: expected a picture of at least 8 x 8 px, found 200 x 5"),
        ((8, 400), "at most 16 times 64 x 64 px .*, found 400 x 8 px that are to be resized 8 times"),
    ):
        with pytest.raises(InputError, match=said):
            find_people(np.zeros((*size, 3), np.uint8), RedNet(), PROTOCOL, where="a.png")
    with pytest.raises(InputError, match=r"to be resized 2.*e.08 times"):
        find_people(np.zeros((20, 20, 3), np.uint8), RedNet(), PROTOCOL, scale=1e-9, where="a.png")


def test_a_map_of_countless_peaks_is_no_person_map():
    rng = np.random.default_rng(0)
    net = RedNet()
    net.forward = lambda inputs, wanted: {"Mconv7_stage2": torch.from_numpy(rng.uniform(0.6, 1, (1, 1, 80, 80)))}
    with pytest.raises(InputError, match=r"at most 255 people, found .* are the weights those of a person detector"):
        find_people(np.zeros((640, 640, 3), np.uint8), net, Protocol(640, target_dist_for(640)))


def test_the_releases_detector_has_stride_8():
    net = Net(parse_net(str(person_deploy()), "person"))
    assert detector_stride(net) == 8


def test_person_map_takes_any_factor():
    picture = picture_with(50, 83, [(20, 20, 255)])
    assert person_map(picture, RedNet(), 0.77).shape == (39, 64)
