"""The release's testing protocol: a person's crop at several scales, maps averaged, a joint at each peak.

The picture is scaled so that the person has the training's size, cut (or padded with 128) around the person's
centre to the network's input, run, and the last stage's maps are brought back to the picture. Coordinates in
this interface are 0-based pixels, x right, y down; inside, MATLAB's 1-based ones are rounded as it did.

What `scale`, `target_dist` and the other numbers mean stands in `protocol`. Networks see BGR, as Caffe's do.
`person_detection` finds the people in a picture first.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse

from prototxt_import.cuda_graphs import replayed
from prototxt_import.files import InputError

from .imresize import imresize_window, scaled_length, weight_matrix
from .protocol import BATCH_SIZE, RELEASE_SCALES, RELEASE_SIGMA_CENTER, default_target_dist

PAD_VALUE = 128
SMALLEST_SIDE = 8  # px of a picture: less than one unit of the belief maps
# A picture is resized by no factor beyond these: a scale that asks for it is a slip in the annotation.
SMALLEST_FACTOR, LARGEST_FACTOR = 0.001, 100.0


class Person(NamedTuple):
    """One person to find: picture uint8 (H, W, 3) BGR, centre (x, y) in 0-based pixels, height / 200 px;
    `where` names the person (a file, a record) in errors."""

    image: np.ndarray
    center: tuple[float, float]
    scale: float
    where: str = "the person"


@dataclass(frozen=True)
class Crop:
    """The network's input for one person at one scale, and the way back to the picture.

    data: float32 (4, box, box), BGR planes / 256 - 0.5 and the centre map. factor: picture -> scaled picture.
    left, top: the scaled picture's pixel (0-based, may be negative) that is the crop's pixel (0, 0).
    image_size: the picture's (height, width).
    """

    data: np.ndarray
    factor: float
    left: int
    top: int
    image_size: tuple[int, int]

    def pixels(self) -> np.ndarray:
        """What the network sees, uint8 (box, box, 3) BGR."""
        planes = np.rint((self.data[:3] + np.float32(0.5)) * 256).astype(np.uint8)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))


@dataclass(frozen=True)
class Pose:
    """joints float64 (P, 2): x, y of each part in 0-based picture pixels; scores (P,): the map's value there;
    maps float32 (P+1, H, W): the averaged belief maps at the picture's size, background last."""

    joints: np.ndarray
    scores: np.ndarray
    maps: np.ndarray


@dataclass(frozen=True)
class Beliefs:
    """What the network believes of one person: a crop per scale, and per stage the maps of all these crops,
    float32 (number of scales, P+1, h, w) at the network's stride, background last."""

    crops: Sequence[Crop]
    stages: Sequence[np.ndarray]

    def pose(self, stage: int = -1) -> Pose:
        """The peaks of a stage's maps (an index into `stages`; the last), averaged over the scales."""
        return find_pose(average_maps(self.stages[stage], self.crops))


def net_boxsize(net: torch.nn.Module, where: str = "the network") -> int:
    """The side of the network's square input `data`; InputError if it is not N x 4 x box x box, named by `where`."""
    shapes = net.input_shapes
    if set(shapes) != {"data"}:
        found = ", ".join(f"`{name}` {_shape(shape)}" for name, shape in shapes.items()) or "none"
        hint = "; it looks like a person detector" if list(shapes) == ["image"] else ""
        hint = "; it looks like a training network, where its deploy network is meant" if "label" in shapes else hint
        raise InputError(f"{where}: expected one input, `data` N x 4 x box x box, found {found}{hint}")
    shape = shapes["data"]
    if len(shape) != 4 or shape[1] != 4 or shape[2] != shape[3]:
        raise InputError(
            f"{where}: input `data`: expected N x 4 x box x box (BGR and centre map), found {_shape(shape)}"
        )
    return int(shape[2])


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def stage_blobs(net: torch.nn.Module) -> list[str]:
    """The name of the belief maps of every stage, first stage first.

    They are the last blob of each stage before the next begins. From the second on, a stage's blobs have names
    that end in `_stage<t>`; the first stage is what comes before, however it is named (`conv7_stage1` in CPM,
    `conv5_2_CPM` in CPM-VGG, whose `pool3_stage1` is no belief map).
    """
    names = [name for name in net.blob_names if "loss" not in name and "_split_" not in name]
    stages = [int(match[1]) if (match := re.search(r"_stage(\d+)$", name)) else 1 for name in names]
    later = next((index for index, stage in enumerate(stages) if stage > 1), len(names))
    if later == 0:
        raise InputError("the network: expected the belief maps of a first stage, found no blob for them")
    last = {1: names[later - 1]}
    last.update((stage, name) for stage, name in zip(stages, names, strict=True) if stage > 1)
    if sorted(last) != list(range(1, len(last) + 1)):
        raise InputError(f"the network: expected stages 1, 2, ..., found blobs of stages {sorted(last)}")
    return [last[stage] for stage in sorted(last)]


