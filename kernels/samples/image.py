"""The transformer's image steps one by one, 8-bit, as OpenCV computes them without IPP: resize, rotation, crop, gray.

`sample.transform_samples` runs them all at once; these serve the step dumps and the tests. The arithmetic is
`src/samples/{resize,warp_affine,crop,gray}.h`.
"""

import numpy as np

from cpm_kernels.host import checked, checked_image, checked_size, library, profile_number


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


def warp_affine_cubic(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int = 128) -> np.ndarray:
    """`image` (rows, columns, channels) uint8 through `matrix` (2, 3) float64, source to output coordinates.

    `size` is (rows, columns) of the result; pixels that come from outside the image have the value `border`.
    """
    image = checked_image(image)
    matrix = checked(matrix, np.float64, (2, 3), "matrix")
    rows, columns = checked_size(size, "the warped image")
    out = np.empty((rows, columns, image.shape[2]), np.uint8)
    library().cpm_warp_affine(
        image.ctypes.data, *image.shape, matrix.ctypes.data, int(border), rows, columns, out.ctypes.data
    )
    return out


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


def gray(image: np.ndarray, profile: str = "opencv4") -> np.ndarray:
    """`image` (rows, columns, 3) uint8 BGR with B = G = R = its gray."""
    image = checked(checked_image(image), np.uint8, (None, None, 3), "image")
    out = np.empty_like(image)
    library().cpm_gray(image.ctypes.data, out.ctypes.data, image.size // 3, profile_number(profile))
    return out
