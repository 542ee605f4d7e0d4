"""The CUDA twin of the data path against the CPU's, bit for bit: its kernels run on the host, block by block.

On a CUDA device the same comparisons run as `gpu` tests.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cpm_kernels import cuda_module
from cpm_kernels.samples.cuda import CudaSamples
from cpm_kernels.samples.rand import GlibcRand
from cpm_kernels.samples.sample import SAMPLE, SampleGeometry, SampleShape, fill_sample, set_regions, transform_samples
from cpm_repro.samples.transformer import Augmentation, CPMTransformer, Placed
from data_lmdb.datasets.lsp import lspet_annotations
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, decode
from prototxt_import.formats import schema
from tests.bits import assert_same_bits
from tests.kernels.cuda_on_host import HostLauncher

SHAPE = SampleShape((50, 70), stride=8, parts=14, sigma=7.0, sigma_center=21.0)


@pytest.fixture(params=["host", "host, threads reversed", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the kernels run: "cpu" (compiled for the host) or "cuda"."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        pytest.importorskip("cupy", reason="CuPy is not installed")
        yield "cuda"
        return
    kernels = request.getfixturevalue("sample_kernels_on_host")
    monkeypatch.setattr(cuda_module, "launch", HostLauncher(kernels, reversed_threads=request.param != "host"))
    yield "cpu"


@pytest.fixture(autouse=True)
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch memory is full of 0xAB: what a kernel reads before it was written shows."""
    empty = torch.empty

    def poisoned_empty(*args: object, **kwargs: object) -> torch.Tensor:
        tensor = empty(*args, **kwargs)
        tensor.view(torch.uint8).fill_(0xAB)
        return tensor

    monkeypatch.setattr(torch, "empty", poisoned_empty)


@dataclass
class Piece:
    """One sample to be: an image, where its crop lies, and all its people's places and joints."""

    image: np.ndarray
    geometry: SampleGeometry
    centres: np.ndarray
    joints: np.ndarray

    @classmethod
    def of(cls, placed: Placed) -> "Piece":
        return cls(placed.image, placed.geometry, placed.pose.objpos, placed.pose.joints)


@dataclass
class Batch:
    """The arguments of the CPU's function and of its twin."""

    images: np.ndarray
    samples: np.ndarray
    joints: np.ndarray
    centres: np.ndarray
    regions: int

    @property
    def largest(self) -> tuple[int, int]:
        return int(self.samples["region_rows"].max()), int(self.samples["region_columns"].max())


def batch_of(pieces: list[Piece], shape: SampleShape) -> Batch:
    """The pieces' images one after another, planes where they are planes, each after an odd number of bytes."""
    samples = np.zeros(len(pieces), SAMPLE)
    buffer, first_person = [], 0
    for sample, piece in zip(samples, pieces, strict=True):
        buffer.append(np.full(5, 0xAB, np.uint8))
        offset = sum(map(len, buffer))
        planes = piece.image.transpose(2, 0, 1)
        buffer.append((planes if planes.flags.c_contiguous else piece.image).ravel())
        fill_sample(sample, piece.image, piece.geometry, len(piece.joints), offset, first_person)
        first_person += len(piece.joints)
    joints, centres = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in ("joints", "centres"))
    return Batch(np.concatenate(buffer), samples, joints, centres, set_regions(samples, shape))


def on_cpu(batch: Batch, shape: SampleShape, with_label: bool = True) -> tuple[np.ndarray, np.ndarray | None]:
    data = np.full((len(batch.samples), *shape.data_shape), np.nan, np.float32)
    label = np.full((len(batch.samples), *shape.label_shape), np.nan, np.float32) if with_label else None
    transform_samples(batch.images, batch.samples, batch.joints, batch.centres, shape, data, label, threads=2)
    return data, label


