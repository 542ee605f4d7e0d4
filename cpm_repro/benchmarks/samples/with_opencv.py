"""The transformer's steps as one would write them with OpenCV and NumPy: what the data path is measured against.

Places and dice are this project's own, so that both make the same samples; the pixels are those of OpenCV with its
optimizations on, close to the original's but not equal.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from cpm_kernels.samples.sample import SampleShape
from cpm_repro.samples.placement import CROPPED_AWAY
from cpm_repro.samples.transformer import Placed

from .one_warp import whole_matrix

GREY = (128, 128, 128)
Crop = Callable[[Placed, tuple[int, int]], np.ndarray]
"""A sample's pixels, uint8 (rows, columns, 3), of the crop's (rows, columns)."""

_LOWEST = np.float32(np.exp(-4.6052))  # smaller values of a Gaussian are left out


class OpenCvSamples:
    """Makes samples of one shape, which has a centre map; `with` keeps OpenCV on one thread, with optimizations."""

    def __init__(self, shape: SampleShape, crop: Crop):
        rows, columns = shape.crop_size
        self.shape, self._crop = shape, crop
        self._crop_grid = np.arange(rows, dtype=np.float32), np.arange(columns, dtype=np.float32)
        self._label_grid = tuple(
            np.arange(size, dtype=np.float32) * shape.stride + (shape.stride / 2 - 0.5)
            for size in shape.label_shape[1:]
        )

    def __enter__(self) -> "OpenCvSamples":
        self._settings = cv2.getNumThreads(), cv2.useOptimized()
        cv2.setNumThreads(1)
        cv2.setUseOptimized(True)
        return self

    def __exit__(self, *_exception: object) -> None:
        cv2.setNumThreads(self._settings[0])
        cv2.setUseOptimized(self._settings[1])

    def __call__(self, placed: Placed, data: np.ndarray, label: np.ndarray) -> None:
        """Fill data (4, crop_y, crop_x) and label (2 (P+1), crop_y/stride, crop_x/stride), float32."""
        np.subtract(self._crop(placed, self.shape.crop_size).transpose(2, 0, 1), np.float32(128), out=data[:3])
        data[:3] *= np.float32(1 / 256)
        data[3] = _gaussians(placed.pose.objpos[:1], self._crop_grid, self.shape.sigma_center)[0]
        parts = self.shape.parts
        label.fill(0)
        for person, (points, visibility) in enumerate(zip(placed.pose.points, placed.pose.visibility, strict=True)):
            peaks = _gaussians(points[:-1], self._label_grid, self.shape.sigma)
            peaks[visibility == CROPPED_AWAY] = 0
            if person == 0:
                label[:parts] = peaks
            label[parts + 1 : -1] += peaks
        np.minimum(label, 1, out=label)
        for first in (0, parts + 1):
            np.subtract(1, label[first : first + parts].max(axis=0), out=label[first + parts])


def crop_in_steps(placed: Placed, size: tuple[int, int]) -> np.ndarray:
    """The whole image resized and rotated, then cut out and mirrored, as in the original."""
    geometry, (rows, columns) = placed.geometry, size
    image, factor = _contiguous(placed.image), geometry.factor
    image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    whole = geometry.rotated_size[::-1]
    image = cv2.warpAffine(image, geometry.matrix, whole, flags=cv2.INTER_CUBIC, borderValue=GREY)
    left, top = geometry.origin
    crop = np.full((rows, columns, 3), 128, np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + columns, whole[0]), min(top + rows, whole[1])
    if x1 > x0 and y1 > y0:
        crop[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return cv2.flip(crop, 1) if geometry.flip else crop


def crop_in_one_warp(placed: Placed, size: tuple[int, int]) -> np.ndarray:
    """Sampled once, at the places that all the steps together lead to."""
    matrix = whole_matrix(placed.geometry, size[1])
    image = _contiguous(placed.image)
    return cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_CUBIC, borderValue=GREY)


def _contiguous(image: np.ndarray) -> np.ndarray:
    """As OpenCV takes it; a raw record's planes lie one after the other."""
    return image if image.flags.c_contiguous else cv2.merge(list(image.transpose(2, 0, 1)))


def _gaussians(points: np.ndarray, grid: Sequence[np.ndarray], sigma: float) -> np.ndarray:
    """float32 (n, rows, columns): a Gaussian around each of the points (n, 2), as the product of two profiles."""
    across, down = (
        np.exp(np.square(axis - points[:, [i]]) * np.float32(-0.5 / sigma**2)) for i, axis in enumerate(grid[::-1])
    )
    peaks = down[:, :, None] * across[:, None, :]
    peaks[peaks < _LOWEST] = 0
    return np.asarray(peaks)
