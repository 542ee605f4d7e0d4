"""Where the people of a record are, from the stored image to the crop: the points' half of the transformer's steps.

Scale, rotation about the image's middle, a crop around the primary person, mirror image. It mirrors the fork's
`CPMDataTransformer`, float32 where that is float32; the pixels' half is `cpm_kernels.samples.sample`.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from data_lmdb.joints import PAIRS_OF_STORED, SWAPS
from data_lmdb.records.record import Record

CROPPED_AWAY = 2  # visibility of a joint outside the original image: it has no peak
_PAIRS = {parts: np.array(pairs).T for parts, pairs in PAIRS_OF_STORED.items()}
_FARTHEST_CENTRE = 2**20  # pixels; beyond it the record is nonsense and integers would overflow


@dataclass
class Pose:
    """Where the people are; person 0 is the primary one.

    points: float32 (people, parts + 1, 2), x and y (0-based pixels) of the parts and, last, the objpos; visibility:
    float32 (people, parts), 0, 1 or `CROPPED_AWAY`.
    """

    points: np.ndarray
    visibility: np.ndarray

    @property
    def joints(self) -> np.ndarray:
        """float32 (people, parts, 3): x, y, visibility."""
        return np.concatenate([self.points[:, :-1], self.visibility[..., None]], axis=2)

    @property
    def objpos(self) -> np.ndarray:
        """float32 (people, 2)."""
        return self.points[:, -1]

    def at(self, points: np.ndarray) -> "Pose":
        """The same people with their points elsewhere."""
        return replace(self, points=points)


def stored_pose(record: Record) -> Pose:
    """The stored joints in 0-based pixels, those outside the original image marked as cropped away."""
    people = [record.self_person, *record.others]
    stored = np.array([person.joints for person in people], np.float32)
    points = np.empty((len(people), stored.shape[1] + 1, 2), np.float32)
    points[:, :-1] = stored[..., :2]
    points[:, -1] = [person.objpos for person in people]
    points -= np.float32(1)
    places = points[:, :-1]
    size = np.array([record.img_width, record.img_height], np.float32)
    outside = ((places < 0) | (places >= size)).any(axis=2)
    return Pose(points, np.where(outside, np.float32(CROPPED_AWAY), stored[..., 2] != 0))


def network_pose(pose: Pose, parts: int) -> Pose:
    """The network's `parts` (9, 14 or 28) from the stored joints: each lies half way between two of them."""
    first, second = _PAIRS[parts]
    points, visibility = pose.points, pose.visibility
    mean = np.empty((len(points), parts + 1, 2), np.float32)
    mean[:, :-1] = (points[:, first] + points[:, second]) / np.float32(2)
    mean[:, -1] = points[:, -1]
    one, other = visibility[:, first], visibility[:, second]
    seen = ((one != 0) & (other != 0)).astype(np.float32)
    away = (one == CROPPED_AWAY) | (other == CROPPED_AWAY)
    return Pose(mean, np.where(away, np.float32(CROPPED_AWAY), seen))


def rotation(size: tuple[int, int], degree: float) -> tuple[np.ndarray, tuple[int, int]]:
    """The (2, 3) float64 matrix of a rotation that keeps the whole image, and the (rows, columns) it then needs."""
    rows, columns = size
    centre_x, centre_y = columns / 2, rows / 2
    angle = float(degree) * (math.pi / 180)
    cosine, sine = math.cos(angle), math.sin(angle)
    new_rows, new_columns = _bounding_size(size, float(degree))
    shift_x = (1 - cosine) * centre_x - sine * centre_y
    shift_y = sine * centre_x + (1 - cosine) * centre_y
    shift_x += new_columns / 2 - centre_x
    shift_y += new_rows / 2 - centre_y
    return np.array([[cosine, sine, shift_x], [-sine, cosine, shift_y]]), (new_rows, new_columns)


def _bounding_size(size: tuple[int, int], degree: float) -> tuple[int, int]:
    """(rows, columns) of the upright rectangle around the rotated image: OpenCV's RotatedRect, in float32."""
    rows, columns = np.float32(size[0]), np.float32(size[1])
    angle = degree * math.pi / 180
    half = np.float32(0.5)
    a, b = np.float32(math.sin(angle)) * half, np.float32(math.cos(angle)) * half
    centre_x, centre_y, two = columns / np.float32(2), rows / np.float32(2), np.float32(2)
    xs = [centre_x - a * rows - b * columns, centre_x + a * rows - b * columns]
    ys = [centre_y + b * rows - a * columns, centre_y - b * rows - a * columns]
    xs += [two * centre_x - x for x in xs]
    ys += [two * centre_y - y for y in ys]
    height, width = (math.ceil(max(v)) - math.floor(min(v)) + 1 for v in (ys, xs))
    return height, width


def rotated(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Float32 points (..., 2) through the matrix, in double."""
    x, y = points[..., 0].astype(np.float64), points[..., 1].astype(np.float64)
    out = np.empty_like(points)
    for axis, (by_x, by_y, shift) in enumerate(matrix):
        out[..., axis] = (by_x * x + by_y * y) + shift
    return out


def crop_origin(objpos: np.ndarray, offset: tuple[int, int], crop_size: tuple[int, int]) -> tuple[int, int]:
    """(x, y) of the crop's first pixel: the shifted person in the middle, rounded half to even.

    ValueError if that is nowhere near an image.
    """
    centre = [float(np.float32(place) + np.float32(shift)) for place, shift in zip(objpos, offset, strict=True)]
    if not all(abs(value) < _FARTHEST_CENTRE for value in centre):
        raise ValueError(f"expected an objpos near the image, found it at {centre} after rotation")
    x, y = (round(value) for value in centre)
    return x - crop_size[1] // 2, y - crop_size[0] // 2


def flipped(pose: Pose, width: int, swapped: bool) -> Pose:
    """Mirrored in a crop of that width, with left and right parts changing places if `swapped`."""
    points, visibility = pose.points.copy(), pose.visibility
    points[..., 0] = np.float32(width - 1) - points[..., 0]
    if not swapped:
        return Pose(points, visibility)
    order = list(range(visibility.shape[1]))
    for one, other in zip(*SWAPS[len(order)], strict=True):
        order[one], order[other] = other, one
    return Pose(points[:, [*order, len(order)]], visibility[:, order])
