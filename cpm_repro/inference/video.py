"""Clips and cameras: their frames one after the other, and people followed from frame to frame.

OpenCV reads and writes them (the extra `opencv`). People are looked for in the first frame and every second or so
again; in between each is looked for where the last frame's joints were.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prototxt_import.files import InputError, replacing, scratch_folder
from prototxt_import.net import Net

from .beliefs import Pose, estimate_beliefs
from .crops import Person
from .everybody import middle
from .protocol import Protocol

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
LOOK_AGAIN = 25
"""Frames until people are looked for again."""
CAMERA_RATE = 25.0
"""Frames a second of what is written of a camera that does not say."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """frames: uint8 (H, W, 3) BGR, one after the other; rate: frames a second; count: how many, 0 if nobody knows."""

    frames: Iterator[Pixels]
    rate: float
    count: int


@contextmanager
def open_clip(source: str | os.PathLike[str] | int) -> Iterator[Clip]:
    """A file, or a camera by its number; InputError if OpenCV is missing or cannot read it."""
    where = f"camera {source}" if isinstance(source, int) else str(source)
    if not isinstance(source, int) and not Path(source).is_file():
        raise InputError(f"{where}: expected a video file, found none")
    opencv = _opencv(where)
    with nullcontext(source) if isinstance(source, int) else _in_utf8(source) as place:
        capture = opencv.VideoCapture(place)
    try:
        if not capture.isOpened():
            raise InputError(f"{where}: expected a video that OpenCV can read, found none")
        rate = capture.get(opencv.CAP_PROP_FPS)
        count = int(capture.get(opencv.CAP_PROP_FRAME_COUNT))
        yield Clip(_frames(capture), rate if 1 <= rate <= 1000 else CAMERA_RATE, max(count, 0))
    finally:
        capture.release()


@contextmanager
def written_clip(
    path: str | os.PathLike[str], rate: float, size: tuple[int, int]
) -> Iterator[Callable[[Pixels], None]]:
    """What takes the frames of an .mp4 of that many frames a second and (width, height); whole or not at all."""
    opencv = _opencv(str(path))
    with replacing(path) as temporary, _in_utf8(temporary) as place:
        writer = opencv.VideoWriter(place, opencv.VideoWriter.fourcc(*"mp4v"), rate, size)
        if not writer.isOpened():
            raise InputError(f"{path}: expected an OpenCV that can write mp4 videos, found one that cannot")
        written = 0

        def write(frame: Pixels) -> None:
            nonlocal written
            writer.write(frame)
            written += 1

        try:
            yield write
        finally:
            writer.release()
        _check_frames(opencv, place, written, str(path))


def _check_frames(opencv: ModuleType, clip: str, count: int, where: str) -> None:
    """InputError unless so many frames are in the clip: OpenCV says nothing when the disk is full."""
    capture = opencv.VideoCapture(clip)
    found = int(capture.get(opencv.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    capture.release()
    if found != count:
        raise InputError(f"{where}: cannot be written: expected {count} frames, found {found} (is the disk full?)")


@contextmanager
def _in_utf8(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name of the file that OpenCV can open, for it knows no path that is not UTF-8."""
    name = os.path.abspath(path)
    try:
        name.encode()
        yield name
    except UnicodeEncodeError:
        with scratch_folder() as folder:
            link = folder / f"clip{Path(path).suffix}"
            link.symlink_to(name)
            yield str(link)


def follow(
    frames: Iterator[Pixels], find: Callable[[Pixels], Sequence[Person]], net: Net, protocol: Protocol
) -> Iterator[tuple[Pixels, list[tuple[Person, Pose]]]]:
    """Each frame with its people and their poses; `find` says who is in a frame."""
    people: list[Person] = []
    for number, frame in enumerate(frames):
        if number % LOOK_AGAIN == 0 or not people:
            people = list(find(frame))
        people = [person._replace(image=frame) for person in people]
        poses = [beliefs.pose() for beliefs in estimate_beliefs(people, net, protocol)]
        yield frame, list(zip(people, poses, strict=True))
        people = [person._replace(center=middle(pose)) for person, pose in zip(people, poses, strict=True)]


def _frames(capture: Any) -> Iterator[Pixels]:
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield np.ascontiguousarray(frame, np.uint8)


def _opencv(where: str) -> ModuleType:
    for name, silent in (("OPENCV_LOG_LEVEL", "OFF"), ("OPENCV_FFMPEG_LOGLEVEL", "-8")):
        os.environ.setdefault(name, silent)  # what fails is said here
    try:
        import cv2
    except ImportError:
        raise InputError(f'{where}: expected OpenCV for videos (pip install ".[opencv]"), found none') from None
    return cv2
