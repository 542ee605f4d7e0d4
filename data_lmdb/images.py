"""Decodes images to the pixels OpenCV's `imread` gave the original converter: uint8 (H, W, 3), BGR.

EXIF orientation is ignored if not asked for (the annotations count stored pixels), grey becomes three equal planes,
alpha is dropped, 16-bit samples keep their high byte. JPEGs go through libjpeg-turbo in both, with the same defaults.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from prototxt_import.files import InputError, check_file, other_kind, read_bytes

# Those that OpenCV reads. Pillow alone knows more, and hands some of them to other programs (EPS to Ghostscript).
FORMATS = ("BMP", "DIB", "JPEG", "JPEG2000", "PNG", "PPM", "SUN", "TIFF", "WEBP")

MAX_PIXELS = 64_000_000
"""A picture of 64 megapixels takes 192 MB; a file of 20 kB can claim 170 times its size in pixels."""

_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I"}
"""Pillow's kinds of pixels whose conversion to 8-bit BGR is OpenCV's; CMYK is in JPEGs only, I in 16-bit PNGs."""


class WrongSize(InputError):
    """An image of another size than expected."""


def read_bgr(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, upright: bool = False) -> NDArray[np.uint8]:
    """The image's pixels, uint8 (H, W, 3), BGR; InputError if it is missing, no image, cut short, has more than
    `max_pixels`, or is of a kind whose pixels OpenCV would read otherwise.

    upright: turn them as the EXIF orientation says, which viewers do and annotations do not.
    """
    with _opened(path, path) as image:
        if image.width * image.height > max_pixels:
            raise InputError(
                f"{path}: expected an image of at most {max_pixels} pixels (--max-pixels raises that), "
                f"found {image.width} x {image.height}"
            )
        pixels = _pixels(image, path)
        return _upright(pixels, _orientation(image)) if upright else pixels


def decode_bgr(file: bytes | memoryview, where: str | os.PathLike[str], size: tuple[float, float]) -> NDArray[np.uint8]:
    """The pixels of an image file's bytes, as `read_bgr`; `where` names it in errors.

    WrongSize, before anything is decoded, unless its (width, height) is `size`.
    """
    with _opened(io.BytesIO(file), where) as image:
        if image.size != size:
            expected, found = (f"{width:g} x {height:g} px" for width, height in (size, image.size))
            raise WrongSize(f"{where}: expected an image of {expected} as annotated, found {found}")
        return _pixels(image, where)


def read_grey(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The image in grey as OpenCV's `imread` reads it, uint8 (H, W): a JPEG's own luminance; for a PNG libpng's weights
    of red, green and blue, rounded down; else OpenCV's, rounded. InputError as `read_bgr`."""
    with _opened(path, path) as image:
        if image.width * image.height > MAX_PIXELS:
            found = f"{image.width} x {image.height}"
            raise InputError(f"{path}: expected an image of at most {MAX_PIXELS} pixels, found {found}")
        if image.format == "JPEG" and image.mode in ("L", "RGB"):
            image.draft("L", image.size)
            return np.array(image.convert("L"))
        blue, green, red = np.moveaxis(_pixels(image, path).astype(np.int32), 2, 0)
        if image.format == "PNG":
            grey = (9797 * red + 19234 * green + 3737 * blue) >> 15
        else:
            grey = (4899 * red + 9617 * green + 1868 * blue + (1 << 13)) >> 14
        return np.asarray(grey, np.uint8)


def decode_any(file: bytes, where: str, colour: bool) -> NDArray[np.uint8]:
    """The pixels of an image file's bytes, uint8 (C, H, W): BGR, or grey where the file is grey and not `colour`."""
    with _opened(io.BytesIO(file), where) as image:
        if image.width * image.height > MAX_PIXELS:
            raise InputError(f"{where}: expected an image of at most {MAX_PIXELS} pixels, found more")
        grey = image.mode in ("1", "L", "I", "I;16", "I;16B", "I;16L") and not colour
        pixels = _pixels(image, where)[:, :, : 1 if grey else 3]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def image_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(width, height) in px, from the file's header alone; InputError as `read_bgr`."""
    with _opened(path, path) as image:
        return image.size