def check_picture(image: np.ndarray, where: str) -> None:
    """InputError unless it is uint8 (H, W, 3) of at least SMALLEST_SIDE px each way."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"{where}: expected a picture uint8 H x W x 3, found {image.dtype} {_shape(image.shape)}")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        height, width = image.shape[:2]
        raise InputError(
            f"{where}: expected a picture of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} px, found {width} x {height}"
        )


def _matlab_round(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def center_map(boxsize: int, sigma: float) -> np.ndarray:
    """float32 (boxsize, boxsize): a Gaussian at 1-based (boxsize/2, boxsize/2), as in MATLAB."""
    square = (np.arange(1, boxsize + 1) - boxsize / 2) ** 2
    return np.exp(-(square[:, None] + square[None, :]) / 2.0 / sigma / sigma).astype(np.float32)


def crop_person(person: Person, factor: float, boxsize: int, sigma_center: float) -> Crop:
    """Scale the picture by `factor`, cut a boxsize x boxsize window around the centre, pad with 128."""
    image, (x, y) = person.image, person.center
    height, width = image.shape[:2]
    # The rounded centre, 1-based, lies at 1-based boxsize/2 of the crop.
    left = _matlab_round((x + 1) * factor) - boxsize // 2
    top = _matlab_round((y + 1) * factor) - boxsize // 2
    rows, inside_rows = _overlap(top, boxsize, scaled_length(height, factor))
    columns, inside_columns = _overlap(left, boxsize, scaled_length(width, factor))
    pixels = np.full((boxsize, boxsize, 3), PAD_VALUE, np.uint8)
    if rows.stop > rows.start and columns.stop > columns.start:
        pixels[inside_rows, inside_columns] = imresize_window(image, factor, rows, columns)
    data = np.empty((4, boxsize, boxsize), np.float32)
    data[:3] = pixels.transpose(2, 0, 1) / np.float32(256) - np.float32(0.5)
    data[3] = center_map(boxsize, sigma_center)
    return Crop(data, factor, left, top, (height, width))


def _overlap(start: int, box: int, length: int) -> tuple[slice, slice]:
    """Where the window [start, start + box) meets [0, length): slices of the picture and of the window."""
    first = min(max(start, 0), length)
    last = max(min(start + box, length), first)
    return slice(first, last), slice(first - start, last - start)


def person_crops(
    person: Person,
    boxsize: int,
    scales: Sequence[float] = RELEASE_SCALES,
    target_dist: float | None = None,
    sigma_center: float = RELEASE_SIGMA_CENTER,
) -> list[Crop]:
    """One crop per multiplier in `scales`, of the person scaled to `multiplier * target_dist`.

    Raises InputError if the person's scale or centre cannot be used.
    """
    target_dist = default_target_dist(boxsize) if target_dist is None else target_dist
    check_picture(person.image, person.where)
    if not (math.isfinite(person.scale) and person.scale > 0):
        raise InputError(f"{person.where}: expected a scale above 0, found {person.scale}")
    if not all(math.isfinite(value) for value in person.center):
        raise InputError(f"{person.where}: expected a finite centre, found {tuple(person.center)}")
    factors = [target_dist / person.scale * multiplier for multiplier in scales]
    if not SMALLEST_FACTOR <= min(factors) <= max(factors) <= LARGEST_FACTOR:
        raise InputError(
            f"{person.where}: expected a scale (height / 200 px) for which the picture is resized "
            f"{SMALLEST_FACTOR:g} to {LARGEST_FACTOR:g} times, found {person.scale:g} for {min(factors):g} "
            f"to {max(factors):g} times"
        )
    return [crop_person(person, factor, boxsize, sigma_center) for factor in factors]


def forward(net: torch.nn.Module, blob: str, data: np.ndarray, wanted: Sequence[str]) -> dict[str, torch.Tensor]:
    """The `wanted` blobs of one forward pass with the input `blob`, on the network's device."""
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        return replayed(net)({blob: torch.from_numpy(data).to(device)}, wanted)


