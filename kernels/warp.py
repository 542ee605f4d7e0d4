"""8-bit cubic warpAffine with a constant border: the transformer's rotation step (`src/warp_affine.h`)."""

import numpy as np

from cpm_kernels.host import checked, checked_image, checked_size, library


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
