"""Smaller photographs of the same people, for an LMDB that has to travel.

Around the person of a record everything is kept that a training crop can show: the release's crop of 368 px shows
0.79 of a person's height to each side at `target_dist` 1.171, 1.6 when it is turned by 45 degrees and scaled by 0.7.
"""

import io
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from data_lmdb.annotations import Annotation

REACH = 1.6
"""Heights of the person that are kept to each side of where it stands."""


@dataclass(frozen=True)
class Shrinking:
    """Photographs whose person is at most `height` px tall, as WebP files of `quality` (1 to 95).

    At the same distance from the photograph a WebP file has two thirds of a JPEG's bytes.
    """

    height: float
    quality: int = 75

    def __call__(self, annotation: Annotation, image: NDArray[np.uint8]) -> tuple[Annotation, bytes]:
        """The annotation in the smaller photograph's pixels, and the photograph as the bytes of a WebP file.

        image: uint8 (H, W, 3), BGR. Pillow's bilinear filter averages; nothing is ever made larger.
        """
        tall = 200 * annotation.scale_provided
        left, top, right, bottom = _kept(annotation.objpos, REACH * tall, image.shape[1], image.shape[0])
        factor = min(1.0, self.height / tall)
        size = max(1, round((right - left) * factor)), max(1, round((bottom - top) * factor))
        kept = Image.fromarray(np.ascontiguousarray(image[top:bottom, left:right, ::-1]))
        file = io.BytesIO()
        kept.resize(size, Image.Resampling.BILINEAR).save(file, "WEBP", quality=self.quality, method=6)
        scale = np.array(size) / (right - left, bottom - top)
        return _moved(annotation, np.array([left, top]), scale, size), file.getvalue()


def _kept(objpos: NDArray[np.float64], reach: float, width: int, height: int) -> tuple[int, int, int, int]:
    """The columns and rows, from and to, within `reach` px of a person; all where the person stands outside."""
    x, y = objpos - 1
    left, right = max(0, int(x - reach)), min(width, int(x + reach) + 1)
    top, bottom = max(0, int(y - reach)), min(height, int(y + reach) + 1)
    return (left, top, right, bottom) if left < right and top < bottom else (0, 0, width, height)


def _moved(
    annotation: Annotation, first: NDArray[np.int64], scale: NDArray[np.float64], size: tuple[int, int]
) -> Annotation:
    """What is annotated, in the pixels of a photograph that begins at pixel `first` and is `scale` times as large.

    A joint at 0, 0 is one that was not annotated, and stays there.
    """

    def moved(points: NDArray[np.float64]) -> NDArray[np.float64]:
        places = (points[..., :2] - 0.5 - first) * scale + 0.5  # the first pixel's middle has the coordinate 1
        there = (points[..., :2] != 0).any(axis=-1, keepdims=True)
        return np.concatenate([np.where(there, places, points[..., :2]), points[..., 2:]], axis=-1)

    return replace(
        annotation,
        img_width=float(size[0]),
        img_height=float(size[1]),
        objpos=moved(annotation.objpos),
        joint_self=moved(annotation.joint_self),
        scale_provided=annotation.scale_provided * float(scale[1]),
        joint_others=moved(annotation.joint_others),
        objpos_other=moved(annotation.objpos_other),
        scale_provided_other=annotation.scale_provided_other * float(scale[1]),
    )
