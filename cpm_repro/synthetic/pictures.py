"""Pictures of synthetic people with their joints: the demonstration's training data, drawn from a seed.

Stands in for the annotated photographs of section 4 of the paper: one to three clothed figures per picture,
in front of clutter and partly behind objects, with exact joints. Picture `index` of `seed` is always the same
one, whatever else is drawn. `pose` bends the bodies, `figure` dresses and draws them, `scene` holds the canvas and the
clutter.
"""

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from data_lmdb.datasets.marked_people import PIXELS_PER_SCALE
from data_lmdb.joints import PARTS_14
from prototxt_import.files import InputError, replacing

from .figure import Figure, random_look
from .pose import Pose, random_pose
from .scene import Canvas, Cloth, draw_background, draw_object

JPEG_QUALITY = 92
TABLE, IMAGES = "people.csv", "images"
COLUMNS = ("image", "height", "validation", *(f"{name}_{what}" for name in PARTS_14 for what in ("x", "y", "visible")))


@dataclass
class SyntheticPerson:
    """A person of a picture, with the 14 joints of the MPI and LEEDS networks.

    `joints` is float64 (14, 3): x, y in 0-based pixels, and visible: 0 where an object or another person
    covers the joint or the picture ends before it, else 1. `stature` is the upright height in pixels, `turn` the
    viewpoint, `Pose.turn`.
    """

    joints: np.ndarray
    stature: float
    turn: float

    @property
    def objpos(self) -> np.ndarray:
        """The middle of the joints' bounding box, float64 (2,)."""
        middle: np.ndarray = (self.joints[:, :2].min(0) + self.joints[:, :2].max(0)) / 2
        return middle

    @property
    def scale_provided(self) -> float:
        """Height in units of 200 pixels, MPII's measure."""
        return self.stature / PIXELS_PER_SCALE


@dataclass
class SyntheticPicture:
    """`image` is RGB, uint8 (height, width, 3); `people` come in drawing order, the nearest last."""

    image: np.ndarray
    people: list[SyntheticPerson]


