"""The testing protocol on a network that sees coloured dots, and against a plain, slow reading of the protocol."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from cpm_repro.inference import beliefs
from cpm_repro.inference.averages import Averaged
from cpm_repro.inference.beliefs import Pose, estimate_beliefs, estimate_pose, estimate_poses, find_pose, run_crops
from cpm_repro.inference.crops import Person, person_crops
from cpm_repro.inference.imresize import imresize
from cpm_repro.inference.protocol import RELEASE_SCALES, Protocol, target_dist_for
from data_lmdb import joints
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

pytestmark = pytest.mark.filterwarnings("ignore:.*of the training not known")
BOX = 64


class DotNet(torch.nn.Module):
    """Three parts, the brightest point of each colour plane; stage 1 is blunter. Counts what it was given."""

    def __init__(self, box: int = BOX):
        super().__init__()
        self.input_shapes = {"data": (1, 4, box, box)}
        self.blob_names = ["data", "image", "center_map", "conv7_stage1", "concat_stage2", "Mconv5_stage2"]
        self.batches = []

    def forward(self, inputs, wanted=None):
        data = inputs["data"]
        self.batches.append(len(data))
        _, _, height, width = data.shape
        grid_y = torch.arange(height // 8)[:, None] * 8 + 3.5
        grid_x = torch.arange(width // 8)[None, :] * 8 + 3.5
        peak = data[:, :3].flatten(2).argmax(2)  # (N, 3)
        y, x = (peak // width)[..., None, None], (peak % width)[..., None, None]
        square = (grid_y - y) ** 2 + (grid_x - x) ** 2

        def maps(sigma: float):
            parts = torch.exp(-square / 2 / sigma**2)
            return torch.cat([parts, 1 - parts.amax(1, keepdim=True)], 1)

        return {"conv7_stage1": maps(14.0), "Mconv5_stage2": maps(7.0)}


def dotted_picture(height: int, width: int, dots: list[tuple[int, int]], radius: int = 3) -> np.ndarray:
    picture = np.random.default_rng(height).integers(90, 110, (height, width, 3)).astype(np.uint8)
    rows, columns = np.mgrid[:height, :width]
    for plane, (x, y) in enumerate(dots):
        square = (rows - y) ** 2 + (columns - x) ** 2
        glow = 150 * np.exp(-square / 2 / radius**2)
        picture[..., plane] = np.minimum(picture[..., plane] + glow, 255).astype(np.uint8)
    return picture


@pytest.mark.parametrize("scales", [(1.0,), RELEASE_SCALES])
@pytest.mark.parametrize("target_dist", [0.33, 0.61])
def test_joints_are_found_where_the_dots_are(scales, target_dist):
    dots = [(41, 52), (66, 38), (57, 71)]
    picture = dotted_picture(117, 95, dots)
    pose = estimate_pose(picture, DotNet(), (53.0, 55.0), 0.6, scales, target_dist)
    assert pose.maps.shape == (4, 117, 95) and pose.maps.dtype == np.float32
    # The cubic peak between 8 px cells is up to 2 px of the crop off.
    assert np.abs(pose.joints - dots).max() <= 2 / (target_dist / 0.6)
    assert (pose.scores > 0.7).all()


def test_a_person_at_the_border_is_padded():
    dots = [(4, 5), (12, 3), (2, 14)]
    picture = dotted_picture(83, 77, dots)
    pose = estimate_pose(picture, DotNet(), (3.0, 4.0), 0.5, (1.0,), 0.5)
    assert np.abs(pose.joints - dots).max() <= 1.5
    outside = pose.maps[:, 60:, 60:]
    assert not outside[:3].any() and (outside[3] == 1).all()


def test_a_centre_far_outside_gives_empty_maps():
    pose = estimate_pose(dotted_picture(50, 40, [(5, 5)] * 3), DotNet(), (4000.0, -9000.0), 0.5, (1.0,), 0.5)
    assert not pose.maps[:3].any() and (pose.maps[3] == 1).all()


def protocol(picture: np.ndarray, net: DotNet, center, scale: float, scales, target_dist: float) -> np.ndarray:
    """Whole pictures at every step, 1-based as the protocol is written; maps (P+1, H, W) in float64."""
    total = 0.0
    for multiplier in scales:
        factor = target_dist / scale * multiplier
        scaled = imresize(picture, factor)
        height, width = scaled.shape[:2]
        x, y = (int(np.floor((value + 1) * factor + 0.5)) for value in center)
        up, down, left, right = BOX // 2 - y, BOX // 2 - (height - y), BOX // 2 - x, BOX // 2 - (width - x)
        pads = [(max(up, 0), max(down, 0)), (max(left, 0), max(right, 0)), (0, 0)]
        padded = np.pad(scaled, pads, constant_values=128)
        top, side = max(-up, 0), max(-left, 0)
        crop = padded[top : top + BOX, side : side + BOX]
        data = np.zeros((1, 4, BOX, BOX), np.float32)
        data[0, :3] = crop.transpose(2, 0, 1) / 256 - 0.5
        maps = net({"data": torch.from_numpy(data)})["Mconv5_stage2"][0].numpy().astype(np.float64)
        maps = imresize(np.moveaxis(maps, 0, -1), 8.0)
        whole = np.zeros((height + 2 * BOX, width + 2 * BOX, maps.shape[2]))
        whole[..., -1] = 1
        whole[BOX - up : 2 * BOX - up, BOX - left : 2 * BOX - left] = maps
        unpadded = whole[BOX:-BOX, BOX:-BOX]
        total = total + imresize(unpadded, output_size=picture.shape[:2])
    return np.moveaxis(total / len(scales), -1, 0)


@pytest.mark.parametrize(
    ("size", "center"), [((101, 88), (50.3, 47.8)), ((45, 131), (9.0, 30.5)), ((150, 33), (31.0, 140.0))]
)
def test_maps_are_those_of_the_protocol(size, center):
    rng = np.random.default_rng(size[0])
    picture = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    scales = (0.7, 1.0, 1.3)
    pose = estimate_pose(picture, DotNet(), center, 0.55, scales, 0.47)
    expected = protocol(picture, DotNet(), center, 0.55, scales, 0.47)
    np.testing.assert_allclose(pose.maps, expected, rtol=0, atol=2e-6)


def test_many_people_share_batches_and_stay_in_order():
    rng = np.random.default_rng(7)
    people = []
    for index in range(7):
        dots = rng.integers(30, 50, (3, 2))
        people.append(Person(dotted_picture(80 + index, 90 - index, dots), (40.0, 41.0), 0.6))
    net = DotNet()
    batched = list(estimate_poses(people, net, Protocol(BOX, 0.5, scales=(0.9, 1.1), batch=5), stages=(1, 2)))
    assert net.batches == [4, 4, 4, 2]
    for person, (first, last) in zip(people, batched, strict=True):
        alone = estimate_pose(person.image, DotNet(), person.center, person.scale, (0.9, 1.1), 0.5)
        assert_same_bits(last.maps, alone.maps)
        assert not np.array_equal(first.maps, last.maps)


@pytest.mark.parametrize("batch", [1, 2, 3, 16])
def test_the_batch_size_bounds_the_batches_and_changes_no_bit(batch):
    people = [Person(dotted_picture(70, 81, [(40, 40), (30, 30), (35, 44)]), (33.0, 41.0), 0.6)] * 2
    net = DotNet()
    found = list(estimate_poses(people, net, Protocol(BOX, 0.5, scales=(0.8, 1.0, 1.2), batch=batch)))
    assert max(net.batches) <= batch and sum(net.batches) == 6
    alone = estimate_pose(people[0].image, DotNet(), (33.0, 41.0), 0.6, (0.8, 1.0, 1.2), 0.5)
    for (pose,) in found:
        assert_same_bits(pose.maps, alone.maps)


def test_beliefs_hold_crops_and_maps_of_every_stage_and_scale():
    picture = dotted_picture(90, 90, [(40, 40), (50, 40), (45, 55)])
    person = Person(picture, (45.0, 45.0), 0.5)
    (beliefs,) = estimate_beliefs([person], DotNet(), Protocol(BOX, 0.5, scales=(1.0, 1.2)))
    pixels = beliefs.crops[0].pixels()
    assert pixels.shape == (BOX, BOX, 3) and pixels.dtype == np.uint8
    assert_same_bits(pixels[:60, :60], picture[14:74, 14:74])
    assert [maps.shape for maps in beliefs.stages] == [(2, 4, 8, 8)] * 2
    one = find_pose(Averaged(beliefs.stages[0][:1], beliefs.crops[:1]))
    (single,) = estimate_poses([person], DotNet(), Protocol(BOX, 0.5, scales=(1.0,)), stages=(1,))
    assert_same_bits(one.maps, single[0].maps)


def test_wrong_networks_and_people_are_named():
    picture = dotted_picture(40, 40, [(5, 5)] * 3)
    net = DotNet()
    net.input_shapes = {"data": (1, 3, BOX, BOX)}
    with pytest.raises(InputError, match=r"N x 4 x box x box \(BGR and centre map\), found 1 x 3 x 64 x 64"):
        estimate_pose(picture, net, (5, 5), 1.0)
    with pytest.raises(InputError, match="stage 3: expected 1 to 2"):
        next(estimate_poses([Person(picture, (5, 5), 1.0)], DotNet(), stages=(3,)))
    for scale in (0.0, -1.0, float("nan"), float("inf"), 1e-9, 1e9):
        with pytest.raises(InputError, match="the person: expected a scale"):
            estimate_pose(picture, DotNet(), (5, 5), scale)
    with pytest.raises(InputError, match="the person: expected a finite centre"):
        estimate_pose(picture, DotNet(), (float("nan"), 5), 1.0)


def test_pictures_that_cannot_be_used_are_named():
    for picture, found in (
        (np.zeros((7, 90, 3), np.uint8), "a.png: expected a picture of at least 8 x 8 px, found 90 x 7"),
        (np.zeros((0, 0, 3), np.uint8), "found 0 x 0"),
        (np.zeros((20, 20), np.uint8), "expected a picture uint8 H x W x 3, found uint8 20 x 20"),
        (np.zeros((20, 20, 3)), "found float64 20 x 20 x 3"),
    ):
        with pytest.raises(InputError, match=found):
            estimate_pose(picture, DotNet(), (5, 5), 1.0, where="a.png")


def test_maps_that_are_no_numbers_are_refused():
    class Diverged(DotNet):
        def forward(self, inputs, wanted=None):
            diverged = torch.full((len(inputs["data"]), 4, 8, 8), torch.nan)
            return super().forward(inputs, wanted) | {"Mconv5_stage2": diverged}

    with pytest.raises(InputError, match="finite belief maps, found NaN or infinity in `Mconv5_stage2`"):
        estimate_pose(dotted_picture(40, 40, [(5, 5)] * 3), Diverged(), (5, 5), 1.0)


def test_unequal_stages_are_refused():
    class Unequal(DotNet):
        def forward(self, inputs, wanted=None):
            blobs = super().forward(inputs, wanted)
            blobs["conv7_stage1"] = blobs["conv7_stage1"][:, :2]
            return blobs

    person = Person(dotted_picture(40, 40, [(5, 5)] * 3), (20, 20), 1.0)
    crops = person_crops(person, Protocol(BOX, target_dist_for(BOX), scales=(1.0,)))
    with pytest.raises(InputError, match="one shape in every stage"):
        run_crops(Unequal(), crops)


def test_the_mirrored_picture_is_averaged_in(monkeypatch):
    rng = np.random.default_rng(5)
    weights = rng.standard_normal((15, 3)).astype(np.float32)
    sides = [*joints.mirrored(joints.PARTS[14]), 14]

    def run(net, crops, batch):
        data = np.stack([crop.data for crop in crops])[:, :3, 4::8, 4::8]
        return [np.einsum("pc,nchw->nphw", weights, data).astype(np.float32)]

    monkeypatch.setattr(beliefs, "run_crops", run)
    picture = rng.integers(0, 256, (70, 80, 3)).astype(np.uint8)
    protocol = Protocol(BOX, 0.3, 5, (1.0, 1.2), mirror=True)
    (one,) = estimate_beliefs([Person(picture, (40, 35), 0.4)], DotNet(), protocol)
    (plain,) = estimate_beliefs([Person(picture, (40, 35), 0.4)], DotNet(), replace(protocol, mirror=False))
    data = np.stack([crop.data for crop in plain.crops])[:, :3, 4::8, :][..., ::-1][..., 4::8][..., ::-1]
    other = np.einsum("pc,nchw->nphw", weights, data)[:, sides]
    np.testing.assert_allclose(one.stages[0], (plain.stages[0] + other) / 2, atol=1e-5)


def test_a_network_without_known_sides_is_not_mirrored():
    picture = np.zeros((70, 80, 3), np.uint8)
    with pytest.raises(InputError, match="mirror: expected a network whose left and right are known"):
        next(estimate_beliefs([Person(picture, (40, 35), 0.4)], DotNet(), Protocol(BOX, 0.3, 5, (1.0,), mirror=True)))


def test_a_pose_knows_its_parts_and_is_short():
    joints = np.arange(28.0).reshape(14, 2)
    crops = person_crops(Person(np.zeros((40, 60, 3), np.uint8), (30, 20), 0.2), Protocol(BOX, 0.3, 5, (1.0,)))
    pose = Pose(joints, np.linspace(0.1, 0.9, 14), Averaged(np.zeros((1, 15, 8, 8), np.float32), crops))
    assert pose.parts[4] == "r_wrist" and pose["r_wrist"].tolist() == [8, 9]
    assert repr(pose) == "Pose(14 parts on 60 x 40 px, scores 0.10 to 0.90)"
    with pytest.raises(KeyError, match=r"expected one of head, .*, found 'wrist'"):
        pose["wrist"]
    assert Pose(joints[:3], pose.scores[:3], pose.averaged).parts == ("part_0", "part_1", "part_2")


def test_a_pose_in_a_file_in_its_middle(tmp_path):
    picture = dotted_picture(81, 91, [(41, 42), (56, 38), (47, 51)])
    Image.fromarray(picture[:, :, ::-1]).save(tmp_path / "picture.png")
    found = estimate_pose(tmp_path / "picture.png", DotNet(), scales=(1.0,), target_dist=0.4)
    expected = estimate_pose(picture, DotNet(), (45.0, 40.0), 81 / 200, (1.0,), 0.4)
    assert_same_bits(found.maps, expected.maps)
    with pytest.raises(InputError, match=r"none\.png: "):
        estimate_pose(str(tmp_path / "none.png"), DotNet())


def test_numbers_of_the_training_that_are_not_known_are_said():
    picture = dotted_picture(81, 91, [(41, 42), (56, 38), (47, 51)])
    with pytest.warns(UserWarning, match="target_dist and sigma_center of the training not known: .* 64 px"):
        estimate_pose(picture, DotNet(), scales=(1.0,))
