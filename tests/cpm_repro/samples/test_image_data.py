"""ImageData: the original's passes; what a list may hold; OpenCV's bilinear resize."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cpm_repro.samples.image_data import ImageData, resized
from prototxt_import.files import InputError
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import assert_golden_passes, layer_of

SEEDS = {"image_crop_mirror_train": 501, "image_shuffle": 502, "image_rand_skip": 503}
NAMES = [*SEEDS, "image", "image_crop_test", "image_gray", "image_resize", "image_scaled"]


@pytest.mark.parametrize("name", NAMES)
def test_the_originals_passes(golden2: Path, name: str) -> None:
    phase = "TRAIN" if name in ("image_crop_mirror_train", "image_shuffle") else "TEST"
    assert_golden_passes(golden2 / f"data/{name}.prototxt", phase, SEEDS.get(name, 0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures of 6 x 5 px, each of its number's grey, and their list."""
    for index in range(5):
        Image.fromarray(np.full((5, 6, 3), 40 * index, np.uint8)).save(tmp_path / f"{index} a.png")
    (tmp_path / "list.txt").write_text("".join(f"{index} a.png {index}\n" for index in range(5)))
    return tmp_path


def layer(folder: Path, parameters: str, phase: str = "TRAIN", transform: str = "") -> ImageData:
    param = f'image_data_param {{ source: "list.txt" {parameters} }} transform_param {{ {transform} }}'
    return ImageData(layer_of(f'name: "i" type: "ImageData" top: "x" top: "y" {param}'), folder, phase)


def test_a_round_shows_every_image_once_with_its_label(folder: Path) -> None:
    data = layer(folder, "batch_size: 5 shuffle: true")
    data.start(np.array([7, 1], np.uint32))
    rounds = [data.next_batch() for _ in range(3)]
    assert len({tuple(batch["y"].tolist()) for batch in rounds}) > 1
    for batch in rounds:
        assert sorted(batch["y"].tolist()) == [0, 1, 2, 3, 4]
        assert batch["x"][:, 0, 0, 0].tolist() == [40 * label for label in batch["y"].tolist()]


def test_names_may_hold_any_character_but_an_end_of_line(folder: Path) -> None:
    name = "a\x1cb\u2028c\u3000d\x85.png"  # ends of lines and blanks for Python's text, not for C++
    (folder / "1 a.png").rename(folder / name)
    (folder / "list.txt").write_bytes(f"{name} 4\r\n2 a.png 5\n".encode())
    batch = layer(folder, "batch_size: 2", "TEST").next_batch()
    assert batch["y"].tolist() == [4, 5] and batch["x"][:, 0, 0, 0].tolist() == [40, 80]


def test_going_on_from_a_state(folder: Path) -> None:
    parameters, transform = "batch_size: 3 shuffle: true", "crop_size: 4 mirror: true"
    data = layer(folder, parameters, transform=transform)
    data.start(np.array([7, 8, 9, 10], np.uint32))
    data.next_batch()
    state = data.state()
    expected = [data.next_batch() for _ in range(3)]
    again = layer(folder, parameters, transform=transform)
    again.restore(state)
    for batch in expected:
        for top, blob in again.next_batch().items():
            assert_same_bits(blob.numpy(), batch[top].numpy())
    for wrong in ({"order": [0] * 5}, {"next": 5}, {"mt19937": [1]}, {"shuffles": [1]}):
        with pytest.raises(InputError, match="layer i: "):
            again.restore({**state, **wrong})


@pytest.mark.parametrize(
    ("listed", "parameters", "transform", "said"),
    [
        ("", "", "", "names of images"),
        ("a.png\n", "", "", "a name and a label in .* line 1"),
        ("a.png x\n", "", "", "a name and a label"),
        ("none.png 1\n", "", "", "none.png"),
        ("0 a.png 1\n", "new_height: 3", "", "new_height and new_width"),
        ("0 a.png 1\n", "batch_size: 0", "", "batch_size"),
        ("0 a.png 1\n", "", "crop_size: 6", "images of at least 6 px"),
        ("0 a.png 1\n", "", "mean_value: 1 mean_value: 2", "no mean_value, one or 3"),
        ("0 a.png 1\n", "", 'mean_value: 1 mean_file: "m"', "mean_file or mean_value"),
    ],
)
def test_what_cannot_be_used_is_told(folder: Path, listed: str, parameters: str, transform: str, said: str) -> None:
    (folder / "list.txt").write_text(listed)
    with pytest.raises(InputError, match=said):
        layer(folder, parameters, transform=transform)


def test_images_of_several_sizes_come_one_by_one(folder: Path) -> None:
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(folder / "1 a.png")
    alone = layer(folder, "batch_size: 1")
    assert [tuple(alone.next_batch()["x"].shape) for _ in range(2)] == [(1, 3, 5, 6), (1, 3, 3, 4)]
    with pytest.raises(InputError, match="images of one shape"):
        layer(folder, "batch_size: 2").next_batch()


@pytest.mark.parametrize("wanted", [(31, 17), (7, 9), (20, 24), (10, 12), (5, 40), (1, 1)])
def test_resizing_is_opencvs(wanted: tuple[int, int]) -> None:
    cv2 = pytest.importorskip("cv2")
    image = np.random.default_rng(3).integers(0, 256, (20, 24, 3), np.uint8)
    expected = cv2.resize(image, wanted[::-1], interpolation=cv2.INTER_LINEAR)
    assert_same_bits(resized(image, *wanted), expected)
