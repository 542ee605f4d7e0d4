"""Pictures of files and folders with the people to find in them, and what a network believes of them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from data_lmdb.images import MAX_PIXELS
from prototxt_import.files import InputError, first_five
from prototxt_import.net import Net

from .beliefs import Beliefs, estimate_beliefs
from .boxes import Box
from .crops import Person, middle, read_upright
from .person_detection import FoundPeople
from .protocol import Protocol

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class PictureFile(NamedTuple):
    """A picture's file, and its name without suffix, below the folder that it was searched in."""

    path: Path
    name: str


@dataclass(frozen=True)
class Picture:
    """A picture, uint8 (H, W, 3) BGR, and the people to look at; `found` is what the person detector said."""

    file: PictureFile
    image_id: int
    pixels: np.ndarray
    people: list[Person]
    found: FoundPeople | None = None


def image_files(given: Sequence[Path], recursive: bool = False) -> tuple[list[PictureFile], list[Path]]:
    """The pictures as given; instead of a folder those in it, by name, with `recursive` those in its sub-folders too.
    And the folders' files that are left out, by their suffix."""
    files: list[PictureFile] = []
    left_out: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(PictureFile(path, path.stem))
            continue
        every = sorted(file for file in (path.rglob("*") if recursive else path.iterdir()) if not file.is_dir())
        inside = [file for file in every if file.suffix.lower() in SUFFIXES]
        if not inside:
            expected = f"a folder with pictures ({', '.join(SUFFIXES)})"
            raise InputError(f"{path}: expected {expected}, found {kinds(every) or 'none'}")
        left_out += [file for file in every if file.suffix.lower() not in SUFFIXES]
        files += [PictureFile(file, file.relative_to(path).with_suffix("").as_posix()) for file in inside]
    _check_names(files)
    return files, left_out


def kinds(files: Iterable[Path]) -> str:
    """The first suffixes of files, each once."""
    return first_five(sorted({file.suffix.lower() or "names without a suffix" for file in files}))


def _check_names(files: Sequence[PictureFile]) -> None:
    first: dict[str, Path] = {}
    for path, name in files:
        if first.setdefault(name, path) is not path:
            expected = f"a picture of another name than {first[name]} has before its suffix"
            raise InputError(f"{path}: expected {expected}, found the same: their poses would be in the same files")


def with_one_person(
    file: PictureFile,
    image_id: int,
    center: tuple[float, float] | None = None,
    scale: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """The picture with one person: `center` (x, y) in 0-based pixels, by default the picture's middle; `scale`, height
    / 200 px, by default for a person as tall as the picture."""
    pixels = read_upright(file.path, max_pixels)
    center = center or middle(pixels)
    _check_inside(pixels, center, f"{file.path}: expected --center")
    return Picture(file, image_id, pixels, [Person(pixels, center, scale or len(pixels) / 200, str(file.path))])


def _check_inside(pixels: np.ndarray, center: tuple[float, float], expected: str) -> None:
    """InputError unless (x, y) lies in the picture."""
    (height, width), (x, y) = pixels.shape[:2], center
    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
        raise InputError(f"{expected} inside the picture of {width} x {height} px, found {x:g},{y:g}")


def with_boxes(
    file: PictureFile,
    image_id: int,
    boxes: Mapping[str, Sequence[Box]],
    scale: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """The picture with the people in its boxes, who are as tall as their boxes if `scale` says nothing else."""
    pixels = read_upright(file.path, max_pixels)
    mine = boxes.get(file.name + file.path.suffix) or boxes.get(file.path.name) or ()
    for box in mine:
        _check_inside(pixels, box.center, f"{file.path}: expected a box whose middle is")
    people = [Person(pixels, box.center, scale or box.height / 200, str(file.path)) for box in mine]
    return Picture(file, image_id, pixels, people)


def with_everybody(
    file: PictureFile, image_id: int, find: Callable[..., FoundPeople], max_pixels: int = MAX_PIXELS
) -> Picture:
    """The picture with everybody whom the person detector finds."""
    pixels = read_upright(file.path, max_pixels)
    found = find(pixels, where=str(file.path))
    return Picture(file, image_id, pixels, found.people, found)


def good_pictures(
    files: Sequence[PictureFile], read: Callable[[PictureFile, int], Picture], skip_bad: bool
) -> Iterator[Picture]:
    """The pictures one after the other; with `skip_bad` without those that cannot be used, which are named."""
    for image_id, file in enumerate(tqdm(files, unit="picture", disable=None), start=1):
        try:
            picture = read(file, image_id)
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
