"""The transformer against the original's samples and steps, and its rules one by one."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.samples.labels import centre_map, label_maps
from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.placement import network_pose, stored_pose
from cpm_repro.samples.table import read_table
from cpm_repro.samples.transformer import Augmentation, CPMTransformer
from data_lmdb.joints import STORED_TO_14, SWAPS
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, decode
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from tests.bits import assert_same_bits

CONFIGURATIONS = ["default", "perturb", "np28", "stride4", "flic9", "flic9_notransform", "clahe"]
NO_CHANGE = Augmentation()


def golden_param(values: dict) -> schema.TransformationParameter:
    """The transform_param of a golden file's `config`; truth values are written as text in some."""
    words = {"true": True, "false": False}
    return schema.TransformationParameter(
        **{name: words.get(value, value) if isinstance(value, str) else value for name, value in values.items()}
    )


def param(**changed: object) -> schema.TransformationParameter:
    values = {"stride": 8, "crop_size_x": 72, "crop_size_y": 56, "target_dist": 1.0, "center_perterb_max": 0}
    return schema.TransformationParameter(**{**values, **changed})


def random_record(seed: int, joints: int = 16, others: int = 2) -> Record:
    random = np.random.default_rng(seed)

    def person() -> Person:
        places = random.uniform(1, 80, (joints, 3)).astype(np.float32)
        places[:, 2] = random.integers(0, 2, joints)
        return Person(random.uniform(20, 60, 2).astype(np.float32), random.uniform(0.6, 1.5), places)

    image = random.integers(0, 256, (81, 93, 3), np.uint8)
    return Record("TEST", False, image, 93.0, 81.0, person(), [person() for _ in range(others)])


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_golden_samples(golden: Path, name: str) -> None:
    expected = np.load(golden / "transform" / f"transform_{name}.npz")
    config = json.loads(str(expected["config"]))
    if name == "clahe":
        pytest.importorskip("cv2", reason="the extra opencv is not installed")
    transformer = CPMTransformer(golden_param(config["transform_param"]))
    random = GlibcRand(config["srand"])
    images, centre_maps, labels = (expected[key] for key in ("image_u8", "center_map", "label"))
    with LmdbReader(golden / "transform" / config["lmdb"]) as reader:
        for i in range(config["samples"]):
            index = i % len(reader)
            record = decode(reader.value(index), transformer.param.np_in_lmdb, reader.where(index))
            data, label = transformer(record, random)
            planes = (images[i].astype(np.float32) - 128) / 256
            assert_same_bits(data[:3], planes, f"{name} image {i}")
            assert_same_bits(data[3], centre_maps[i], f"{name} centre map {i}")
            assert_same_bits(label, labels[i], f"{name} label {i}")


def test_golden_steps(golden: Path) -> None:
    config = json.loads(str(np.load(golden / "transform" / "transform_default.npz")["config"]))
    transformer, random = CPMTransformer(golden_param(config["transform_param"])), GlibcRand(config["srand"])
    expected = np.load(golden / "transform" / "transform_steps.npz")
    with LmdbReader(golden / "transform" / config["lmdb"]) as reader:
        for i in range(4):
            dice = GlibcRand()
            dice.restore(random.state())
            assert [dice.rand() for _ in range(6)] == expected[f"000{i}_rand"].tolist()
            record, augmentation = decode(reader.value(i), 16, reader.where(i)), transformer.draw(random)
            check_drawn(augmentation, record, transformer, expected[f"000{i}_aug"])
            check_steps(transformer.steps(record, augmentation), expected, i)


def check_drawn(augmentation: Augmentation, record: Record, transformer: CPMTransformer, aug: np.ndarray) -> None:
    """`aug` is [multiplier, scale_abs, scale, degree, crop dx, crop dy, flip, scale_self]."""
    scale_self = np.float32(record.self_person.scale_provided)
    absolute = np.float32(transformer.param.target_dist) / scale_self
    multiplier = augmentation.scale_multiplier
    drawn = [multiplier, absolute, absolute * multiplier, augmentation.degree]
    drawn += [*augmentation.crop_offset, augmentation.flip, scale_self]
    assert_same_bits(np.array(drawn, np.float32), aug, "aug")


def check_steps(steps, expected: np.lib.npyio.NpzFile, i: int) -> None:
    assert_same_bits(steps.matrix, expected[f"000{i}_R"], f"{i} R")
    for step in ("orig", "scale", "rotate", "crop", "flip"):
        assert_same_bits(steps.images[step], expected[f"000{i}_img_{step}"], f"{i} image {step}")
        assert_same_bits(steps.poses[step].joints, expected[f"000{i}_joints_{step}"], f"{i} joints {step}")
        assert_same_bits(steps.poses[step].objpos, expected[f"000{i}_objpos_{step}"], f"{i} objpos {step}")