_ONE_AT_A_TIME = Lock()


@contextmanager
def _quietly() -> Iterator[None]:
    """Pillow's warnings (a strange tag) are not heard, and its limit of pixels is not asked: `read_bgr` has its own.
    Both are the whole process's: one thread at a time changes them, and puts them back."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _opened(file: str | os.PathLike[str] | io.BytesIO, where: str | os.PathLike[str]) -> Iterator[Image.Image]:
    if not isinstance(file, io.BytesIO):
        check_file(file)
    try:
        with _quietly():
            image = Image.open(file, formats=FORMATS)
        with image:
            yield image
    except UnidentifiedImageError:
        start = file.getvalue() if isinstance(file, io.BytesIO) else read_bytes(file, 1000)
        raise InputError(f"{where}: expected an image, found {other_kind(start) or 'something else'}") from None
    except OSError as error:
        raise InputError(f"{where}: expected a readable image: {error.strerror or error}") from None
    except InputError:
        raise
    except (ValueError, SyntaxError, EOFError, TypeError, ZeroDivisionError, Image.DecompressionBombError) as error:
        raise InputError(f"{where}: expected a readable image: {error}") from None


def _pixels(image: Image.Image, where: str | os.PathLike[str]) -> NDArray[np.uint8]:
    _check_kind(image, where)
    if image.format == "TIFF":  # whose tags Pillow reads again
        with _quietly():
            image.load()
    image.load()
    image.info.pop("transparency", None)  # Pillow warns of one that is dropped
    if image.mode == "CMYK":
        return _cmyk_to_bgr(image)
    if image.mode.startswith("I"):  # 16-bit grey
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    return np.frombuffer(bytearray(rgb.tobytes("raw", "BGR")), np.uint8).reshape(image.height, image.width, 3)


def _orientation(image: Image.Image) -> int:
    """EXIF's, 1 to 8; 1, as stored, where it says nothing that can be read."""
    try:
        with _quietly():
            return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (ValueError, TypeError, SyntaxError, OSError, EOFError, ZeroDivisionError):
        return 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """What EXIF's orientation asks of a viewer: 2 to 4 mirror and turn by half, 5 to 8 exchange the sides."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _check_kind(image: Image.Image, where: str | os.PathLike[str]) -> None:
    """InputError for the kinds of pixels that Pillow and OpenCV do not turn into the same 8 bits."""
    known = image.mode in _MODES or (image.mode == "CMYK" and image.format == "JPEG")
    if not known or (image.mode == "I" and image.format not in ("PNG", "JPEG2000")):
        raise InputError(f"{where}: expected 8 or 16 bits of grey or RGB, found a {image.format} of kind {image.mode}")
    if isinstance(image, TiffImageFile) and (image.mode == "RGBA" or (image.mode == "RGB" and _deep(image))):
        raise InputError(f"{where}: expected a TIFF of 8-bit RGB without alpha, found another")
    if isinstance(image, PpmImageFile) and any(name != "raw" for name, *_ in image.tile):
        raise InputError(f"{where}: expected a binary PPM of 8 bits whose largest value is 255, found another")


def _deep(image: TiffImageFile) -> bool:
    bits: tuple[int, ...] = image.tag_v2.get(BITSPERSAMPLE, (8,))
    return max(bits) > 8


def _cmyk_to_bgr(image: Image.Image) -> NDArray[np.uint8]:
    """OpenCV's integer conversion of the stored, ink-inverted samples."""
    stored = 255 - np.asarray(image).astype(np.int32)  # Pillow takes every CMYK JPEG for inverted
    black = stored[..., 3:]
    rgb = black - ((255 - stored[..., :3]) * black >> 8)
    return np.ascontiguousarray(rgb[..., ::-1].astype(np.uint8))