def run_crops(net: torch.nn.Module, crops: Sequence[Crop], batch_size: int = BATCH_SIZE) -> list[np.ndarray]:
    """The belief maps of every stage: a list over stages of float32 (number of crops, P+1, h, w)."""
    names = stage_blobs(net)
    batches = []
    for start in range(0, len(crops), batch_size):
        blobs = forward(net, "data", np.stack([crop.data for crop in crops[start : start + batch_size]]), names)
        batches.append([blobs[name].float().cpu().numpy() for name in names])
    maps = [np.concatenate(stage) for stage in zip(*batches, strict=True)]
    if any(stage.shape != maps[-1].shape for stage in maps):
        shapes = ", ".join(f"{name} {_shape(stage.shape[1:])}" for name, stage in zip(names, maps, strict=True))
        raise InputError(f"the network: expected belief maps of one shape in every stage, found {shapes}")
    for name, stage in zip(names, maps, strict=True):
        if not np.isfinite(stage).all():
            raise InputError(f"the network: expected finite belief maps, found NaN or infinity in `{name}`")
    return maps


def _way_back(map_length: int, boxsize: int, start: int, factor: float, length: int) -> sparse.csr_array:
    """One axis' matrix (length, map_length): belief map -> crop -> un-padded scaled picture -> picture."""
    scaled = scaled_length(length, factor)
    inside, window = _overlap(start, boxsize, scaled)
    if inside.start == inside.stop:
        return sparse.csr_array((length, map_length))
    upsample = weight_matrix(map_length, boxsize, boxsize / map_length)
    return weight_matrix(scaled, length, length / scaled)[:, inside] @ upsample[window]


def _touched(matrix: sparse.csr_array) -> slice:
    """The rows of the matrix from the first to the last that is not empty."""
    rows = np.flatnonzero(np.diff(matrix.indptr))
    return slice(rows[0], rows[-1] + 1) if rows.size else slice(0, 0)


def maps_on_picture(maps: np.ndarray, crop: Crop) -> np.ndarray:
    """Belief maps (P+1, h, w) of a crop as float32 (P+1, H, W) on the picture; outside the crop the parts'
    maps are 0 and the background's is 1."""
    return average_maps(maps[None], [crop])


def average_maps(maps: np.ndarray, crops: Sequence[Crop]) -> np.ndarray:
    """The mean over the scales, float32 (P+1, H, W) on the picture, of maps (number of scales, P+1, h, w); see
    `maps_on_picture`."""
    total = np.zeros((maps.shape[1], *crops[0].image_size), np.float32)
    for one, crop in zip(maps, crops, strict=True):
        _add_to_picture(total, one, crop)
    total /= np.float32(len(crops))
    return total


