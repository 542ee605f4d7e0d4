"""Training samples from images: scale, rotate, crop, flip, normalise; centre map; label maps (`src/samples/sample.h`).

A batch is one buffer with all images, one row of `SAMPLE` for each sample, and all people's joints and centres. Only
what the crops show is computed, with the bits of `resize`, `warp`, `crop` and `labels` one after another. The CPU's
half is here, the GPU's in `cuda`.
"""

import ctypes
from dataclasses import dataclass

import numpy as np

from cpm_kernels.exact.gemm import best_version
from cpm_kernels.host import checked, checked_size, library, profile_number

from .image import resized_size

_PLACES = ("image", "row_stride", "column_stride", "channel_stride", "first_person", "region")
_COUNTS = (
    "rows", "columns", "rotated_rows", "rotated_columns", "left", "top", "flip", "people", "resized_rows",
    "resized_columns", "region_left", "region_top", "region_columns", "region_rows",
)  # fmt: skip

SAMPLE = np.dtype(
    [(name, np.int64) for name in _PLACES]
    + [("factor", np.float64), ("inverse", np.float64, 6)]
    + [(name, np.int32) for name in _COUNTS]
)
"""The struct Sample of `src/samples/sample.h`, field by field."""


class _Shape(ctypes.Structure):
    """The struct SampleShape of `src/samples/sample.h`."""

    _fields_ = [(name, ctypes.c_int) for name in ("crop_rows", "crop_columns", "stride", "parts")]
    _fields_ += [(name, ctypes.c_int) for name in ("gray", "profile", "centre", "all_centers")]
    _fields_ += [(name, ctypes.c_float) for name in ("sigma", "sigma_center")]


