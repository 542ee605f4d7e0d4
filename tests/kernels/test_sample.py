"""The one-pass sample against the four image steps one after another, and the golden step images."""

from pathlib import Path

import numpy as np
import pytest
from bits import assert_same_bits

from cpm_kernels.crop import crop, normalise
from cpm_kernels.gray import gray
from cpm_kernels.resize import resize_cubic
from cpm_kernels.sample import SampleGeometry, sample_image
from cpm_kernels.warp import warp_affine_cubic


def random_geometry(random: np.random.Generator, shape: tuple[int, ...]) -> SampleGeometry:
    factor = np.float32(random.choice([random.uniform(0.55 / min(shape[:2]), 4), 1, 1.003]))
    angle = random.uniform(-np.pi, np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.hstack([rotation, random.uniform(-30, 90, (2, 1))])
    sizes = [tuple(int(side) for side in random.integers(1, high, 2)) for high in (200, 90)]
    origin = tuple(int(value) for value in random.integers(-90, 150, 2))
    return SampleGeometry(float(factor), matrix, sizes[0], origin, sizes[1], bool(random.integers(2)))


def step_by_step(image: np.ndarray, geometry: SampleGeometry, is_gray: bool, profile: str) -> np.ndarray:
    image = gray(image, profile) if is_gray else image
    scaled = resize_cubic(image, geometry.factor, profile)
    rotated = warp_affine_cubic(scaled, geometry.matrix, geometry.rotated_size)
    return normalise(crop(rotated, geometry.origin, geometry.crop_size, geometry.flip))


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("profile", ["opencv4", "opencv2"])
def test_same_bits_as_the_steps(planar: bool, profile: str) -> None:
    random = np.random.default_rng([planar, len(profile)])
    for _ in range(60):
        image = random.integers(0, 256, (*random.integers(1, 70, 2), 3), np.uint8)
        geometry, is_gray = random_geometry(random, image.shape), bool(random.integers(2))
        seen = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0) if planar else image
        out = np.full((3, *geometry.crop_size), np.nan, np.float32)
        assert sample_image(seen, geometry, is_gray, profile, out) is out
        assert_same_bits(out, step_by_step(image, geometry, is_gray, profile), f"{image.shape} {geometry}")


def test_mirrored_and_skipping_views() -> None:
    random = np.random.default_rng(8)
    image = random.integers(0, 256, (40, 50, 3), np.uint8)
    geometry = random_geometry(random, image.shape)
    for view in (image[::-1, ::-1], image[:, ::2], image[..., ::-1]):
        expected = step_by_step(np.ascontiguousarray(view), geometry, False, "opencv4")
        assert_same_bits(sample_image(view, geometry), expected, "view")


def test_golden_steps(golden: Path) -> None:
    with np.load(golden / "transform" / "transform_steps.npz") as steps:
        for i in range(4):
            step = {key[5:]: steps[key] for key in steps.files if key.startswith(f"000{i}_")}
            factor = float(step["aug"][2])
            assert_same_bits(resize_cubic(step["img_orig"], factor), step["img_scale"], f"{i} scale")
            size = step["img_rotate"].shape[:2]
            assert_same_bits(warp_affine_cubic(step["img_scale"], step["R"], size), step["img_rotate"], f"{i} rotate")


def test_wrong_arguments_are_refused() -> None:
    geometry = SampleGeometry(1.5, np.eye(2, 3), (30, 30), (0, 0), (8, 9), False)
    image = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(ValueError, match="any x any x 3"):
        sample_image(image[..., :2], geometry)
    with pytest.raises(ValueError, match="out must be"):
        sample_image(image, geometry, out=np.empty((3, 9, 8), np.float32))
    with pytest.raises(ValueError, match="rotated image"):
        sample_image(image, SampleGeometry(1.5, np.eye(2, 3), (0, 30), (0, 0), (8, 9), False))
