"""A sample's pixels by albumentations: its Affine in a Compose, with the matrix that this project's dice lead to.

It samples the image once (through OpenCV). It draws no heat maps, and is not asked for the joints.
"""

from typing import Any

import albumentations
import cv2
import numpy as np

from cpm_repro.samples.transformer import Placed

from .one_warp import whole_matrix
from .with_opencv import GREY


class AlbumentationsCrop:
    """An `with_opencv.Crop`."""

    def __init__(self) -> None:
        affine = albumentations.Affine(interpolation=cv2.INTER_CUBIC, fill=GREY, p=1)
        affine.__dict__["get_params_dependent_on_data"] = lambda params, data: self._given  # instead of drawing them
        self._compose = albumentations.Compose([affine])
        self._given: dict[str, Any] = {}

    def __call__(self, placed: Placed, size: tuple[int, int]) -> np.ndarray:
        matrix = np.vstack([whole_matrix(placed.geometry, size[1]), [0, 0, 1]])
        self._given = {"matrix": matrix, "output_shape": size}
        image: np.ndarray = self._compose(image=np.ascontiguousarray(placed.image))["image"]
        return image
