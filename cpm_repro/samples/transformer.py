"""The CPM fork's transformer: an LMDB record and six dice become one sample.

Scale so that the person has the target size, rotate, crop around the person, flip; then the network's input
(`data`: B, G, R, centre map) and the belief maps it is to learn (`label`). It mirrors the fork's `CPMDataTransformer`
bit for bit. The dice are drawn apart from the work (`draw`, `apply`), so that several workers may share it and the
order of the draws stays that of the samples. In the TEST phase nothing is drawn: the image is the sample.
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from cpm_kernels.samples.image import crop, gray, resize_cubic, resized_size, warp_affine_cubic
from cpm_kernels.samples.rand import GlibcRand
from cpm_kernels.samples.sample import SAMPLE, SampleGeometry, SampleShape, fill_sample, set_regions, transform_samples
from data_lmdb.joints import SWAPS
from data_lmdb.records.record import Record
from prototxt_import.files import InputError, naming, require
from prototxt_import.formats import schema

from .clahe import clahe, require_opencv
from .placement import Pose, crop_origin, flipped, network_pose, rotated, rotation, stored_pose
from .table import AugmentationTable


@dataclass(frozen=True)
class Augmentation:
    """What the dice decided for one sample: scale multiplier, rotation (degrees), crop shift (x, y pixels), flip.

    With `aug_way: "table"` rotation and flip are those of the record's row in `epoch`, whatever stands here.
    """

    scale_multiplier: float = 1.0
    degree: float = 0.0
    crop_offset: tuple[int, int] = (0, 0)
    flip: bool = False
    epoch: int = 0


@dataclass
class Placed:
    """A record made ready for the kernels: its image (uint8 BGR, any strides), the people in crop pixels, and where
    the crop's pixels come from."""

    image: np.ndarray
    pose: Pose
    geometry: SampleGeometry


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

    `profile` names the OpenCV whose bits are wanted ("opencv4" or "opencv2"); `table` is for `aug_way: "table"`;
    `where` names the parameters in errors. InputError for an option or number of parts that there is not.
    """

    def __init__(
        self,
        transform_param: schema.TransformationParameter,
        phase: str = "TRAIN",
        profile: str = "opencv4",
        where: str = "transform_param",
        table: AugmentationTable | None = None,
    ):
        _check_options(transform_param, where)
        self.param = transform_param
        self.phase = phase
        self.table = table
        if transform_param.aug_way == "table" and phase == "TRAIN" and table is None:
            raise InputError(f'{where}: expected the tables of aug_way: "table", found none')
        self.shape = SampleShape(
            (transform_param.crop_size_y, transform_param.crop_size_x),
            int(transform_param.stride),
            transform_param.num_parts,
            transform_param.sigma,
            transform_param.sigma_center,
            gray=transform_param.gray == 1,
            centre=transform_param.put_gaussian,
            all_centers=transform_param.all_centers,
            profile=profile,
        )

    def __call__(self, record: Record, random: GlibcRand) -> tuple[np.ndarray, np.ndarray]:
        """`draw`, then `apply`."""
        return self.apply(record, self.draw(random))

    def draw(self, random: GlibcRand, epoch: int = 0) -> Augmentation:
        """Throw the dice for one sample, in the original's order: five or six numbers, two fewer with a table, none in
        the TEST phase. `epoch` counts how often the records have been gone through."""
        param = self.param
        if self.phase != "TRAIN":
            return Augmentation(epoch=epoch)
        multiplier, degree, flip = 1.0, 0.0, False
        if random.dice() <= np.float32(param.scale_prob):
            low, high = np.float32(param.scale_min), np.float32(param.scale_max)
            multiplier = float((high - low) * random.dice() + low)
        if self.table is None:
            degree = float(np.float32(_symmetric(random) * param.max_rotate_degree))
        offset_x = int(_symmetric(random) * param.center_perterb_max)
        offset_y = int(_symmetric(random) * param.center_perterb_max)
        if self.table is None:
            flip = bool(random.dice() <= np.float32(param.flip_prob))
        return Augmentation(multiplier, degree, (offset_x, offset_y), flip, epoch)

    def place(
        self,
        record: Record,
        augmentation: Augmentation,
        where: str = "record",
        poses: dict[str, Pose] | None = None,
    ) -> Placed:
        """The record made ready; `poses` collects the people after every step.

        InputError, naming `where`, if the record cannot be scaled or placed.
        """
        poses = {} if poses is None else poses
        # nonsense comes to sizes that are refused
        with naming(where, ValueError), np.errstate(over="ignore", invalid="ignore"):
            poses["orig"] = stored_pose(record)
            if self.param.transform_body_joint:
                poses["orig"] = network_pose(poses["orig"], self.shape.parts)
            geometry = (self._augmented if self.phase == "TRAIN" else self._unchanged)(record, augmentation, poses)
        image = record.image
        if self.param.do_clahe:
            image = clahe(image, self.param.clahe_clip_limit, int(self.param.clahe_tile_size))
        return Placed(image, poses["flip"], geometry)

    def apply(
        self,
        record: Record,
        augmentation: Augmentation,
        where: str = "record",
        data: np.ndarray | None = None,
        label: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The sample: data float32 (4, crop_y, crop_x) and label float32 (2 (P+1), crop_y/stride, crop_x/stride).

        Without put_gaussian data has no centre map: three planes. Both may be given, to be filled. InputError, naming
        `where`, if the record cannot be scaled or placed.
        """
        data = np.empty(self.shape.data_shape, np.float32) if data is None else data
        label = np.empty(self.shape.label_shape, np.float32) if label is None else label
        placed = self.place(record, augmentation, where)
        samples = np.zeros(1, SAMPLE)
        with naming(where, ValueError):
            fill_sample(samples[0], placed.image, placed.geometry, len(placed.pose.points))
            set_regions(samples, self.shape)
            people = (placed.pose.joints, np.ascontiguousarray(placed.pose.objpos))
            transform_samples(placed.image, samples, *people, self.shape, data[None], label[None])
        return data, label

    def steps(self, record: Record, augmentation: Augmentation) -> Steps:
        """The same sample the long way, with the image and the people after every step, to look at."""
        poses: dict[str, Pose] = {}
        placed = self.place(record, augmentation, poses=poses)
        geometry, shape = placed.geometry, self.shape
        original = gray(placed.image, shape.profile) if shape.gray else np.ascontiguousarray(placed.image)
        scaled = resize_cubic(original, geometry.factor, shape.profile)
        turned = warp_affine_cubic(scaled, geometry.matrix, geometry.rotated_size)
        cropped, final = (crop(turned, geometry.origin, shape.crop_size, flip) for flip in (False, geometry.flip))
        images = {"orig": original, "scale": scaled, "rotate": turned, "crop": cropped, "flip": final}
        return Steps(images, poses, geometry.matrix)

    def _augmented(self, record: Record, augmentation: Augmentation, poses: dict[str, Pose]) -> SampleGeometry:
        """The TRAIN phase; fills in `poses` from "orig" on."""
        degree, flip = augmentation.degree, augmentation.flip
        if self.table is not None:
            degree, flip = self.table.look_up(int(record.write_count), augmentation.epoch)
        pose = poses["orig"]
        scale = _scale(self.param.target_dist, record.self_person.scale_provided, augmentation)
        scaled_size = resized_size(record.image.shape[:2], float(scale))
        pose = poses["scale"] = pose.at(pose.points * scale)
        matrix, rotated_size = rotation(scaled_size, degree)
        pose = poses["rotate"] = pose.at(rotated(pose.points, matrix))
        origin = crop_origin(pose.objpos[0], augmentation.crop_offset, self.shape.crop_size)
        pose = poses["crop"] = pose.at(pose.points - np.array(origin, np.float32))
        # Without transform_body_joint the original mirrors the joints but leaves left and right in place.
        swapped = self.param.transform_body_joint
        poses["flip"] = flipped(pose, self.shape.crop_size[1], swapped) if flip else pose
        return SampleGeometry(float(scale), matrix, rotated_size, origin, flip)

    def _unchanged(self, record: Record, augmentation: Augmentation, poses: dict[str, Pose]) -> SampleGeometry:
        """The TEST phase: the original copies the image as it is, whatever its size."""
        size, expected = record.image.shape[:2], self.shape.crop_size
        if size != expected:
            wanted, found = (f"{columns} x {rows}" for rows, columns in (expected, size))
            raise ValueError(f"expected an image of the crop's size, {wanted} px, in the TEST phase, found {found}")
        poses.update(dict.fromkeys(("scale", "rotate", "crop", "flip"), poses["orig"]))
        return SampleGeometry(1.0, np.eye(2, 3), size, (0, 0), False)


