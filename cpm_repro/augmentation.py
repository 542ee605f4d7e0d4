"""The CPM fork's training transformer: an LMDB record and six dice become one sample.

Scale so that the person has the target size, rotate, crop around the person, flip; then the network's input
(`data`: B, G, R, centre map) and the belief maps it is to learn (`label`). It mirrors the fork's `CPMDataTransformer`
bit for bit, float32 where that is float32. The dice are drawn apart from the work (`draw`, `apply`), so that several
workers may share it and the order of the draws stays that of the samples.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cpm_kernels.crop import crop
from cpm_kernels.gray import gray
from cpm_kernels.labels import centre_map, label_maps
from cpm_kernels.rand import GlibcRand
from cpm_kernels.resize import resize_cubic, resized_size
from cpm_kernels.sample import SampleGeometry, sample_image
from cpm_kernels.warp import warp_affine_cubic
from cpm_repro.joints import PAIRS_OF_STORED, SWAPS
from data_lmdb.record import Person, Record
from prototxt_import import schema
from prototxt_import.files import InputError

CROPPED_AWAY = 2  # visibility of a joint outside the original image: it has no peak
_FARTHEST_CENTRE = 2**20  # pixels; beyond it the record is nonsense and integers would overflow


@dataclass(frozen=True)
class Augmentation:
    """What the dice decided for one sample: scale multiplier, rotation (degrees), crop shift (x, y pixels), flip."""

    scale_multiplier: np.float32
    degree: np.float32
    crop_offset: tuple[int, int]
    flip: bool


@dataclass
class Pose:
    """Where the people are: person 0 is the primary one.

    joints: float32 (people, parts, 3), x, y (0-based pixels) and visibility; objpos: float32 (people, 2).
    """

    joints: np.ndarray
    objpos: np.ndarray


@dataclass
class Steps:
    """Every intermediate of one sample, by step: "orig", "scale", "rotate", "crop", "flip".

    images: uint8 (rows, columns, 3), BGR; poses: the people in that image's pixels; matrix: the (2, 3) rotation.
    """

    images: dict[str, np.ndarray]
    poses: dict[str, Pose]
    matrix: np.ndarray


class CPMTransformer:
    """Turns records into samples as one `transform_param` says.

    `profile` names the OpenCV whose bits are wanted ("opencv4" or "opencv2"); `where` names the parameters in errors.
    InputError for a phase, option or number of parts that is not built.
    """

    def __init__(
        self,
        transform_param: "schema.TransformationParameter",
        phase: str = "TRAIN",
        profile: str = "opencv4",
        where: str = "transform_param",
    ):
        _check_options(transform_param, phase, where)
        self.param = transform_param
        self.profile = profile
        self.crop_size = (transform_param.crop_size_y, transform_param.crop_size_x)
        self.stride = int(transform_param.stride)
        self.parts = transform_param.num_parts
        self.data_shape = (4, *self.crop_size)
        rows, columns = (side // self.stride for side in self.crop_size)
        self.label_shape = (2 * (self.parts + 1), rows, columns)

    def __call__(self, record: Record, random: GlibcRand) -> tuple[np.ndarray, np.ndarray]:
        """`draw`, then `apply`."""
        return self.apply(record, self.draw(random))

    def draw(self, random: GlibcRand) -> Augmentation:
        """Throw the dice for one sample, in the original's order; five or six numbers."""
        param = self.param
        multiplier = np.float32(1)
        if random.dice() <= np.float32(param.scale_prob):
            low, high = np.float32(param.scale_min), np.float32(param.scale_max)
            multiplier = (high - low) * random.dice() + low
        degree = np.float32(_symmetric(random) * param.max_rotate_degree)
        offset_x = int(_symmetric(random) * param.center_perterb_max)
        offset_y = int(_symmetric(random) * param.center_perterb_max)
        flip = bool(random.dice() <= np.float32(param.flip_prob))
        return Augmentation(multiplier, degree, (offset_x, offset_y), flip)

    def apply(
        self,
        record: Record,
        augmentation: Augmentation,
        where: str = "record",
        data: np.ndarray | None = None,
        label: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sample: data float32 (4, crop_y, crop_x) and label float32 (2 (P+1), crop_y/stride, crop_x/stride).

        Both may be given, to be filled. InputError, naming `where`, if the record cannot be scaled or placed.
        """
        data = np.empty(self.data_shape, np.float32) if data is None else data
        try:
            pose = self._original_pose(record)
            pose, geometry = self._place(record, pose, augmentation)
            sample_image(record.image, geometry, bool(self.param.gray), self.profile, out=data[:3])
            centre_map(pose.objpos[0], self.crop_size, self.param.sigma_center, out=data[3])
            maps = label_maps(pose.joints, self.crop_size, self.stride, self.param.sigma, out=label)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from None
        return data, maps

    def steps(self, record: Record, augmentation: Augmentation) -> Steps:
        """The same sample the long way, with the image and the people after every step, to look at."""
        poses: dict[str, Pose] = {}
        _, geometry = self._place(record, self._original_pose(record), augmentation, poses)
        original = gray(record.image, self.profile) if self.param.gray else record.image
        scaled = resize_cubic(original, geometry.factor, self.profile)
        rotated = warp_affine_cubic(scaled, geometry.matrix, geometry.rotated_size)
        cropped, flipped = (crop(rotated, geometry.origin, self.crop_size, flip) for flip in (False, augmentation.flip))
        images = {"orig": original, "scale": scaled, "rotate": rotated, "crop": cropped, "flip": flipped}
        return Steps(images, poses, geometry.matrix)

    def _original_pose(self, record: Record) -> Pose:
        """The people in 0-based pixels of the stored image, with the parts of this network."""
        people = [record.self_person, *record.others]
        stored = np.stack([_read_joints(person, record) for person in people])
        objpos = np.stack([person.objpos for person in people]).astype(np.float32) - np.float32(1)
        if not self.param.transform_body_joint:
            return Pose(stored, objpos)
        first, second = np.array(PAIRS_OF_STORED[self.parts]).T
        return Pose(_mean_joints(stored[:, first], stored[:, second]), objpos)

    def _place(
        self, record: Record, pose: Pose, augmentation: Augmentation, poses: dict[str, Pose] | None = None
    ) -> tuple[Pose, SampleGeometry]:
        """The people in the crop's pixels, and where the crop's pixels come from; `poses` collects the steps."""
        poses = {} if poses is None else poses
        poses["orig"] = pose
        scale = _scale(self.param.target_dist, record.self_person.scale_provided, augmentation)
        scaled_size = resized_size(record.image.shape[:2], scale)
        poses["scale"] = _mapped(pose, lambda points: points * scale)
        matrix, rotated_size = _rotation(scaled_size, augmentation.degree)
        poses["rotate"] = _mapped(poses["scale"], lambda points: _rotated(points, matrix))
        origin = _crop_origin(poses["rotate"].objpos[0], augmentation.crop_offset, self.crop_size)
        poses["crop"] = _mapped(poses["rotate"], lambda points: points - np.array(origin, np.float32))
        poses["flip"] = poses["crop"]
        if augmentation.flip:
            # Without transform_body_joint the original mirrors the joints but leaves left and right in place.
            swaps = SWAPS[self.parts] if self.param.transform_body_joint else ((), ())
            poses["flip"] = _flipped(poses["crop"], self.crop_size[1], swaps)
        geometry = SampleGeometry(float(scale), matrix, rotated_size, origin, self.crop_size, augmentation.flip)
        return poses["flip"], geometry


def _symmetric(random: GlibcRand) -> float:
    """A die from -1 to 1, in double."""
    return (float(random.dice()) - 0.5) * 2


def _check_options(param: "schema.TransformationParameter", phase: str, where: str) -> None:
    """InputError unless these are options that this transformer has."""

    def require(fits: bool, expected: str, found: object) -> None:
        if not fits:
            raise InputError(f"{where}: expected {expected}, found {found}")

    require(phase == "TRAIN", "phase TRAIN (samples for other phases are not built)", phase)
    require(not param.do_clahe, "do_clahe: false (CLAHE is not built)", "do_clahe: true")
    require(param.aug_way == "rand", 'aug_way: "rand" (tables are not built)', f'aug_way: "{param.aug_way}"')
    require(param.put_gaussian, "put_gaussian: true (samples without peaks are not built)", "put_gaussian: false")
    parts, stored = param.num_parts, param.np_in_lmdb
    known = parts in SWAPS if param.transform_body_joint else 1 <= parts <= 4096
    require(known, "num_parts 9, 14 or 28 (or as stored, with transform_body_joint: false)", parts)
    needed = 16 if param.transform_body_joint and parts != 9 else parts
    require(stored == needed, f"np_in_lmdb {needed} for num_parts {parts}", f"np_in_lmdb {stored}")
    require(param.stride >= 1, "a stride of 1 or more", f"stride {param.stride}")
    smallest = min(param.crop_size_x, param.crop_size_y)
    require(smallest >= param.stride, "a crop of at least one stride", f"{smallest} pixels")
    require(max(param.crop_size_x, param.crop_size_y) < 2**15, "a crop below 32768 pixels", "more")
    for name in ("target_dist", "sigma", "sigma_center", "scale_min", "scale_max"):
        value = getattr(param, name)
        require(0 < value < math.inf, f"a positive {name}", value)


def _read_joints(person: Person, record: Record) -> np.ndarray:
    """float32 (n, 3): x and y 0-based; visibility 0, 1, or 2 for a joint outside the original image."""
    stored = np.asarray(person.joints, np.float32)
    places = stored[:, :2] - np.float32(1)
    size = np.array([record.img_width, record.img_height], np.float32)
    outside = ((places < 0) | (places >= size)).any(axis=1)
    visibility = np.where(outside, CROPPED_AWAY, stored[:, 2] != 0)
    return np.concatenate([places, visibility[:, None].astype(np.float32)], axis=1)


def _mean_joints(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Parts half way between two stored joints: (people, parts, 3) float32 each."""
    mean = (first + second) / np.float32(2)
    seen = (first[..., 2] != 0) & (second[..., 2] != 0)
    away = (first[..., 2] == CROPPED_AWAY) | (second[..., 2] == CROPPED_AWAY)
    mean[..., 2] = np.where(away, CROPPED_AWAY, seen)
    return mean


def _mapped(pose: Pose, move: Callable[[np.ndarray], np.ndarray]) -> Pose:
    """The pose with `move` (of float32 points (..., 2)) applied to joints and objpos."""
    joints = pose.joints.copy()
    joints[..., :2] = move(joints[..., :2])
    return Pose(joints, move(pose.objpos).astype(np.float32))


def _scale(target_dist: float, scale_provided: float, augmentation: Augmentation) -> np.float32:
    """The resize factor; scale_provided is the person's height / 200 px (0 becomes infinite, which resize refuses)."""
    with np.errstate(divide="ignore"):
        return np.float32(target_dist) / np.float32(scale_provided) * augmentation.scale_multiplier


def _rotation(size: tuple[int, int], degree: np.float32) -> tuple[np.ndarray, tuple[int, int]]:
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
    return tuple(math.ceil(max(v)) - math.floor(min(v)) + 1 for v in (ys, xs))


def _rotated(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Float32 points (..., 2) through the matrix, in double."""
    x, y = points[..., 0].astype(np.float64), points[..., 1].astype(np.float64)
    return np.stack([(row[0] * x + row[1] * y) + row[2] for row in matrix], axis=-1).astype(np.float32)


def _crop_origin(objpos: np.ndarray, offset: tuple[int, int], crop_size: tuple[int, int]) -> tuple[int, int]:
    """(x, y) of the crop's first pixel: the shifted person in the middle, rounded half to even."""
    centre = objpos + np.array(offset, np.float32)
    if not np.all(np.abs(centre) < _FARTHEST_CENTRE):
        raise ValueError(f"expected an objpos near the image, found it at {centre.tolist()} after rotation")
    x, y = (int(value) for value in np.rint(centre))
    return x - crop_size[1] // 2, y - crop_size[0] // 2


def _flipped(pose: Pose, width: int, swaps: tuple[tuple[int, ...], tuple[int, ...]]) -> Pose:
    """Mirrored, with the joints `swaps[0]` and `swaps[1]` changing places."""

    def mirror(points: np.ndarray) -> np.ndarray:
        return np.stack([np.float32(width - 1) - points[..., 0], points[..., 1]], axis=-1)

    mirrored = _mapped(pose, mirror)
    one, other = (list(side) for side in swaps)
    joints = mirrored.joints.copy()
    joints[:, one + other] = mirrored.joints[:, other + one]
    return Pose(joints, mirrored.objpos)
