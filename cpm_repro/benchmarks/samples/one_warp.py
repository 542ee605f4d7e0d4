"""From a picture's pixels to the crop's in one step, as libraries for augmentation like it: they resample once, where
the original resizes and rotates one after the other and rounds to 8 bits each time.
"""

import numpy as np

from cpm_kernels.samples.sample import SampleGeometry


def whole_matrix(geometry: SampleGeometry, columns: int) -> np.ndarray:
    """(2, 3) float32: from pixels of the image to pixels of the crop."""
    factor, (left, top) = geometry.factor, geometry.origin
    resize = np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])
    rotate = np.vstack([np.reshape(geometry.matrix, (2, 3)), [0, 0, 1]])
    crop = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]])
    mirror = np.array([[-1, 0, columns - 1], [0, 1, 0], [0, 0, 1]]) if geometry.flip else np.eye(3)
    matrix: np.ndarray = mirror @ crop @ rotate @ resize
    return matrix[:2].astype(np.float32)