@dataclass(frozen=True)
class SampleShape:
    """What all samples of a batch share.

    crop_size (rows, columns); stride of the label maps; parts P; sigma and sigma_center in pixels; gray: B = G = R;
    centre: whether `data` has the centre map as its fourth plane; all_centers: whether that shows everybody, not only
    the primary person; profile: whose OpenCV's bits.
    """

    crop_size: tuple[int, int]
    stride: int
    parts: int
    sigma: float
    sigma_center: float
    gray: bool = False
    centre: bool = True
    all_centers: bool = False
    profile: str = "opencv4"

    @property
    def data_shape(self) -> tuple[int, int, int]:
        """Of one sample's `data`: B, G, R and the centre map."""
        return (4 if self.centre else 3, *self.crop_size)

    @property
    def label_shape(self) -> tuple[int, int, int]:
        """Of one sample's `label`: the primary person's maps and background, everybody's and background."""
        rows, columns = self.crop_size
        return (2 * (self.parts + 1), rows // self.stride, columns // self.stride)

    def struct(self) -> ctypes.Structure:
        """As `src/samples/sample.h` has it. ValueError for a crop, stride, number of parts or sigma out of range."""
        rows, columns = checked_size(self.crop_size, "the crop")
        if not 1 <= self.stride <= min(rows, columns) or self.parts < 1:
            raise ValueError(f"stride must be 1 to {min(rows, columns)} and parts at least 1, not {self}")
        if not (0 < self.sigma < np.inf and 0 < self.sigma_center < np.inf):
            raise ValueError(f"sigma and sigma_center must be positive and finite, not {self}")
        numbers = (rows, columns, self.stride, self.parts)
        switches = (self.gray, profile_number(self.profile), self.centre, self.all_centers)
        return _Shape(*(int(number) for number in (*numbers, *switches)), self.sigma, self.sigma_center)


@dataclass(frozen=True)
class SampleGeometry:
    """Where a crop's pixels come from: the factors and sizes of the four image steps.

    factor        resize factor of both axes (double)
    matrix        (2, 3) float64, resized to rotated image
    rotated_size  (rows, columns) of the rotated image
    origin        (x, y) of the crop's first pixel in the rotated image
    """

    factor: float
    matrix: np.ndarray
    rotated_size: tuple[int, int]
    origin: tuple[int, int]
    flip: bool


def fill_sample(
    sample: np.void,
    image: np.ndarray,
    geometry: SampleGeometry,
    people: int,
    image_offset: int = 0,
    first_person: int = 0,
) -> None:
    """Fill one row of `SAMPLE`, but for its region, for a BGR `image` (rows, columns, 3) uint8 of any strides.

    The image's first pixel lies `image_offset` bytes into the buffer of images; `first_person` and `people` say which
    joints and centres are the sample's. ValueError if a size or number is out of range.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 of shape any x any x 3, not {image.dtype} of shape {image.shape}")
    resized_size(image.shape[:2], geometry.factor)
    matrix = checked(geometry.matrix, np.float64, (2, 3), "matrix")
    if people < 1:
        raise ValueError(f"a sample needs a person, not {people}")
    sample["image"], sample["first_person"], sample["people"] = image_offset, first_person, people
    sample["row_stride"], sample["column_stride"], sample["channel_stride"] = image.strides
    sample["rows"], sample["columns"] = image.shape[:2]
    sample["factor"], sample["flip"] = geometry.factor, geometry.flip
    sample["rotated_rows"], sample["rotated_columns"] = checked_size(geometry.rotated_size, "the rotated image")
    sample["left"], sample["top"] = geometry.origin
    library().cpm_warp_inverse(matrix.ctypes.data, sample["inverse"].ctypes.data)


def _check_samples(samples: np.ndarray) -> None:
    if samples.dtype != SAMPLE or samples.ndim != 1 or not samples.flags.c_contiguous:
        raise ValueError(f"samples must be contiguous rows of SAMPLE, not {samples.dtype} of shape {samples.shape}")


def set_regions(samples: np.ndarray, shape: SampleShape) -> int:
    """Fill in which region of its resized image each crop shows; returns the GPU's scratch pixels for them all."""
    _check_samples(samples)
    return int(library().cpm_set_regions(samples.ctypes.data, len(samples), ctypes.byref(shape.struct())))


def _checked_people(
    samples: np.ndarray, joints: np.ndarray, centres: np.ndarray, shape: SampleShape
) -> tuple[np.ndarray, np.ndarray]:
    """joints and centres as `transform_samples` takes them; ValueError if they do not fit."""
    joints = checked(joints, np.float32, (None, shape.parts, 3), "joints")
    if not np.isfinite(joints).all():
        raise ValueError("joints must hold finite numbers only")
    first = samples["first_person"]
    if len(samples) and (first.min() < 0 or (first + samples["people"]).max() > len(joints)):
        raise ValueError(f"the samples' people must be among the {len(joints)} of joints")
    centres = checked(centres, np.float32, (len(joints), 2), "centres")
    if not np.isfinite(centres if shape.all_centers else centres[first]).all():
        raise ValueError("centres must hold finite numbers only")
    return joints, centres


def transform_samples(
    images: np.ndarray,
    samples: np.ndarray,
    joints: np.ndarray,
    centres: np.ndarray,
    shape: SampleShape,
    data: np.ndarray,
    label: np.ndarray | None = None,
    threads: int = 1,
    version: int | None = None,
) -> None:
    """Fill `data` (N, *shape.data_shape) and `label` (N, *shape.label_shape), float32, on the CPU.

    images: the array whose first byte offsets count from; samples: (N,) of `SAMPLE`, after `set_regions`; joints:
    (people, parts, 3) float32, see `labels.label_maps`; centres: the same people's objpos, (people, 2) float32, in crop
    pixels. The threads share the samples. `version` is one of
    gemm.TILE_VERSIONS' numbers, by default the fastest; all have the same bits. ValueError if something does not fit
    the shape, or a sample's people are not among the joints.
    """
    _check_samples(samples)
    joints, centres = _checked_people(samples, joints, centres, shape)
    for array, name in ((data, "data"), (label, "label")):
        expected = (len(samples), *getattr(shape, f"{name}_shape"))
        if array is not None and (array.dtype != np.float32 or array.shape != expected or not array.flags.c_contiguous):
            raise ValueError(f"{name} must be contiguous float32 of shape {expected}")
    library().cpm_transform_samples(
        images.ctypes.data,
        samples.ctypes.data,
        len(samples),
        joints.ctypes.data,
        centres.ctypes.data,
        ctypes.byref(shape.struct()),
        threads,
        best_version() if version is None else version,
        data.ctypes.data,
        None if label is None else label.ctypes.data,
    )
