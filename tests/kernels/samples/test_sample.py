"""The one-pass samples against the four image steps, the centre map and the label maps one after another."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.exact.gemm import TILE_VERSIONS, best_version
from cpm_kernels.samples.image import crop, gray, resize_cubic, resized_size, warp_affine_cubic
from cpm_kernels.samples.labels import centre_map, label_maps
from cpm_kernels.samples.sample import SAMPLE, SampleGeometry, SampleShape, fill_sample, set_regions, transform_samples
from tests.bits import assert_same_bits

SHAPE = SampleShape((45, 70), 4, 5, 7, 21)
VERSIONS = [name for name, number in TILE_VERSIONS.items() if number <= best_version()]


@dataclass
class Case:
    """One sample, before it becomes a row of SAMPLE."""

    image: np.ndarray
    geometry: SampleGeometry
    centres: np.ndarray
    joints: np.ndarray


def random_image(random: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return random.integers(0, 256, (*size, 3), np.uint8)


def as_planes(image: np.ndarray) -> np.ndarray:
    """The same image, stored plane by plane."""
    return np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)


def random_geometry(random: np.random.Generator, size: tuple[int, int]) -> SampleGeometry:
    factor = np.float32(random.choice([random.uniform(0.55 / min(size), 4), 1, 1.003]))
    angle = random.uniform(-np.pi, np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.hstack([rotation, random.uniform(-30, 90, (2, 1))])
    rotated_size = tuple(int(side) for side in random.integers(1, 200, 2))
    origin = tuple(int(value) for value in random.integers(-90, 150, 2))
    return SampleGeometry(float(factor), matrix, rotated_size, origin, bool(random.integers(2)))


def random_case(random: np.random.Generator, shape: SampleShape, image: np.ndarray | None = None) -> Case:
    image = random_image(random, random.integers(1, 70, 2)) if image is None else image
    joints = random.uniform(-20, 90, (random.integers(1, 5), shape.parts, 3)).astype(np.float32)
    joints[..., 2] = random.integers(0, 3, joints.shape[:2])
    centres = random.uniform(-40, 110, (len(joints), 2)).astype(np.float32)
    return Case(image, random_geometry(random, image.shape[:2]), centres, joints)


def turned(image: np.ndarray, factor: float, degree: float, shown: tuple[float, float] = (0.5, 0.5)) -> SampleGeometry:
    """The image scaled and turned, so that its point `shown` (x, y, in image sizes) is in the middle of the crop."""
    rows, columns = resized_size(image.shape[:2], factor)
    angle = np.radians(degree)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = [35, 22] - rotation @ [shown[0] * columns, shown[1] * rows]
    return SampleGeometry(factor, np.hstack([rotation, shift[:, None]]), (60, 80), (3, -2), degree > 0)


def step_by_step(case: Case, shape: SampleShape) -> tuple[np.ndarray, np.ndarray]:
    """`data` and `label` the long way."""
    image, geometry = np.ascontiguousarray(case.image), case.geometry
    image = gray(image, shape.profile) if shape.gray else image
    scaled = resize_cubic(image, geometry.factor, shape.profile)
    rotated = warp_affine_cubic(scaled, geometry.matrix, geometry.rotated_size)
    pixels = crop(rotated, geometry.origin, shape.crop_size, geometry.flip)
    data = ((pixels.astype(np.float32) - 128) / 256).transpose(2, 0, 1)
    if shape.centre:
        shown = case.centres if shape.all_centers else case.centres[0]
        data = np.concatenate([data, centre_map(shown, shape.crop_size, shape.sigma_center)[None]])
    return data, label_maps(case.joints, shape.crop_size, shape.stride, shape.sigma)


def transformed(
    cases: list[Case], shape: SampleShape, threads: int = 1, version: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """`data` and `label` of the batch, from poisoned memory; what lies behind them must stay poisoned."""
    places = np.cumsum([0] + [case.image.size for case in cases])
    images, samples = np.empty(places[-1], np.uint8), np.zeros(len(cases), SAMPLE)
    people = np.cumsum([0] + [len(case.joints) for case in cases])
    for i, case in enumerate(cases):
        planar = case.image.strides[2] != 1
        stored = case.image.transpose(2, 0, 1) if planar else case.image
        view = images[places[i] : places[i + 1]].reshape(stored.shape)
        view[:] = stored
        view = view.transpose(1, 2, 0) if planar else view
        fill_sample(samples[i], view, case.geometry, len(case.joints), places[i], people[i])
    set_regions(samples, shape)
    data = np.full((len(cases) + 1, *shape.data_shape), np.nan, np.float32)
    label = np.full((len(cases) + 1, *shape.label_shape), np.nan, np.float32)
    joints, centres = (np.concatenate([getattr(case, name) for case in cases]) for name in ("joints", "centres"))
    transform_samples(images, samples, joints, centres, shape, data[:-1], label[:-1], threads, version)
    assert np.isnan(data[-1]).all() and np.isnan(label[-1]).all()
    return data[:-1], label[:-1]


def assert_like_steps(cases: list[Case], shape: SampleShape, **options: int | None) -> None:
    data, label = transformed(cases, shape, **options)
    for i, case in enumerate(cases):
        expected_data, expected_label = step_by_step(case, shape)
        assert_same_bits(data[i], expected_data, f"data {i}: {case.image.shape} {case.geometry}")
        assert_same_bits(label[i], expected_label, f"label {i}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profile", ["opencv4", "opencv2"])
@pytest.mark.parametrize("is_gray", [False, True])
def test_same_bits_as_the_steps(version: str, profile: str, is_gray: bool) -> None:
    random = np.random.default_rng([len(version), len(profile), is_gray])
    shape = replace(SHAPE, gray=is_gray, profile=profile)
    cases = [random_case(random, shape) for _ in range(60)]
    for case in cases[::2]:
        case.image = as_planes(case.image)
    assert_like_steps(cases, shape, version=TILE_VERSIONS[version])


@pytest.mark.parametrize("version", VERSIONS)
def test_any_crop_size(version: str) -> None:
    random = np.random.default_rng(2)
    for crop_size in [(1, 1), (3, 2), (2, 9), (33, 31), (64, 100), (7, 1)]:
        shape = SampleShape(crop_size, 1, 2, 0.7, 3)
        assert_like_steps([random_case(random, shape) for _ in range(8)], shape, version=TILE_VERSIONS[version])


@pytest.mark.parametrize("version", VERSIONS)
def test_extreme_samples(version: str) -> None:
    random = np.random.default_rng(3)
    large, small, dot, wide = (random_image(random, size) for size in [(300, 211), (30, 41), (1, 1), (5, 8000)])
    geometries = [
        (large, turned(large, 0.05, 0)),
        (small, turned(small, 8, 33)),
        (small, turned(small, 8, 180, (0.01, 0.9))),
        (large, turned(large, 1, 180)),
        (large, turned(large, 1, -90, (1, 0.4))),
        (small, replace(turned(small, 2, 5), origin=(5000, 20))),
        (small, turned(small, 2, 5, (3, -2))),
        (dot, turned(dot, 1, 0)),
        (dot, turned(dot, 9.5, 45)),
        (wide, turned(wide, 0.5, 12, (0.7, 0.5))),
        (wide, turned(wide, 4, -140, (0.999, 0.5))),
    ]
    cases = [replace(random_case(random, SHAPE), image=image, geometry=geometry) for image, geometry in geometries]
    assert_like_steps(cases, SHAPE, version=TILE_VERSIONS[version])
    data, _ = transformed(cases, SHAPE)
    shows_something = (data[:, :3] != 0).any(axis=(1, 2, 3))
    assert shows_something.tolist() == [i not in (5, 6) for i in range(len(cases))]


def test_any_number_of_threads_gives_the_same_bits() -> None:
    random = np.random.default_rng(4)
    cases = [random_case(random, SHAPE) for _ in range(7)]
    alone = transformed(cases, SHAPE)
    for threads in (2, 3, 12):
        for actual, expected in zip(transformed(cases, SHAPE, threads), alone, strict=True):
            assert_same_bits(actual, expected, f"{threads} threads")


def test_mirrored_and_skipping_views() -> None:
    random = np.random.default_rng(8)
    image = random_image(random, (40, 50))
    for view in (image[::-1, ::-1], image[:, ::2], image[..., ::-1], as_planes(image)[:, ::-1]):
        case, samples = random_case(random, SHAPE, view), np.zeros(1, SAMPLE)
        fill_sample(samples[0], view, case.geometry, len(case.joints))
        set_regions(samples, SHAPE)
        data = np.full((1, *SHAPE.data_shape), np.nan, np.float32)
        transform_samples(view, samples, case.joints, case.centres, SHAPE, data)
        assert_same_bits(data[0], step_by_step(case, SHAPE)[0], f"view with strides {view.strides}")


def test_without_a_centre_map() -> None:
    random, shape = np.random.default_rng(5), replace(SHAPE, centre=False)
    cases = [random_case(random, shape) for _ in range(5)]
    assert transformed(cases, shape)[0].shape == (5, 3, 45, 70)
    assert_like_steps(cases, shape)


@pytest.mark.parametrize("version", VERSIONS)
def test_centres_of_everybody(version: str) -> None:
    random, shape = np.random.default_rng(9), replace(SHAPE, all_centers=True, sigma_center=9.0)
    assert_like_steps([random_case(random, shape) for _ in range(20)], shape, version=TILE_VERSIONS[version])


def test_empty_batch() -> None:
    data, label = np.empty((0, *SHAPE.data_shape), np.float32), np.empty((0, *SHAPE.label_shape), np.float32)
    joints = np.empty((0, SHAPE.parts, 3), np.float32)
    assert set_regions(np.zeros(0, SAMPLE), SHAPE) == 0
    centres = np.empty((0, 2), np.float32)
    transform_samples(np.empty(0, np.uint8), np.zeros(0, SAMPLE), joints, centres, SHAPE, data, label)


def test_regions_are_handed_out_one_after_another() -> None:
    random, samples = np.random.default_rng(6), np.zeros(9, SAMPLE)
    for row in samples:
        case = random_case(random, SHAPE)
        fill_sample(row, case.image, case.geometry, 1)
    pixels = set_regions(samples, SHAPE)
    sizes = samples["region_rows"].astype(int) * samples["region_columns"]
    assert samples["region"].tolist() == (np.cumsum(sizes) - sizes).tolist()
    assert pixels == sizes.sum() > 0


def test_golden_steps(golden: Path) -> None:
    with np.load(golden / "transform" / "transform_steps.npz") as steps:
        for i in range(4):
            step = {key[5:]: steps[key] for key in steps.files if key.startswith(f"000{i}_")}
            factor = float(step["aug"][2])
            assert_same_bits(resize_cubic(step["img_orig"], factor), step["img_scale"], f"{i} scale")
            size = step["img_rotate"].shape[:2]
            assert_same_bits(warp_affine_cubic(step["img_scale"], step["R"], size), step["img_rotate"], f"{i} rotate")


def test_wrong_images_and_geometries_are_refused() -> None:
    image, sample = np.zeros((20, 20, 3), np.uint8), np.zeros(1, SAMPLE)[0]
    geometry = SampleGeometry(1.5, np.eye(2, 3), (30, 30), (0, 0), False)
    for wrong in (image[..., :2], image[0], image[:0], image.astype(np.float32)):
        with pytest.raises(ValueError, match="any x any x 3"):
            fill_sample(sample, wrong, geometry, 1)
    with pytest.raises(ValueError, match="rotated image"):
        fill_sample(sample, image, replace(geometry, rotated_size=(0, 30)), 1)
    with pytest.raises(ValueError, match="resize"):
        fill_sample(sample, image, replace(geometry, factor=1e5), 1)
    with pytest.raises(ValueError, match="matrix"):
        fill_sample(sample, image, replace(geometry, matrix=np.eye(3)), 1)
    with pytest.raises(ValueError, match="needs a person"):
        fill_sample(sample, image, geometry, 0)


def test_wrong_arrays_are_refused() -> None:
    random, samples = np.random.default_rng(7), np.zeros(2, SAMPLE)
    case = random_case(random, SHAPE)
    for row in samples:
        fill_sample(row, case.image, case.geometry, len(case.joints))
    set_regions(samples, SHAPE)
    data = np.zeros((2, *SHAPE.data_shape), np.float32)

    def refuses(match: str, samples=samples, joints=case.joints, centres=case.centres, data=data, label=None) -> None:
        with pytest.raises(ValueError, match=match):
            transform_samples(case.image, samples, joints, centres, SHAPE, data, label)

    refuses("data must", data=data[:1])
    refuses("data must", data=data[:, ::-1])
    refuses("data must", data=data.astype(np.float64))
    refuses("label must", label=data)
    refuses("joints must", joints=case.joints[:, :2])
    refuses("joints must", joints=np.full_like(case.joints, np.nan))
    refuses("must be among", joints=case.joints[:-1])
    refuses("centres must", centres=case.centres[:, :1])
    refuses("centres must", centres=case.centres * np.float32(np.inf))
    refuses("samples must", samples=np.zeros(4, SAMPLE)[::2])
    samples[1]["first_person"] = -1
    refuses("must be among")
    with pytest.raises(ValueError, match="samples must"):
        set_regions(np.zeros(4, SAMPLE)[::2], SHAPE)


@pytest.mark.parametrize(
    "changed",
    [{"crop_size": (0, 8)}, {"crop_size": (8, 2**15)}, {"stride": 0}, {"stride": 46}, {"parts": 0}]
    + [{"sigma": 0}, {"sigma_center": np.nan}, {"sigma_center": np.inf}, {"profile": "opencv3"}],
    ids=str,
)
def test_impossible_shapes_are_refused(changed: dict) -> None:
    with pytest.raises(ValueError):
        set_regions(np.zeros(1, SAMPLE), replace(SHAPE, **changed))
