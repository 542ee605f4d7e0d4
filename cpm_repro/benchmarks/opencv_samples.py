"""The transformer's steps as one would write them with OpenCV and NumPy: what the data path is measured against.

Scale and rotation work on the whole image, as in the original. Places and dice are this project's own, so that both
make the same samples; the pixels are those of OpenCV with its optimizations on, close to the original's but not equal.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from cpm_kernels.samples.sample import SampleShape
from cpm_repro.samples.placement import CROPPED_AWAY
from cpm_repro.samples.transformer import Placed

_LOWEST = np.float32(np.exp(-4.6052))  # smaller values of a Gaussian are left out


class OpenCvSamples:
    """Makes samples of one shape, which has a centre map; `with` keeps OpenCV on one thread, with optimizations."""

    def __init__(self, shape: SampleShape):
        rows, columns = shape.crop_size
        self.shape = shape
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
        np.subtract(self._crop(placed).transpose(2, 0, 1), np.float32(128), out=data[:3])
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

    def _crop(self, placed: Placed) -> np.ndarray:
        """uint8 (crop_y, crop_x, 3): the whole image resized and rotated, then cut out and mirrored."""
        geometry, (rows, columns) = placed.geometry, self.shape.crop_size
        image, factor = placed.image, geometry.factor
        image = image if image.flags.c_contiguous else cv2.merge(list(image.transpose(2, 0, 1)))
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        size, border = geometry.rotated_size[::-1], (128, 128, 128)
        image = cv2.warpAffine(image, geometry.matrix, size, flags=cv2.INTER_CUBIC, borderValue=border)
        left, top = geometry.origin
        crop = np.full((rows, columns, 3), 128, np.uint8)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + columns, size[0]), min(top + rows, size[1])
        if x1 > x0 and y1 > y0:
            crop[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
        return cv2.flip(crop, 1) if geometry.flip else crop


def _gaussians(points: np.ndarray, grid: Sequence[np.ndarray], sigma: float) -> np.ndarray:
    """float32 (n, rows, columns): a Gaussian around each of the points (n, 2), as the product of two profiles."""
    across, down = (
        np.exp(np.square(axis - points[:, [i]]) * np.float32(-0.5 / sigma**2)) for i, axis in enumerate(grid[::-1])
    )
    peaks = down[:, :, None] * across[:, None, :]
    peaks[peaks < _LOWEST] = 0
    return np.asarray(peaks)
