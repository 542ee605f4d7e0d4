"""8-bit cubic resize, as OpenCV computes it without IPP: the transformer's scale step (`src/resize.h`)."""

import numpy as np

from cpm_kernels.host import checked_image, checked_size, library, profile_number


def resized_size(size: tuple[int, int], factor: float) -> tuple[int, int]:
    """(rows, columns) after a resize by `factor`: rounded half to even.

    ValueError if the factor is not positive and finite, or a side would be empty or above 32767.
    """
    if not (np.isfinite(factor) and factor > 0):
        raise ValueError(f"the resize factor must be positive and finite, not {factor}")
    rows, columns = (round(min(side * float(factor), 2.0**20)) for side in size)
    return checked_size((rows, columns), "the resized image")


def resize_cubic(image: np.ndarray, factor: float, profile: str = "opencv4") -> np.ndarray:
    """`image` (rows, columns, channels) uint8, resized by `factor` (double) along both axes.

    `profile` "opencv4" or "opencv2" names the order of the vertical sum.
    """
    image = checked_image(image)
    out = np.empty((*resized_size(image.shape[:2], factor), image.shape[2]), np.uint8)
    library().cpm_resize(image.ctypes.data, *image.shape, float(factor), profile_number(profile), out.ctypes.data)
    return out
