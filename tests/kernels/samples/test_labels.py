"""Centre and label maps against a NumPy version that follows the definition, and the one-element functions."""

import numpy as np
import pytest

from cpm_kernels.exact.elementary import expf
from cpm_kernels.host import library
from cpm_kernels.samples.labels import centre_map, label_maps
from tests.bits import assert_same_bits


def add_peak(belief: np.ndarray, joint: np.ndarray, stride: int, sigma: float) -> np.ndarray:
    start = np.float32(stride / 2 - 0.5)
    rows, columns = belief.shape
    dx = start + np.arange(columns, dtype=np.float32) * np.float32(stride) - joint[0]
    dy = start + np.arange(rows, dtype=np.float32) * np.float32(stride) - joint[1]
    squared = (dx * dx)[None, :] + (dy * dy)[:, None]
    width = float(np.float32(sigma))
    exponent = (squared.astype(np.float64) / 2 / width / width).astype(np.float32)
    near = exponent.astype(np.float64) <= 4.6052
    peak = expf(-np.where(near, exponent, np.float32(0)).ravel()).reshape(belief.shape)
    return np.where(near, np.minimum(belief + peak, np.float32(1)), belief)


def reference_labels(joints: np.ndarray, size: tuple[int, int], stride: int, sigma: float) -> np.ndarray:
    parts = joints.shape[1]
    maps = np.zeros((2, parts + 1, size[0] // stride, size[1] // stride), np.float32)
    for half, people in ((0, joints[:1]), (1, joints)):
        for person in people:
            for part in range(parts):
                if person[part, 2] <= 1:
                    maps[half, part] = add_peak(maps[half, part], person[part], stride, sigma)
        maps[half, parts] = np.maximum(np.float32(1) - maps[half, :parts].max(axis=0), np.float32(0))
    return maps.reshape(-1, *maps.shape[2:])


def random_joints(random: np.random.Generator, people: int, parts: int) -> np.ndarray:
    joints = random.uniform(-40, 140, (people, parts, 3)).astype(np.float32)
    joints[..., 2] = random.integers(0, 3, (people, parts))
    return joints


@pytest.mark.parametrize(
    ("size", "stride", "sigma"), [((104, 97), 8, 7), ((61, 75), 4, 5), ((33, 50), 1, 2.5), ((90, 91), 7, 21)]
)
def test_label_maps(size: tuple[int, int], stride: int, sigma: float) -> None:
    random = np.random.default_rng(stride)
    for people, parts in ((1, 14), (3, 9), (6, 2)):
        joints = random_joints(random, people, parts)
        out = np.full((2 * (parts + 1), size[0] // stride, size[1] // stride), np.nan, np.float32)
        label_maps(joints, size, stride, sigma, out)
        assert_same_bits(out, reference_labels(joints, size, stride, sigma), f"{people} people")


@pytest.mark.parametrize("size", [(1, 1), (37, 51), (368, 368)])
def test_centre_map(size: tuple[int, int]) -> None:
    random = np.random.default_rng(size[0])
    for sigma in (0.3, 15, 21):
        objpos = random.uniform(-20, 60, 2).astype(np.float32)
        out = np.full(size, np.nan, np.float32)
        expected = add_peak(np.zeros(size, np.float32), objpos, 1, sigma)
        assert_same_bits(centre_map(objpos, size, sigma, out), expected, f"sigma {sigma}")


@pytest.mark.parametrize("people", [1, 2, 7, 60])
def test_centre_map_of_many_people(people: int) -> None:
    """The largest of their peaks, some of them outside the crop; the order is all one."""
    random, size = np.random.default_rng(people), (37, 51)
    for sigma in (0.3, 4, 21):
        centres = random.uniform(-60, 110, (people, 2)).astype(np.float32)
        expected = np.max([add_peak(np.zeros(size, np.float32), place, 1, sigma) for place in centres], axis=0)
        for order in (centres, centres[::-1]):
            out = np.full(size, np.nan, np.float32)
            assert_same_bits(centre_map(order, size, sigma, out), expected, f"sigma {sigma}")


def test_element_functions_agree_with_the_maps() -> None:
    random = np.random.default_rng(6)
    joints, centres = random_joints(random, 3, 5), np.float32([[20.25, 11.5], [30, 2.75], [-3, 28]])
    maps, centre = label_maps(joints, (64, 48), 8, 7), centre_map(centres, (30, 40), 9)
    element = np.empty_like(maps)
    for channel, y, x in np.ndindex(maps.shape):
        element[channel, y, x] = library().cpm_label_element(joints.ctypes.data, 3, 5, channel, x, y, 8, 7)
    assert_same_bits(element, maps, "label elements")
    columns = [[library().cpm_centre_element(x, y, centres.ctypes.data, 3, 9) for x in range(40)] for y in range(30)]
    assert_same_bits(np.float32(columns), centre, "centre elements")


def test_far_away_and_huge_joints_leave_nothing() -> None:
    joints = np.float32([[[3e38, 5, 1], [-3e38, -3e38, 0]]])
    maps = label_maps(joints, (32, 32), 8, 7)
    assert not maps[[0, 1, 3, 4]].any() and (maps[[2, 5]] == 1).all()


def test_wrong_arguments_are_refused() -> None:
    joints = np.zeros((1, 14, 3), np.float32)
    for wrong in (joints[0], joints.astype(np.float64), joints[:0], np.full_like(joints, np.nan)):
        with pytest.raises(ValueError, match="joints"):
            label_maps(wrong, (64, 64), 8, 7)
    with pytest.raises(ValueError, match="stride"):
        label_maps(joints, (64, 64), 0, 7)
    with pytest.raises(ValueError, match="label maps"):
        label_maps(joints, (64, 7), 8, 7)
    for sigma in (0, -1, np.nan):
        with pytest.raises(ValueError, match="sigma"):
            centre_map([1, 2], (9, 9), sigma)
    with pytest.raises(ValueError, match="objpos must be a finite"):
        centre_map([np.inf, 2], (9, 9), 3)
    with pytest.raises(ValueError, match="out must be"):
        centre_map([1, 2], (9, 9), 3, np.empty((9, 8), np.float32))