def test_the_short_way_is_the_long_way() -> None:
    """`apply` never makes the images that `steps` shows, and has their pixels."""
    transformer, random = CPMTransformer(param(max_rotate_degree=170, center_perterb_max=30, gray=1)), GlibcRand(3)
    for seed in range(12):
        record, augmentation = random_record(seed), transformer.draw(random)
        data, _ = transformer.apply(record, augmentation)
        shown = transformer.steps(record, augmentation).images["flip"].transpose(2, 0, 1)
        assert_same_bits(data[:3], (shown.astype(np.float32) - 128) / 256, f"seed {seed}")


def test_apply_overwrites_every_element() -> None:
    transformer, record = CPMTransformer(param()), random_record(1)
    data = np.full(transformer.shape.data_shape, np.nan, np.float32)
    label = np.full(transformer.shape.label_shape, np.nan, np.float32)
    filled = transformer.apply(record, NO_CHANGE, "record", data, label)
    assert filled[0] is data and filled[1] is label
    for actual, expected in zip(filled, transformer.apply(record, NO_CHANGE), strict=True):
        assert_same_bits(actual, expected, "filled")


def test_visibility_comes_from_the_original_image() -> None:
    record = random_record(2, others=0)
    stored = record.self_person.joints
    stored[:4] = [[0, 0, 1], [1, 1, 0], [93, 81, 1], [94, 40, 1]]
    pose = CPMTransformer(param()).steps(record, NO_CHANGE).poses["orig"]
    by_stored = {joint: pose.joints[0, part] for part, joint in enumerate(STORED_TO_14)}
    assert by_stored[0].tolist() == [-1, -1, 2]
    assert by_stored[1].tolist() == [0, 0, 0]
    assert by_stored[2].tolist() == [92, 80, 1]
    assert by_stored[3].tolist() == [93, 39, 2]


@pytest.mark.parametrize(("parts", "stored", "swapped"), [(14, 16, True), (9, 9, True), (5, 5, False)])
def test_flip_swaps_left_and_right(parts: int, stored: int, swapped: bool) -> None:
    changed = {"num_parts": parts, "np_in_lmdb": stored, "transform_body_joint": swapped}
    transformer = CPMTransformer(param(**changed))
    flip = Augmentation(flip=True)
    poses = transformer.steps(random_record(4, stored), flip).poses
    expected = poses["crop"].joints.copy()
    expected[..., 0] = np.float32(71) - expected[..., 0]
    if swapped:
        one, other = (list(side) for side in SWAPS[parts])
        expected[:, one + other] = expected[:, other + one]
    assert_same_bits(poses["flip"].joints, expected, "joints")


def test_dice_are_thrown_in_the_originals_order() -> None:
    """Five numbers if the scale gate stays shut, six if it opens."""
    for scale_prob, count in ((-1.0, 5), (1.0, 6)):
        random, counted = GlibcRand(11), GlibcRand(11)
        CPMTransformer(param(scale_prob=scale_prob)).draw(random)
        for _ in range(count):
            counted.rand()
        assert random.state() == counted.state()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"aug_way": "table"}, "tables of aug_way"),
        ({"aug_way": "dice"}, 'aug_way: "rand" or "table"'),
        ({"do_clahe": True, "clahe_tile_size": 0.5}, "clahe_tile_size"),
        ({"num_parts": 15}, "num_parts 9, 14 or 28"),
        ({"num_parts": 9}, "np_in_lmdb 9"),
        ({"np_in_lmdb": 14}, "np_in_lmdb 16"),
        ({"stride": 0}, "stride"),
        ({"crop_size_x": 4}, "crop"),
        ({"sigma": 0}, "sigma"),
        ({"target_dist": -1}, "target_dist"),
        ({"mean_value": [104.0]}, "no mean_value"),
        ({"scale": 0.5}, "no scale"),
        ({"mirror": True}, "no mirror"),
    ],
)
def test_unknown_options_are_refused(changed: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=rf"layer data: expected .*{sentence}"):
        CPMTransformer(param(**changed), where="layer data")


def test_the_test_phase_takes_the_image_as_it_is() -> None:
    transformer, random, record = CPMTransformer(param(), "TEST"), GlibcRand(5), random_record(0)
    record.image = record.image[:56, :72]
    data, label = transformer(record, random)
    assert random.state() == GlibcRand(5).state()
    planes = record.image.transpose(2, 0, 1).astype(np.float32)
    assert_same_bits(data[:3], (planes - 128) / 256, "image")
    pose = network_pose(stored_pose(record), 14)
    assert_same_bits(data[3], centre_map(pose.objpos[0], (56, 72), transformer.param.sigma_center), "centre map")
    assert_same_bits(label, label_maps(pose.joints, (56, 72), 8, transformer.param.sigma), "label")


def test_another_size_in_the_test_phase_is_refused() -> None:
    """The original would write beyond its buffer."""
    with pytest.raises(InputError, match=r"record 7: .* 72 x 56 px, .*found 93 x 81"):
        CPMTransformer(param(), "TEST").apply(random_record(0), NO_CHANGE, "record 7")


