"""Decodes images to the pixels OpenCV's `imread` gave the original converter: uint8 (H, W, 3), BGR.

EXIF orientation is ignored (the annotations count stored pixels), grey becomes three equal planes, alpha is
dropped, 16-bit samples keep their high byte. JPEGs go through libjpeg-turbo in both, with the same
defaults.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, UnidentifiedImageError

from prototxt_import.files import InputError


def read_bgr(path: str | os.PathLike) -> np.ndarray:
    """The image's pixels, uint8 (H, W, 3), BGR; InputError if it is missing, no image, cut short or
    absurdly large."""
    with _opened(path) as image:
        image.load()
        if image.mode == "CMYK":
            return _cmyk_to_bgr(image)
        if image.mode.startswith("I"):  # 16-bit grey
            grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def image_size(path: str | os.PathLike) -> tuple[int, int]:
    """(width, height) in px, from the file's header alone; InputError as `read_bgr`."""
    with _opened(path) as image:
        return image.size


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large image, palette transparency: no reason to talk
            with Image.open(path) as image:
                yield image
    except UnidentifiedImageError:
        raise InputError(f"{path}: expected an image, found something else") from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable image: {error.strerror or error}") from None
    except (ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: expected a readable image: {error}") from None


def _cmyk_to_bgr(image: Image.Image) -> np.ndarray:
    """OpenCV's integer conversion of the stored, ink-inverted samples."""
    stored = 255 - np.asarray(image).astype(np.int32)  # Pillow takes every CMYK JPEG for inverted
    black = stored[..., 3:]
    rgb = black - ((255 - stored[..., :3]) * black >> 8)
    return np.ascontiguousarray(rgb[..., ::-1].astype(np.uint8))
