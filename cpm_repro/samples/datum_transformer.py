"""Caffe's own DataTransformer: mirrored, cropped, less a mean, scaled (data_transformer.cpp).

The CPM fork's augmentation is another: see transformer.
"""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.files import naming, read_bytes, require
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import blob_to_array
from prototxt_import.formats.messages import parse_message


class DatumTransformer:
    """Makes samples of images as one `transform_param` says, with dice from a generator seeded by `start`.

    Per sample it draws a number for `mirror` and, in the TRAIN phase, two for the crop; in TEST the crop is the middle.
    """

    def __init__(self, param: schema.TransformationParameter, phase: str, folder: Path, where: str) -> None:
        self._param, self._training, self._where = param, phase == "TRAIN", where
        self._require = partial(require, f"{where}: transform_param")
        self._crop, self._scale = int(param.crop_size), np.float32(param.scale)
        self.draws = bool(param.mirror or (self._training and self._crop))
        self._random = CaffeRandom(0)
        self._require(not (param.mean_file and param.mean_value), "mean_file or mean_value", "both")
        self._mean_image = self._read_mean(folder / param.mean_file) if param.mean_file else None

    def start(self, seed: int) -> None:
        """The seed that the net drew."""
        self._random = CaffeRandom(seed)

    def shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """(C, H, W) of the sample of an image of shape (C, H, W); InputError if it is smaller than the crop."""
        channels, height, width = image
        self._require(min(height, width) >= self._crop, f"images of at least {self._crop} px", f"{width} x {height}")
        values = len(self._param.mean_value)
        self._require(values in (0, 1, channels), f"no mean_value, one or {channels}", values)
        return (channels, self._crop, self._crop) if self._crop else image

    def __call__(self, image: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        """The sample of an image (C, H, W), BGR: float32 (C, H, W)."""
        channels, height, width = self.shape(image.shape)
        mirrored = bool(self._param.mirror and self._draw(2))
        top, left = self._origin(image.shape[1] - height, image.shape[2] - width)
        rows, columns = slice(top, top + height), slice(left, left + width)
        sample = image[:, rows, columns].astype(np.float32)
        if self._mean_image is not None:
            expected, found = image.shape, self._mean_image.shape
            self._require(expected == found, f"a mean_file of the images' shape {expected}", found)
            sample -= self._mean_image[:, rows, columns]
        elif self._param.mean_value:
            sample -= np.resize(np.array(self._param.mean_value, np.float32), channels)[:, None, None]
        sample *= self._scale
        return sample[:, :, ::-1] if mirrored else sample

    def state(self) -> list[int]:
        """Of its generator: what `restore` takes."""
        return [int(word) for word in self._random.state()]

    def restore(self, state: list[int]) -> None:
        """Continues from a `state()`; InputError if it is none."""
        with naming(self._where, ValueError, OverflowError):
            self._random.restore(np.array(state, np.uint32))

    def _draw(self, below: int) -> int:
        return int(self._random.draws(1)[0]) % below

    def _origin(self, spare_rows: int, spare_columns: int) -> tuple[int, int]:
        if not self._crop:
            return 0, 0
        if self._training:
            top = self._draw(spare_rows + 1)
            return top, self._draw(spare_columns + 1)
        return spare_rows // 2, spare_columns // 2

    def _read_mean(self, path: Path) -> NDArray[np.float32]:
        mean = blob_to_array(parse_message(read_bytes(path), schema.BlobProto, path), str(path))
        self._require(mean.ndim in (3, 4) and (mean.ndim == 3 or len(mean) == 1), "a mean of 3 axes", mean.shape)
        return np.asarray(mean.reshape(mean.shape[-3:]), np.float32)
