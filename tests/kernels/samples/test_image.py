"""resize, warpAffine, gray and crop against OpenCV 4 with its optimisations off, and against plain NumPy."""

import numpy as np
import pytest

from cpm_kernels.samples.image import crop, gray, resize_cubic, resized_size, warp_affine_cubic
from tests.bits import assert_same_bits

COUNTS = [20, pytest.param(200, marks=pytest.mark.slow)]


@pytest.fixture
def cv2():
    module = pytest.importorskip("cv2", reason="OpenCV (only a test's oracle) is not installed")
    if not module.__version__.startswith("4."):
        pytest.skip(f"OpenCV {module.__version__} is not the oracle: 4.x is")
    before = module.useOptimized()
    module.setUseOptimized(False)
    yield module
    module.setUseOptimized(before)


def random_image(random: np.random.Generator, largest: int) -> np.ndarray:
    shape = (*random.integers(1, largest, 2), random.choice([1, 3]))
    return random.integers(0, 256, shape, np.uint8)


def random_matrix(random: np.random.Generator) -> np.ndarray:
    angle, size = random.uniform(-np.pi, np.pi), random.uniform(0.7, 1.4)
    cosine, sine = size * np.cos(angle), size * np.sin(angle)
    shift = random.uniform(-40, 80, 2)
    return np.array([[cosine, sine, shift[0]], [-sine, cosine, shift[1]]])


@pytest.mark.parametrize("count", COUNTS)
def test_resize_has_opencvs_bits(cv2, count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(count):
        image = random_image(random, 100)
        smallest = 0.51 / min(image.shape[:2])
        factor = float(np.float32(random.choice([random.uniform(smallest, 3), random.uniform(0.5, 1), 1.001, 1])))
        if round(min(image.shape[:2]) * factor) == 0:
            continue
        expected = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        actual = resize_cubic(image, factor)
        assert_same_bits(actual, expected.reshape(actual.shape), f"{image.shape} by {factor}")


@pytest.mark.parametrize("count", COUNTS)
def test_warp_affine_has_opencvs_bits(cv2, count: int) -> None:
    random = np.random.default_rng(count)
    for _ in range(count):
        image, matrix = random_image(random, 100), random_matrix(random)
        rows, columns = (int(side) for side in random.integers(1, 140, 2))
        expected = cv2.warpAffine(image, matrix, (columns, rows), flags=cv2.INTER_CUBIC, borderValue=(128, 128, 128))
        actual = warp_affine_cubic(image, matrix, (rows, columns))
        assert_same_bits(actual, expected.reshape(actual.shape), f"{image.shape} to {rows} x {columns}")


def test_gray_has_opencvs_bits(cv2) -> None:
    image = np.random.default_rng(1).integers(0, 256, (301, 207, 3), np.uint8)
    expected = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert_same_bits(gray(image), expected, "gray")


def test_gray_of_opencv2() -> None:
    image = np.random.default_rng(1).integers(0, 256, (31, 27, 3), np.uint8)
    planes = np.moveaxis(image.astype(int), 2, 0)
    expected = (1868 * planes[0] + 9617 * planes[1] + 4899 * planes[2] + 2**13) >> 14
    assert_same_bits(gray(image, "opencv2")[..., 0], expected.astype(np.uint8), "gray")


def test_profiles_differ_in_few_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    four, two = (resize_cubic(image, 1.37, profile).astype(int) for profile in ("opencv4", "opencv2"))
    assert np.abs(four - two).max() <= 1 and 0 < np.mean(four != two) < 1e-4


@pytest.mark.parametrize("flip", [False, True])
def test_crop_matches_slicing(flip: bool) -> None:
    random = np.random.default_rng(4)
    image = random.integers(0, 256, (23, 31, 3), np.uint8)
    wide = np.pad(image, ((60, 60), (60, 60), (0, 0)), constant_values=128)
    for left, top in random.integers(-50, 40, (20, 2)).tolist():
        expected = wide[60 + top : 60 + top + 19, 60 + left : 60 + left + 37]
        expected = np.ascontiguousarray(expected[:, ::-1] if flip else expected)
        assert_same_bits(crop(image, (left, top), (19, 37), flip), expected, f"crop at {left}, {top}")


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf, 1e-3, 1e6])
def test_impossible_factor_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match="resize"):
        resized_size((40, 30), factor)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
    ids=["two axes", "float", "empty"],
)
def test_other_images_are_refused(image: np.ndarray) -> None:
    for call in (
        lambda: resize_cubic(image, 1.5),
        lambda: warp_affine_cubic(image, np.eye(2, 3), (3, 3)),
        lambda: crop(image, (0, 0), (3, 3)),
        lambda: gray(image),
    ):
        with pytest.raises(ValueError, match="image must"):
            call()


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="opencv4, opencv2"):
        gray(np.zeros((2, 2, 3), np.uint8), "opencv3")