def _symmetric(random: GlibcRand) -> float:
    """A die from -1 to 1, in double."""
    return (float(random.dice()) - 0.5) * 2


def _scale(target_dist: float, scale_provided: float, augmentation: Augmentation) -> np.float32:
    """The resize factor; scale_provided is the person's height / 200 px (0 becomes infinite, which resize refuses)."""
    with np.errstate(divide="ignore"):
        return np.float32(target_dist) / np.float32(scale_provided) * np.float32(augmentation.scale_multiplier)


def _check_options(param: schema.TransformationParameter, where: str) -> None:
    """InputError unless these are options that the transformer has."""
    check = partial(require, where)
    if param.do_clahe:
        require_opencv(where)
        check(param.clahe_tile_size >= 1, "a clahe_tile_size of 1 or more", param.clahe_tile_size)
        check(0 <= param.clahe_clip_limit < math.inf, "a clahe_clip_limit", param.clahe_clip_limit)
    for name in ("mean_file", "mean_value", "scale", "mirror", "crop_size"):
        value, default = getattr(param, name), getattr(schema.TransformationParameter(), name)
        check(value == default, f"no {name}, of which CPMData's samples (value / 256 - 0.5) know nothing", value)
    check(param.aug_way in ("rand", "table"), 'aug_way: "rand" or "table"', f'aug_way: "{param.aug_way}"')
    parts, stored = param.num_parts, param.np_in_lmdb
    known = parts in SWAPS if param.transform_body_joint else 1 <= parts <= 4096
    check(known, "num_parts 9, 14 or 28 (or as stored, with transform_body_joint: false)", parts)
    needed = 16 if param.transform_body_joint and parts != 9 else parts
    check(stored == needed, f"np_in_lmdb {needed} for num_parts {parts}", f"np_in_lmdb {stored}")
    check(param.stride >= 1, "a stride of 1 or more", f"stride {param.stride}")
    smallest = min(param.crop_size_x, param.crop_size_y)
    check(smallest >= param.stride, "a crop of at least one stride", f"{smallest} pixels")
    check(max(param.crop_size_x, param.crop_size_y) < 2**15, "a crop below 32768 pixels", "more")
    for name in ("target_dist", "sigma", "sigma_center", "scale_min", "scale_max"):
        value = getattr(param, name)
        check(0 < value < math.inf, f"a positive {name}", value)
    for name in ("scale_prob", "max_rotate_degree", "center_perterb_max"):
        check(math.isfinite(getattr(param, name)), f"a finite {name}", getattr(param, name))