def on_device(
    kernels: CudaSamples, batch: Batch, device: str, with_label: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    count, shape = len(batch.samples), kernels.shape
    data = torch.full((count, *shape.data_shape), math.nan, device=device)
    label = torch.full((count, *shape.label_shape), math.nan, device=device) if with_label else None
    rows = batch.samples.view(np.uint8).reshape(count, SAMPLE.itemsize)
    given = [torch.from_numpy(array.copy()).to(device) for array in (batch.images, rows, batch.joints, batch.centres)]
    kernels(*given, batch.regions, batch.largest, data, label)
    return data.cpu().numpy(), None if label is None else label.cpu().numpy()


def assert_same_samples(pieces: list[Piece], shape: SampleShape, device: str, with_label: bool = True) -> None:
    batch = batch_of(pieces, shape)
    data, label = on_device(CudaSamples(shape), batch, device, with_label)
    expected_data, expected_label = on_cpu(batch, shape, with_label)
    assert_same_bits(data, expected_data, "data")
    if with_label:
        assert_same_bits(label, expected_label, "label")


def random_image(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Interleaved or planar."""
    image = random.integers(0, 256, (rows, columns, 3), np.uint8)
    return image if random.integers(2) else np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)


def random_joints(random: np.random.Generator, people: int, shape: SampleShape) -> np.ndarray:
    low, high = -40, max(shape.crop_size) + 40
    joints = random.uniform(low, high, (people, shape.parts, 3)).astype(np.float32)
    joints[..., 2] = random.integers(0, 3, joints.shape[:2])
    return joints


def random_centres(random: np.random.Generator, people: int) -> np.ndarray:
    return random.uniform(-20, 90, (people, 2)).astype(np.float32)


def random_piece(random: np.random.Generator, shape: SampleShape) -> Piece:
    """Any image, factor, rotation and window, seen or missed."""
    rows, columns = random.integers(1, 90, 2)
    factor = float(np.float32(random.choice([random.uniform(0.55 / min(rows, columns), 4), 1, 1.003])))
    angle = random.uniform(-np.pi, np.pi)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = np.hstack([rotation, random.uniform(-30, 120, (2, 1))])
    size = tuple(int(side) for side in random.integers(1, 250, 2))
    origin = tuple(int(value) for value in random.integers(-90, 150, 2))
    geometry = SampleGeometry(factor, matrix, size, origin, bool(random.integers(2)))
    centres = random_centres(random, random.integers(1, 4))
    image = random_image(random, rows, columns)
    return Piece(image, geometry, centres, random_joints(random, len(centres), shape))


@pytest.mark.parametrize("profile", ["opencv4", "opencv2"])
@pytest.mark.parametrize("is_gray", [False, True])
def test_ragged_batches(device: str, profile: str, is_gray: bool) -> None:
    random = np.random.default_rng([is_gray, len(profile)])
    shape = replace(SHAPE, gray=is_gray, profile=profile)
    assert_same_samples([random_piece(random, shape) for _ in range(30)], shape, device)


@pytest.mark.parametrize("with_label", [False, True])
@pytest.mark.parametrize(
    "shape",
    [
        replace(SHAPE, crop_size=(64, 33), stride=4, parts=9),
        replace(SHAPE, crop_size=(31, 32), stride=1, parts=28, sigma=1.5, sigma_center=0.3),
        replace(SHAPE, crop_size=(9, 100), stride=3, parts=5, centre=False),
        replace(SHAPE, crop_size=(1, 1), stride=1, parts=1, sigma=1e-23, sigma_center=1e30),
        replace(SHAPE, crop_size=(45, 66), all_centers=True, sigma_center=9.0),
    ],
    ids=str,
)
def test_shapes(device: str, shape: SampleShape, with_label: bool) -> None:
    random = np.random.default_rng(shape.crop_size)
    assert_same_samples([random_piece(random, shape) for _ in range(8)], shape, device, with_label)


def test_many_parts_and_many_people(device: str) -> None:
    random = np.random.default_rng(7)
    for parts, people in ((4096, 2), (14, 301)):
        shape = replace(SHAPE, crop_size=(16, 33), parts=parts)
        crowd = {"centres": random_centres(random, people), "joints": random_joints(random, people, shape)}
        pieces = [random_piece(random, shape), replace(random_piece(random, shape), **crowd)]
        for all_centers in (False, True):
            assert_same_samples(pieces, replace(shape, sigma_center=3.0, all_centers=all_centers), device)


def parameters(**changed: object) -> schema.TransformationParameter:
    values = {"stride": 8, "crop_size_x": 104, "crop_size_y": 120, "target_dist": 1.0}
    return schema.TransformationParameter(**{**values, **changed})


def record_of(random: np.random.Generator, image: np.ndarray, scale: float, objpos: tuple[float, float]) -> Record:
    """One person of that scale (target_dist 1: the image is resized by its inverse) and perhaps another."""
    rows, columns = image.shape[:2]
    people = []
    for _ in range(random.integers(1, 3)):
        places = (random.uniform(0, 1, (16, 3)) * (columns, rows, 2)).astype(np.float32)
        places[:, 2] = places[:, 2] > 0.5
        people.append(Person(np.array(objpos, np.float32), scale, places))
    return Record("TEST", False, image, float(columns), float(rows), people[0], people[1:])


EXTREMES = {
    # rows, columns, resize factor, degrees, objpos as a share of the image
    "scale 0.05": ((400, 700), 0.05, 33.0, (0.5, 0.5)),
    "scale 8": ((60, 90), 8.0, -21.0, (0.4, 0.6)),
    "180 degrees": ((120, 150), 1.1, 180.0, (0.5, 0.5)),
    "-180 degrees": ((120, 150), 1.0, -180.0, (0.1, 0.9)),
    "upright, unchanged": ((140, 130), 1.0, 0.0, (0.5, 0.5)),
    "person outside": ((80, 90), 0.9, 14.0, (-3.0, 2.5)),
    "person at the edge": ((80, 90), 1.7, -40.0, (1.0, 0.0)),
    "1 pixel": ((1, 1), 1.0, 30.0, (0.5, 0.5)),
    "1 pixel, 8 times": ((1, 1), 8.0, 100.0, (0.5, 0.5)),
    "1 row": ((1, 300), 2.0, 5.0, (0.5, 0.5)),
    "8,000 wide": ((40, 8000), 3.9, 2.0, (0.7, 0.5)),
    "8,000 wide, shrunk": ((70, 8000), 0.05, 179.0, (0.5, 0.5)),
}


@pytest.mark.parametrize("planar", [False, True])
def test_extreme_samples(device: str, planar: bool) -> None:
    random = np.random.default_rng(planar)
    transformer = CPMTransformer(parameters())
    pieces = []
    for size, factor, degree, (x, y) in EXTREMES.values():
        image = random.integers(0, 256, (*size, 3), np.uint8)
        image = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0) if planar else image
        record = record_of(random, image, 1 / factor, (x * size[1], y * size[0]))
        flip = bool(random.integers(2))
        pieces.append(Piece.of(transformer.place(record, Augmentation(degree=np.float32(degree), flip=flip))))
    assert_same_samples(pieces, transformer.shape, device)


def test_the_same_memory_again(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller batch after a larger one finds all its memory there."""
    random = np.random.default_rng(5)
    pieces = [random_piece(random, SHAPE) for _ in range(6)]
    kernels = CudaSamples(SHAPE)
    on_device(kernels, batch_of(pieces, SHAPE), device)
    batch = batch_of(pieces[3:] + pieces[:2], SHAPE)
    monkeypatch.setattr(torch, "empty", None)
    data, label = on_device(kernels, batch, device)
    expected_data, expected_label = on_cpu(batch, SHAPE)
    assert_same_bits(data, expected_data, "data")
    assert_same_bits(label, expected_label, "label")


@pytest.mark.parametrize("name", ["default", "perturb", "np28", "stride4", "flic9", "flic9_notransform", "clahe"])
def test_golden_samples(device: str, golden: Path, name: str) -> None:
    """All samples of one of the original's files as one batch."""
    if name == "clahe":
        pytest.importorskip("cv2", reason="the extra opencv is not installed")
    expected = np.load(golden / "transform" / f"transform_{name}.npz")
    config = json.loads(str(expected["config"]))
    words = {"true": True, "false": False}
    values = {key: words.get(value, value) for key, value in config["transform_param"].items()}
    transformer, random = CPMTransformer(schema.TransformationParameter(**values)), GlibcRand(config["srand"])
    pieces = []
    with LmdbReader(golden / "transform" / config["lmdb"]) as reader:
        for i in range(config["samples"]):
            index = i % len(reader)
            record = decode(reader.value(index), transformer.param.np_in_lmdb, reader.where(index))
            pieces.append(Piece.of(transformer.place(record, transformer.draw(random))))
    shape = transformer.shape
    data, label = on_device(CudaSamples(shape), batch_of(pieces, shape), device)
    assert_same_bits(data[:, :3], (expected["image_u8"].astype(np.float32) - 128) / 256, "images")
    assert_same_bits(data[:, 3], expected["center_map"], "centre maps")
    assert_same_bits(label, expected["label"], "labels")


def photographed_samples(folder: Path, count: int, transformer: CPMTransformer) -> Iterator[Piece]:
    """LSPET's people under any rotation, resized to 0.05 .. 8 times, some of them next to their crop."""
    annotations, _ = lspet_annotations(folder)
    random = np.random.default_rng(1)
    for index in random.integers(len(annotations), size=count):
        annotation = annotations[index]
        with Image.open(folder / "images" / annotation.img_paths) as photograph:
            pixels = np.asarray(photograph.convert("RGB"))[..., ::-1]
        image = np.ascontiguousarray(pixels.transpose(2, 0, 1)).transpose(1, 2, 0)
        people = [
            Person(annotation.objpos + shift, annotation.scale_provided, annotation.joint_self + (*shift, 0))
            for shift in np.vstack([np.zeros((1, 2)), random.normal(0, 50, (random.integers(3), 2))])
        ]
        rows, columns = image.shape[:2]
        record = Record("LEEDS", False, image, float(columns), float(rows), people[0], people[1:])
        factor = 2.0 ** random.choice([random.uniform(math.log2(0.05), 3), random.uniform(-0.5, 0.5)])
        multiplier = np.float32(factor * annotation.scale_provided)
        offset = tuple(int(value) for value in random.integers(-200, 201, 2))
        degree = np.float32(random.uniform(-180, 180))
        augmentation = Augmentation(multiplier, degree, offset, bool(random.integers(2)))
        yield Piece.of(transformer.place(record, augmentation))


def test_photographs(device: str, lspet: Path) -> None:
    transformer = CPMTransformer(parameters(crop_size_x=368, crop_size_y=368))
    pieces = photographed_samples(lspet, 1000 if device == "cuda" else 40, transformer)
    kernels, shape = CudaSamples(transformer.shape), transformer.shape
    for chunk in iter(lambda: [piece for piece, _ in zip(pieces, range(20), strict=False)], []):
        batch = batch_of(chunk, shape)
        data, label = on_device(kernels, batch, device)
        expected_data, expected_label = on_cpu(batch, shape)
        assert_same_bits(data, expected_data, "data")
        assert_same_bits(label, expected_label, "label")


def test_no_samples(device: str) -> None:
    empty = (torch.zeros(0, *shape) for shape in (SHAPE.data_shape, SHAPE.label_shape))
    samples = torch.zeros(0, SAMPLE.itemsize, dtype=torch.uint8)
    people = (torch.zeros(0, 14, 3), torch.zeros(0, 2))
    CudaSamples(SHAPE)(torch.zeros(0, dtype=torch.uint8), samples, *people, 0, (0, 0), *empty)


def test_wrong_tensors_are_refused() -> None:
    kernels = CudaSamples(SHAPE)
    images, joints = torch.zeros(9, dtype=torch.uint8), torch.zeros(2, 14, 3)
    samples, data = torch.zeros(2, SAMPLE.itemsize, dtype=torch.uint8), torch.zeros(2, *SHAPE.data_shape)
    label = torch.zeros(2, *SHAPE.label_shape)
    good = {"images": images, "samples": samples, "joints": joints, "centres": joints[:, 0, :2].contiguous()}
    good |= {"regions": 8, "largest": (2, 4), "data": data}
    misplaced = torch.zeros(2 * SAMPLE.itemsize + 1, dtype=torch.uint8)[1:].reshape(2, -1)
    for message, wrong in {
        "must be on a CUDA device, not on cpu": {},
        "images must be contiguous torch.uint8 of shape any": {"images": images.float()},
        "images must be .* not torch.uint8 of shape \\(4,\\)": {"images": images[1::2]},
        "samples must be .* of shape 2 x 160 on": {"samples": samples[:, 1:]},
        "samples must begin at an address divisible by 8": {"samples": misplaced},
        "at most 65535 samples, not 65536": {"samples": samples[:1].expand(65536, -1)},
        "joints must be .* of shape any x 14 x 3": {"joints": joints[:, :9].contiguous()},
        "centres must be .* of shape 2 x 2 on": {"centres": joints[:, 0]},
        "data must be contiguous torch.float32 of shape 2 x 4 x 50 x 70": {"data": data[:1]},
        "label must be contiguous torch.float32 of shape 2 x 30 x 6 x 8": {"label": label.double()},
        "label must be .* on meta": {"label": label.to("meta")},
    }.items():
        with pytest.raises(ValueError, match=message):
            kernels(**{**good, **wrong})
    with pytest.raises(ValueError, match="stride must be"):
        CudaSamples(replace(SHAPE, stride=0))
