"""Poses drawn on the photograph itself, at its own size, for people who want to keep the photograph.

Pictures are uint8 (H, W, 3) BGR; joints (P, 2) in 0-based pixels. Lines and dots are blended by how much of a pixel
they cover; writing is Pillow's.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cpm_repro.inference.pose_files import FoundPose
from data_lmdb.joints import Limbs, part_names
from prototxt_import.files import replacing

from .labels import vertical_moves

MIN_SCORE = 0.1
"""From this belief on a joint is drawn in full; below it fades, and is gone at half of it."""

LEGEND_MOST = 0.2
"""A legend that would hide more than this share of a small picture is left out."""

GROUND_MARGIN = 0.2
"""Of a text's dark ground around it, in its sizes."""

Pixels = NDArray[np.uint8]

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def strengths(scores: NDArray[np.float64], min_score: float) -> NDArray[np.float64]:
    """(P,): how strongly each joint of scores (P,) is drawn, 0 to 1."""
    if min_score <= 0:
        return np.ones(len(scores))
    return np.asarray(np.clip(2 * scores / min_score - 1, 0, 1))


def draw_poses(image_bgr: Pixels, poses: Sequence[FoundPose], limbs: Limbs, min_score: float = MIN_SCORE) -> Pixels:
    """The picture with everybody's limbs and joints, number and mean score, and a legend of the sides."""
    drawn = image_bgr.copy()
    for pose in poses:
        _draw_person(drawn, pose.joints, strengths(pose.scores, min_score), limbs)
    if not poses:
        return drawn
    sides = side_colours(limbs, part_names(len(poses[0].joints)))
    seen = np.concatenate([pose.joints[strengths(pose.scores, min_score) > 0] for pose in poses])
    return _written(drawn, [(_place(pose, min_score), _title(pose)) for pose in poses], sides, seen)


