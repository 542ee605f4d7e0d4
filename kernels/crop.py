"""Crop, mirror and normalise: the last image steps of the transformer (`src/crop.h`)."""

import numpy as np

from cpm_kernels.host import checked_image, checked_size, library


def crop(
    image: np.ndarray,
    origin: tuple[int, int],
    size: tuple[int, int],
    flip: bool = False,
    border: int = 128,
) -> np.ndarray:
    """The window of `size` (rows, columns) whose first pixel is column `origin[0]`, row `origin[1]` of `image`.

    `image` is (rows, columns, channels) uint8; what lies outside it has the value `border`; `flip` mirrors the window.
    """
    image = checked_image(image)
    rows, columns = checked_size(size, "the crop")
    left, top = (int(value) for value in origin)
    out = np.empty((rows, columns, image.shape[2]), np.uint8)
    library().cpm_crop(
        image.ctypes.data, *image.shape, left, top, int(flip), int(border), rows, columns, out.ctypes.data
    )
    return out


def normalise(image: np.ndarray) -> np.ndarray:
    """`image` (rows, columns, channels) uint8 as float32 planes (channels, rows, columns): (pixel - 128) / 256."""
    image = checked_image(image)
    rows, columns, channels = image.shape
    out = np.empty((channels, rows, columns), np.float32)
    library().cpm_normalise(image.ctypes.data, rows * columns, channels, out.ctypes.data)
    return out
