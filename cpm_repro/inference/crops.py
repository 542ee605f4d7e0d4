"""A person's crops (the release's testing protocol).

The picture is scaled so that the person has the training's size, and cut (or padded with 128) around the person's
centre to the network's input; `averages` has the way back of belief maps. Coordinates in this interface are 0-based
pixels, x right, y down; inside, MATLAB's 1-based ones are rounded as it did. Networks see BGR, as Caffe's do.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_lmdb.images import read_bgr
from prototxt_import.files import InputError

from .imresize import imresize_window, scaled_length
from .protocol import Protocol

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


def check_picture(image: np.ndarray, where: str) -> None:
    """InputError unless it is uint8 (H, W, 3) of at least SMALLEST_SIDE px each way."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = " x ".join(map(str, image.shape))
        raise InputError(f"{where}: expected a picture uint8 H x W x 3, found {image.dtype} {found}")
    check_sides(image.shape[1], image.shape[0], where)


def check_sides(width: int, height: int, where: str) -> None:
    """InputError for a picture that is smaller than SMALLEST_SIDE."""
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{where}: expected a picture of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} px, found {width} x {height}"
        )


def read_upright(path: Path, max_pixels: int) -> np.ndarray:
    """The picture as a viewer shows it, turned as its EXIF orientation says."""
    pixels = read_bgr(path, max_pixels, upright=True)
    check_picture(pixels, str(path))
    return pixels


def pixels_of(image: np.ndarray | str | os.PathLike[str], max_pixels: int) -> np.ndarray:
    """A picture that is given, or read as `read_upright` does; InputError if it is neither pixels nor a file's name."""
    if isinstance(image, np.ndarray):
        return image
    if not isinstance(image, str | os.PathLike):
        expected = "a file's name or an array uint8 H x W x 3 in the order B, G, R"
        raise InputError(f"the picture: expected {expected}, found {type(image).__name__}")
    return read_upright(Path(image), max_pixels)


def middle(image: np.ndarray) -> tuple[float, float]:
    """(x, y) of a picture's middle, in 0-based pixels."""
    height, width = image.shape[:2]
    return (width - 1) / 2, (height - 1) / 2


def _matlab_round(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def center_map(boxsize: int, sigma: float) -> np.ndarray:
    """float32 (boxsize, boxsize): a Gaussian at 1-based (boxsize/2, boxsize/2), as in MATLAB."""
    square = (np.arange(1, boxsize + 1) - boxsize / 2) ** 2
    return np.exp(-(square[:, None] + square[None, :]) / 2.0 / sigma / sigma).astype(np.float32)


def crop_person(person: Person, factor: float, protocol: Protocol) -> Crop:
    """Scale the picture by `factor`, cut a boxsize x boxsize window around the centre, pad with 128."""
    boxsize = protocol.boxsize
    image, (x, y) = person.image, person.center
    height, width = image.shape[:2]
    # The rounded centre, 1-based, lies at 1-based boxsize/2 of the crop.
    left = _matlab_round((x + 1) * factor) - boxsize // 2
    top = _matlab_round((y + 1) * factor) - boxsize // 2
    rows, inside_rows = overlap(top, boxsize, scaled_length(height, factor))
    columns, inside_columns = overlap(left, boxsize, scaled_length(width, factor))
    pixels = np.full((boxsize, boxsize, 3), PAD_VALUE, np.uint8)
    if rows.stop > rows.start and columns.stop > columns.start:
        pixels[inside_rows, inside_columns] = imresize_window(image, factor, rows, columns)
    data = np.empty((4, boxsize, boxsize), np.float32)
    data[:3] = pixels.transpose(2, 0, 1) / np.float32(256) - np.float32(0.5)
    data[3] = center_map(boxsize, protocol.sigma)
    return Crop(data, factor, left, top, (height, width))


def overlap(start: int, box: int, length: int) -> tuple[slice, slice]:
    """Where the window [start, start + box) meets [0, length): slices of the picture and of the window."""
    first = min(max(start, 0), length)
    last = max(min(start + box, length), first)
    return slice(first, last), slice(first - start, last - start)


def person_crops(person: Person, protocol: Protocol) -> list[Crop]:
    """One crop per multiplier in the protocol's scales, of the person scaled to `multiplier * target_dist`.

    Raises InputError if the person's picture, scale or centre cannot be used.
    """
    check_picture(person.image, person.where)
    if not (math.isfinite(person.scale) and person.scale > 0):
        raise InputError(f"{person.where}: expected a scale above 0, found {person.scale}")
    if not all(math.isfinite(value) for value in person.center):
        raise InputError(f"{person.where}: expected a finite centre, found {tuple(person.center)}")
    factors = [protocol.target_dist / person.scale * multiplier for multiplier in protocol.scales]
    if not SMALLEST_FACTOR <= min(factors) <= max(factors) <= LARGEST_FACTOR:
        raise InputError(
            f"{person.where}: expected a scale (height / 200 px) for which the picture is resized "
            f"{SMALLEST_FACTOR:g} to {LARGEST_FACTOR:g} times, found {person.scale:g} for {min(factors):g} "
            f"to {max(factors):g} times"
        )
    return [crop_person(person, factor, protocol) for factor in factors]
