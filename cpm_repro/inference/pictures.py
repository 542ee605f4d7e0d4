"""Pictures of files and folders with the people to find in them, and what a network believes of them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_lmdb.images import MAX_PIXELS, read_bgr
from prototxt_import.files import InputError
from prototxt_import.net import Net

from .beliefs import Beliefs, estimate_beliefs
from .crops import Person, check_picture
from .person_detection import FoundPeople
from .protocol import Protocol

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class Picture:
    """A picture, uint8 (H, W, 3) BGR, and the people to look at; `found` is what the person detector said."""

    path: Path
    image_id: int
    pixels: np.ndarray
    people: list[Person]
    found: FoundPeople | None = None


def image_files(given: Sequence[Path]) -> list[Path]:
    """The pictures as given; instead of a folder those in it, by name."""
    files: list[Path] = []
    for path in given:
        inside = [path]
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not inside:
            raise InputError(f"{path}: expected a folder with pictures ({', '.join(SUFFIXES)}), found none")
        files += inside
    stems = [file.stem for file in files]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise InputError(f"{twice}: expected pictures of different names, found two that would be written as one")
    return files


def with_one_person(
    path: Path,
    image_id: int,
    center: tuple[float, float] | None = None,
    scale: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """The picture with one person: `center` (x, y) in 0-based pixels, by default the picture's middle; `scale`, height
    / 200 px, by default for a person as tall as the picture."""
    pixels = read_bgr(path, max_pixels)
    check_picture(pixels, str(path))
    height, width = pixels.shape[:2]
    person = Person(pixels, center or ((width - 1) / 2, (height - 1) / 2), scale or height / 200, str(path))
    return Picture(path, image_id, pixels, [person])


def with_everybody(
    path: Path, image_id: int, find: Callable[..., FoundPeople], max_pixels: int = MAX_PIXELS
) -> Picture:
    """The picture with everybody whom the person detector finds."""
    pixels = read_bgr(path, max_pixels)
    found = find(pixels, where=str(path))
    return Picture(path, image_id, pixels, found.people, found)


def good_pictures(files: Sequence[Path], read: Callable[[Path, int], Picture], skip_bad: bool) -> Iterator[Picture]:
    """The pictures one after the other; with `skip_bad` without those that cannot be used, which are named."""
    for image_id, path in enumerate(tqdm(files, unit="picture", disable=None), start=1):
        try:
            picture = read(path, image_id)
        except InputError as error:
            if not skip_bad:
                raise
            tqdm.write(f"skipped {error}", file=sys.stderr)
            continue
        yield picture


def with_beliefs(pictures: Iterable[Picture], net: Net, protocol: Protocol) -> Iterator[tuple[Picture, list[Beliefs]]]:
    """What the network believes of each picture's people; a batch may hold the people of several pictures."""
    ahead, pictures = tee(pictures)
    beliefs = estimate_beliefs((person for picture in ahead for person in picture.people), net, protocol)
    for picture in pictures:
        yield picture, list(islice(beliefs, len(picture.people)))