def _add_to_picture(total: np.ndarray, maps: np.ndarray, crop: Crop) -> None:
    (height, width), boxsize = crop.image_size, crop.data.shape[1]
    vertical = _way_back(maps.shape[1], boxsize, crop.top, crop.factor, height)
    horizontal = _way_back(maps.shape[2], boxsize, crop.left, crop.factor, width)
    rows, columns = _touched(vertical), _touched(horizontal)
    vertical, horizontal = vertical[rows], horizontal[columns]
    # Resizing is linear and leaves constants alone: the 1 outside is put around the background less 1.
    outside = [0.0] * (len(maps) - 1) + [1.0]
    for own, belief, beyond in zip(total, maps, outside, strict=True):
        wide = (horizontal @ (belief.T.astype(np.float64) - beyond)).T  # (h, columns)
        inside = own[rows, columns] + (vertical @ wide + beyond).astype(np.float32)
        if beyond:
            own += np.float32(beyond)
        own[rows, columns] = inside


def find_pose(maps: np.ndarray) -> Pose:
    """The peak of each part's averaged map (P+1, H, W); of equal peaks the first in row order."""
    parts, _, width = maps[:-1].shape
    flat = maps[:-1].reshape(parts, -1)
    peak = flat.argmax(axis=1)
    joints = np.stack([peak % width, peak // width], axis=1).astype(np.float64)
    return Pose(joints, flat[np.arange(parts), peak].astype(np.float64), maps)


def estimate_beliefs(
    people: Iterable[Person],
    net: torch.nn.Module,
    scales: Sequence[float] = RELEASE_SCALES,
    target_dist: float | None = None,
    sigma_center: float = RELEASE_SIGMA_CENTER,
    batch_size: int = BATCH_SIZE,
) -> Iterator[Beliefs]:
    """Every stage's maps of each person at each scale, in the order of the people.

    Crops of several people and all scales go through the network together, at most `batch_size` at a time.
    """
    boxsize = net_boxsize(net)
    people = iter(people)
    while group := list(islice(people, max(1, batch_size // len(scales)))):
        crops = [crop for person in group for crop in person_crops(person, boxsize, scales, target_dist, sigma_center)]
        maps = run_crops(net, crops, batch_size)
        for first in range(0, len(crops), len(scales)):
            own = slice(first, first + len(scales))
            yield Beliefs(crops[own], [stage[own] for stage in maps])


def estimate_poses(
    people: Iterable[Person], net: torch.nn.Module, *, stages: Sequence[int] | None = None, **protocol
) -> Iterator[list[Pose]]:
    """For each person a list with one Pose per stage in `stages` (1-based; default: the last stage alone).

    protocol: `scales`, `target_dist`, `sigma_center` and `batch_size` of `estimate_beliefs`.
    """
    chosen = _stage_indices(stages, len(stage_blobs(net)))
    for beliefs in estimate_beliefs(people, net, **protocol):
        yield [beliefs.pose(stage) for stage in chosen]


def _stage_indices(stages: Sequence[int] | None, count: int) -> list[int]:
    stages = [count] if stages is None else list(stages)
    for stage in stages:
        if not 1 <= stage <= count:
            raise InputError(f"stage {stage}: expected 1 to {count}, the network's stages")
    return [stage - 1 for stage in stages]


def estimate_pose(
    image_bgr: np.ndarray,
    net: torch.nn.Module,
    center: tuple[float, float],
    scale: float,
    scales: Sequence[float] = RELEASE_SCALES,
    target_dist: float | None = None,
    sigma_center: float = RELEASE_SIGMA_CENTER,
    where: str = "the person",
) -> Pose:
    """The pose of the person at `center` (x, y; 0-based pixels) who is `scale` * 200 px tall.

    image_bgr: uint8 (H, W, 3). scales: multipliers whose maps are averaged (`(1.0,)` for speed).
    target_dist, sigma_center (px of the input): as in training; default: `default_target_dist` and 21.
    where: names the person in errors.
    """
    person = Person(image_bgr, center, scale, where)
    return next(estimate_beliefs([person], net, scales, target_dist, sigma_center)).pose()