def test_the_centre_map_of_everybody() -> None:
    record, augmentation = random_record(4), Augmentation(0.7, 30.0, (3, -2), True)
    expected, label = CPMTransformer(param()).apply(record, augmentation)
    transformer = CPMTransformer(param(all_centers=True))
    data, same_label = transformer.apply(record, augmentation)
    pose = transformer.place(record, augmentation).pose
    assert len(pose.objpos) > 1
    assert_same_bits(data[:3], expected[:3], "image")
    assert_same_bits(data[3], centre_map(pose.objpos, (56, 72), transformer.param.sigma_center), "centre map")
    assert_same_bits(
        expected[3], centre_map(pose.objpos[0], (56, 72), transformer.param.sigma_center), "own centre map"
    )
    assert_same_bits(label, same_label, "label")
    alone = replace(record, others=[])
    assert_same_bits(
        transformer.apply(alone, augmentation)[0], CPMTransformer(param()).apply(alone, augmentation)[0], ""
    )


def test_without_put_gaussian_there_is_no_centre_map() -> None:
    record, augmentation = random_record(3), Augmentation(1.2, 30.0, (3, -2), True)
    data, label = CPMTransformer(param(put_gaussian=False)).apply(record, augmentation)
    with_map, same_label = CPMTransformer(param()).apply(record, augmentation)
    assert data.shape == (3, 56, 72)
    assert_same_bits(data, with_map[:3], "image")
    assert_same_bits(label, same_label, "label")


def write_tables(folder: Path, augmentations: int, records: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(1)
    degrees = random.uniform(-40, 40, (records, augmentations)).astype(np.float32)
    flips = random.integers(0, 2, (records, augmentations))
    for name, numbers in (("rotate", degrees), ("flip", flips)):
        lines = [" ".join(map(str, row)) for row in numbers.tolist()]
        (folder / f"{name}_{augmentations}_{records}.txt").write_text("\n".join(lines))
    return degrees, flips


def test_tables_replace_two_dice(tmp_path: Path) -> None:
    """Rotation and flip come from the record's row and the epoch's column; the other dice stay in their order."""
    degrees, flips = write_tables(tmp_path, 3, 4)
    changed = {"num_total_augs": 3, "scale_prob": 1.0, "center_perterb_max": 9}
    table = read_table(tmp_path, 3, 4)
    tabled = CPMTransformer(param(aug_way="table", **changed), table=table)
    record, random, by_hand = random_record(6), GlibcRand(2), GlibcRand(2)
    record.write_count = 2.0
    for epoch in range(7):
        augmentation = tabled.draw(random, epoch)
        dice = [by_hand.dice() for _ in range(4)]
        assert augmentation.scale_multiplier == np.float32(param().scale_max - param().scale_min) * dice[
            1
        ] + np.float32(param().scale_min)
        expected = replace(augmentation, degree=degrees[2, epoch % 3], flip=bool(flips[2, epoch % 3]))
        samples = tabled.apply(record, augmentation), CPMTransformer(param(**changed)).apply(record, expected)
        for actual, wanted in zip(*samples, strict=True):
            assert_same_bits(actual, wanted, f"epoch {epoch}")
    assert random.state() == by_hand.state()


def test_broken_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rotate_3_4\.txt: cannot be read"):
        read_table(tmp_path, 3, 4)
    write_tables(tmp_path, 3, 4)
    for text, sentence in (("1 2 3", "4 x 3 numbers, found 3"), ("1 " * 11 + "x", "numbers"), ("nan " * 12, "finite")):
        (tmp_path / "flip_3_4.txt").write_text(text)
        with pytest.raises(InputError, match=rf"flip_3_4.txt: expected .*{sentence}"):
            read_table(tmp_path, 3, 4)
    with pytest.raises(InputError, match="num_total_augs"):
        read_table(tmp_path, 0, 4)
    write_tables(tmp_path, 3, 4)
    transformer = CPMTransformer(param(aug_way="table"), table=read_table(tmp_path, 3, 4))
    record = random_record(0)
    record.write_count = 4.0
    with pytest.raises(InputError, match="record 7: expected a write counter below 4"):
        transformer.apply(record, NO_CHANGE, "record 7")


def test_clahe_without_opencv_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(InputError, match=r"layer data: do_clahe: true: expected the package opencv.*\[opencv\]"):
        CPMTransformer(param(do_clahe=True), where="layer data")


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e6, -1.0])
def test_record_that_cannot_be_scaled_is_refused(scale: float) -> None:
    record = random_record(0)
    record.self_person.scale_provided = scale
    with pytest.raises(InputError, match=r"record 7: .*resize"):
        CPMTransformer(param()).apply(record, NO_CHANGE, "record 7")


def test_record_far_outside_its_image_is_refused() -> None:
    record = random_record(0)
    record.self_person.objpos = np.float32([1e9, 4])
    with pytest.raises(InputError, match=r"record 7: .*objpos"):
        CPMTransformer(param()).apply(record, NO_CHANGE, "record 7")