def _extent(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x, y (y down) of a pose with its flesh, in statures from the middle of the hips."""
    points = np.array([point[:2] * (1, -1) for point in pose.points.values()])
    return points.min(0) - 0.03, points.max(0) + 0.03


def _place_main(rng: np.random.Generator, pose: Pose, height: int, width: int) -> tuple[np.ndarray, float]:
    """Origin and stature in pixels: a large figure, rarely cut by the picture's edge."""
    low, high = _extent(pose)
    stature = min(
        height * rng.uniform(0.6, 0.92), 0.96 * height / (high[1] - low[1]), 0.96 * width / (high[0] - low[0])
    )
    if rng.random() < 0.06:
        stature *= rng.uniform(1.05, 1.25)
    first, last = -low * stature, np.array([width, height]) - high * stature
    share = np.array([rng.beta(1.6, 1.6), rng.uniform(0.3, 1.0)])
    return first + share * (last - first), float(stature)


def _place_beside(
    rng: np.random.Generator, pose: Pose, placed: list[Figure], height: int, width: int
) -> tuple[np.ndarray, float] | None:
    """A place for one more person not hidden behind those already there; None if the picture is full."""
    low, high = _extent(pose)
    stature = placed[0].stature * float(rng.uniform(0.78, 1.08))
    stature = min(stature, 0.98 * height / (high[1] - low[1]))
    first, last = -low * stature, np.array([width, height]) - high * stature
    for _ in range(12):
        origin = first + rng.uniform(0, 1, 2) * (last - first)
        origin[1] = np.clip(placed[0].origin[1] + rng.normal(0, 0.05) * stature, first[1], max(first[1], last[1]))
        apart = min(abs(float(origin[0] - other.origin[0])) for other in placed) / stature
        if first[0] <= origin[0] <= last[0] and rng.uniform(0.24, 0.4) < apart:
            return origin, stature
    return None


def _figures(rng: np.random.Generator, canvas: Canvas) -> list[Figure]:
    """One to three people, the main person first."""
    figures: list[Figure] = []
    for number in range(int(rng.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
        pose = random_pose(rng)
        size = canvas.height, canvas.width
        place = _place_beside(rng, pose, figures, *size) if number else _place_main(rng, pose, *size)
        if place is not None:
            figures.append(Figure(pose, random_look(rng, canvas, place[1]), *place))
    return figures


def _draw_shadow(canvas: Canvas, figure: Figure) -> None:
    feet = [figure.at[name] for name in ("r_heel", "l_heel", "r_toe", "l_toe")]
    ground = max(float(foot[1]) for foot in feet)
    left, right = min(float(f[0]) for f in feet), max(float(f[0]) for f in feet)
    black = np.zeros(3, np.float32)
    radius = 0.035 * figure.stature
    canvas.capsule(
        (left, ground), (right, ground), (radius, radius), Cloth(black, black, noise=canvas.noise), opacity=0.35
    )


def _draw_objects(rng: np.random.Generator, canvas: Canvas, main: Figure) -> None:
    """Up to two things in front of a joint of the main person, or near it."""
    for _ in range(int(rng.choice([0, 1, 2], p=[0.55, 0.35, 0.1]))):
        at = main.joints()[int(rng.integers(2, 14))] + rng.normal(0, 0.06, 2) * main.stature
        draw_object(canvas, rng, at, float(rng.uniform(0.12, 0.3)) * main.stature)


def _visible(canvas: Canvas, figure: Figure, layer: int) -> np.ndarray:
    """1 for the joints inside the picture that nothing drawn later covers, float64 (14,)."""
    column, row = np.rint(figure.joints()).astype(int).T
    inside = (column >= 0) & (column < canvas.width) & (row >= 0) & (row < canvas.height)
    owner = canvas.owner[np.clip(row, 0, canvas.height - 1), np.clip(column, 0, canvas.width - 1)]
    seen: np.ndarray = inside & (owner <= layer)
    return seen.astype(np.float64)


def _photograph(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """The drawing as a camera might record it: tint, contrast and grain; uint8."""
    tint = rng.uniform(0.9, 1.1, 3).astype(np.float32) * np.float32(rng.uniform(0.8, 1.12))
    grain = rng.standard_normal(pixels.shape[:2], np.float32) * np.float32(rng.uniform(1, 5))
    recorded: np.ndarray = np.clip(np.rint(pixels * tint + grain[..., None]), 0, 255)
    return recorded.astype(np.uint8)


def draw_picture(seed: int, index: int) -> SyntheticPicture:
    """Picture `index` (0, 1, …) of `seed` (both at least 0): 200 to 260 pixels high, 220 to 340 wide."""
    rng = np.random.default_rng([seed, index])
    canvas = Canvas(int(rng.integers(200, 261)), int(rng.integers(220, 341)), rng)
    draw_background(canvas, rng)
    figures = _figures(rng, canvas)
    main = figures[0]
    figures.sort(key=lambda figure: max(figure.at["r_heel"][1], figure.at["l_heel"][1]))
    for layer, figure in enumerate(figures, 1):
        canvas.layer = layer
        _draw_shadow(canvas, figure)
        figure.draw(canvas)
    canvas.layer = len(figures) + 1
    _draw_objects(rng, canvas, main)
    people = [
        SyntheticPerson(np.column_stack([f.joints(), _visible(canvas, f, layer)]), f.stature, f.pose.turn)
        for layer, f in enumerate(figures, 1)
    ]
    return SyntheticPicture(_photograph(rng, canvas.pixels), people)


def write_people(
    folder: str | os.PathLike[str],
    count: int,
    seed: int,
    validation_count: int = 0,
    progress: Callable[[range], Iterable[int]] = iter,
) -> int:
    """Write pictures 0 to `count` - 1 of `seed` to `folder`; returns the number of people in them.

    `folder` gets images/000000.jpg and so on, and people.csv in `data_lmdb.datasets.own`'s format, where the people of
    the last `validation_count` pictures are marked for validation. An earlier set of people at that place is replaced
    as a whole when all is written; InputError for a folder with anything else in it and for numbers out of range.
    `progress` wraps the loop over the pictures.
    """
    folder = Path(folder)
    _check_request(folder, count, seed, validation_count)
    people = 0
    with replacing(folder) as temporary:
        (temporary / IMAGES).mkdir(parents=True)
        with open(temporary / TABLE, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for index in progress(range(count)):
                picture = draw_picture(seed, index)
                name = f"{index:06d}.jpg"
                Image.fromarray(picture.image).save(temporary / IMAGES / name, quality=JPEG_QUALITY)
                table.writerows(_rows(picture, name, index >= count - validation_count))
                people += len(picture.people)
    return people


def _rows(picture: SyntheticPicture, name: str, is_validation: bool) -> Iterator[list[object]]:
    """One row of the table for each person of a picture, in the order of `COLUMNS`."""
    for person in picture.people:
        row: list[object] = [name, f"{person.stature:.2f}", int(is_validation)]
        for x, y, visible in person.joints.tolist():
            row += [f"{x:.2f}", f"{y:.2f}", int(visible)]
        yield row


def _check_request(folder: Path, count: int, seed: int, validation_count: int) -> None:
    if count < 1:
        raise InputError(f"count: expected at least 1 picture, found {count}")
    if seed < 0:
        raise InputError(f"seed: expected at least 0, found {seed}")
    if not 0 <= validation_count <= count:
        raise InputError(f"validation count: expected 0 to {count} pictures, found {validation_count}")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder or a new name, found a file")
    strangers = sorted(p.name for p in folder.iterdir() if p.name not in (TABLE, IMAGES)) if folder.exists() else []
    if strangers:
        raise InputError(f"{folder}: expected an earlier set of people or a new name, found {strangers[0]} in it")