def side_colours(limbs: Limbs, names: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """What a legend says: `right` and `left` (the person's own) with that side's brightest colour."""
    sides = {}
    for side in ("right", "left"):
        mine = [colour for ends, colour in limbs.items() if all(names[end].startswith(f"{side[0]}_") for end in ends)]
        if mine:
            sides[side] = max(mine, key=sum)
    return sides


def save(image_bgr: Pixels, path: str | os.PathLike[str]) -> None:
    """Write the picture in the format of the name's ending, whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(image_bgr[..., ::-1])).save(
            temporary, format=_format(path), quality=95, compress_level=3
        )


def _format(path: str | os.PathLike[str]) -> str:
    return {".jpg": "JPEG", ".jpeg": "JPEG"}.get(Path(path).suffix.lower(), "PNG")


def _draw_person(image: Pixels, joints: NDArray[np.float64], strength: NDArray[np.float64], limbs: Limbs) -> None:
    seen = joints[strength > 0]
    size = float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0
    radius = max(size / 70, 1.0)
    for (start, end), colour in limbs.items():
        here = float(min(strength[start], strength[end]))
        _draw_line(image, joints[start], joints[end], 1.45 * radius, _BLACK, 0.55 * here)
        _draw_line(image, joints[start], joints[end], radius, colour, here)
    for joint, here in zip(joints, strength, strict=True):
        _draw_line(image, joint, joint, 1.35 * radius, _BLACK, float(here))
        _draw_line(image, joint, joint, 0.95 * radius, _WHITE, float(here))


def _draw_line(
    image: Pixels,
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    radius: float,
    colour: tuple[int, int, int],
    strength: float,
) -> None:
    """A line with round ends, or a dot where both ends are one, into `image`; colour is (R, G, B)."""
    low = np.maximum(np.floor(np.minimum(start, end) - radius - 1), 0).astype(int)
    high = np.minimum(np.ceil(np.maximum(start, end) + radius + 2), image.shape[1::-1]).astype(int)
    if strength <= 0 or (low >= high).any():
        return
    box = image[low[1] : high[1], low[0] : high[0]]
    cover = strength * np.clip(radius + 0.5 - _distances(low, high, start, end), 0, 1)[..., None]
    box[...] = np.rint(box * (1 - cover) + cover * np.array(colour[::-1]))


def _distances(
    low: NDArray[np.int_], high: NDArray[np.int_], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Of each pixel of a box from the line between two points, px."""
    x, y = np.arange(low[0], high[0])[None] - start[0], np.arange(low[1], high[1])[:, None] - start[1]
    along = np.asarray(end, float) - start
    squared = along @ along
    share = np.clip((x * along[0] + y * along[1]) / squared, 0, 1) if squared > 0 else 0.0 * x
    return np.asarray(np.hypot(x - share * along[0], y - share * along[1]), float)


def _title(pose: FoundPose) -> str:
    return f"{pose.people_index}: {pose.score:.2f}"


def _place(pose: FoundPose, min_score: float) -> tuple[float, float, float]:
    """x, y of the topmost joint that is drawn, and how far aside of it a head does not reach."""
    seen = pose.joints[strengths(pose.scores, min_score) > 0]
    if not len(seen):
        return *pose.center, 0.0
    x, y = seen[seen[:, 1].argmin()]
    return float(x), float(y), float(np.ptp(seen, axis=0).max()) / 10


def _corner(place: tuple[float, float, float], width: float, size: float, picture_width: int) -> tuple[float, float]:
    """The upper left corner of a title: above its place, or beside it where there is no room above."""
    x, y, aside = place
    margin = GROUND_MARGIN * size
    left = float(np.clip(x - width / 2, margin, max(picture_width - width - margin, margin)))
    if y >= 2.2 * size:
        return left, y - 2.2 * size
    right = x + aside + 0.4 * size
    if right + width <= picture_width:
        return right, 0.3 * size
    return max(x - aside - 0.4 * size - width, 0), 0.3 * size


def _written(
    image_bgr: Pixels,
    titles: Sequence[tuple[tuple[float, float, float], str]],
    sides: Mapping[str, tuple[int, int, int]],
    joints: NDArray[np.float64],
) -> Pixels:
    """The picture with a title at each place, and the legend where it hides neither these nor joints (N, 2)."""
    picture = Image.fromarray(np.ascontiguousarray(image_bgr[..., ::-1]))
    draw = ImageDraw.Draw(picture, "RGBA")
    size = float(np.clip(min(picture.size) / 30, 9, 60))
    font = ImageFont.load_default(size)
    corners = [_corner(place, draw.textlength(text, font=font), size, picture.width) for place, text in titles]
    grounds = [_ground(draw, corner, text, font, size) for corner, (_, text) in zip(corners, titles, strict=True)]
    moves = vertical_moves(grounds, (0, picture.height))
    moved = [(x, top + move, right, low + move) for (x, top, right, low), move in zip(grounds, moves, strict=True)]
    for (x, y), move, (_, text) in zip(corners, moves, titles, strict=True):
        _write(draw, (x, y + move), text, font, size, _WHITE)
    boxes = np.concatenate([np.array(moved).reshape(-1, 4), np.tile(joints, 2)])
    _write_legend(draw, sides, font, size, picture.size, boxes)
    return np.ascontiguousarray(np.asarray(picture)[..., ::-1])


def _write_legend(
    draw: ImageDraw.ImageDraw,
    sides: Mapping[str, tuple[int, int, int]],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: float,
    picture: tuple[int, int],
    boxes: NDArray[np.float64],
) -> None:
    """The sides' names in their colours, in a corner of the picture; nothing where they would hide much of it."""
    width, height = max((draw.textlength(side, font=font) for side in sides), default=0.0), 1.5 * len(sides) * size
    if width * height > LEGEND_MOST * picture[0] * picture[1]:
        return
    left, top = _legend_corner((width, height), picture, size, boxes)
    for line, (side, colour) in enumerate(sides.items()):
        _write(draw, (left, top + 1.5 * line * size), side, font, size, colour)


def _legend_corner(
    extent: tuple[float, float], picture: tuple[int, int], size: float, boxes: NDArray[np.float64]
) -> tuple[float, float]:
    """The upper left corner of a legend of this width and height, in that corner of the picture in which it lies on the
    fewest boxes (left, top, right, bottom); of several the lower left, then lower right, upper left, upper right."""
    margin = 0.4 * size
    free = np.array(picture) - extent - margin
    tried = [(margin, free[1]), (free[0], free[1]), (margin, margin), (free[0], margin)]
    hidden = [
        ((boxes[:, :2] < np.add(corner, extent) + margin) & (boxes[:, 2:] > np.array(corner) - margin)).all(1).sum()
        for corner in tried
    ]
    x, y = tried[int(np.argmin(hidden))]
    return float(x), float(y)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: float,
    colour: tuple[int, int, int],
) -> None:
    """A line of text on a dark ground."""
    draw.rectangle(_ground(draw, place, text, font, size), fill=(0, 0, 0, 140))
    draw.text(place, text, font=font, fill=(*colour, 255))


def _ground(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: float,
) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of that line's dark ground."""
    left, top, right, bottom = draw.textbbox(place, text, font=font)
    margin = GROUND_MARGIN * size
    return left - margin, top - margin, right + margin, bottom + margin
