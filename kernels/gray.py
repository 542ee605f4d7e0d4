"""OpenCV's 8-bit gray, put back into three planes: the transformer's `gray` option (`src/gray.h`)."""

import numpy as np

from cpm_kernels.host import checked, checked_image, library, profile_number


def gray(image: np.ndarray, profile: str = "opencv4") -> np.ndarray:
    """`image` (rows, columns, 3) uint8 BGR with B = G = R = its gray."""
    image = checked(checked_image(image), np.uint8, (None, None, 3), "image")
    out = np.empty_like(image)
    library().cpm_gray(image.ctypes.data, out.ctypes.data, image.size // 3, profile_number(profile))
    return out
