"""One training image in one pass: scale, rotate, crop, flip, normalise (`src/host_sample.h`).

Only what the crop shows is computed. The same bits as `resize`, `warp` and `crop` one after another, without their
full-size images.
"""

from dataclasses import dataclass

import numpy as np

from cpm_kernels.host import checked, checked_size, library, profile_number
from cpm_kernels.resize import resized_size


@dataclass(frozen=True)
class SampleGeometry:
    """Where a crop's pixels come from: the factors and sizes of the four image steps.

    factor        resize factor of both axes (double)
    matrix        (2, 3) float64, resized to rotated image
    rotated_size  (rows, columns) of the rotated image
    origin        (x, y) of the crop's first pixel in the rotated image
    crop_size     (rows, columns)
    """

    factor: float
    matrix: np.ndarray
    rotated_size: tuple[int, int]
    origin: tuple[int, int]
    crop_size: tuple[int, int]
    flip: bool


def sample_image(
    image: np.ndarray,
    geometry: SampleGeometry,
    gray: bool = False,
    profile: str = "opencv4",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Planes B, G, R of the network's input, (3, *crop_size) float32, from a BGR image (rows, columns, 3) uint8.

    The image may have any strides: planes seen as an interleaved image cost no copy. `out`, if given, is filled and
    returned.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be uint8 of shape any x any x 3, not {image.dtype} of shape {image.shape}")
    resized_size(image.shape[:2], geometry.factor)
    crop_size = checked_size(geometry.crop_size, "the crop")
    out = np.empty((3, *crop_size), np.float32) if out is None else out
    if out.dtype != np.float32 or out.shape != (3, *crop_size) or not out.flags.c_contiguous:
        raise ValueError(f"out must be contiguous float32 of shape {(3, *crop_size)}")
    matrix = checked(geometry.matrix, np.float64, (2, 3), "matrix")
    strides = np.array(image.strides, np.int64)
    rotated = np.array(checked_size(geometry.rotated_size, "the rotated image"), np.int32)
    window = np.array([*geometry.origin, *crop_size], np.int32)
    library().cpm_sample_image(
        image.ctypes.data,
        *image.shape[:2],
        strides.ctypes.data,
        float(geometry.factor),
        matrix.ctypes.data,
        rotated.ctypes.data,
        window.ctypes.data,
        int(geometry.flip),
        int(gray),
        profile_number(profile),
        out.ctypes.data,
    )
    return out
