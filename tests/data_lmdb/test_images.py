"""Decoding: OpenCV's pixels for every kind of image that a data set may hold, one sentence for anything else."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data_lmdb.images import FORMATS, WrongSize, decode_bgr, image_size, read_bgr, read_grey
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (37, 41, 4), np.uint8)
SMOOTH = cv2.resize(RNG.integers(0, 256, (5, 6, 4), np.uint8), (131, 77), interpolation=cv2.INTER_LINEAR)


def saved(image, file_format, **options):
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def encoded_16_bit(*shape):
    return cv2.imencode(".png", RNG.integers(0, 65536, shape, np.uint16))[1].tobytes()


def turned_by_exif():
    image = Image.fromarray(SMOOTH[..., :3])
    exif = image.getexif()
    exif[0x0112] = 6
    return saved(image, "JPEG", exif=exif)


def without_adobe_marker(jpeg):
    start = jpeg.index(b"\xff\xee")
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


CMYK_JPEG = saved(Image.fromarray(SMOOTH, "CMYK"), "JPEG")
IMAGES = {
    "rgb.jpg": saved(Image.fromarray(SMOOTH[..., :3].copy()), "JPEG"),
    "444.jpg": saved(Image.fromarray(SMOOTH[..., :3].copy()), "JPEG", subsampling=0, quality=60),
    "progressive.jpg": saved(Image.fromarray(SMOOTH[..., :3].copy()), "JPEG", progressive=True),
    "grey.jpg": saved(Image.fromarray(SMOOTH[..., 0].copy()), "JPEG"),
    "cmyk.jpg": CMYK_JPEG,
    "cmyk_plain.jpg": without_adobe_marker(CMYK_JPEG),
    "turned.jpg": turned_by_exif(),
    "rgb.png": saved(Image.fromarray(RGBA[..., :3].copy()), "PNG"),
    "rgba.png": saved(Image.fromarray(RGBA), "PNG"),
    "grey.png": saved(Image.fromarray(RGBA[..., 0].copy()), "PNG"),
    "grey_alpha.png": saved(Image.fromarray(RGBA[..., :2].copy(), "LA"), "PNG"),
    "one_bit.png": saved(Image.fromarray(RGBA[..., 0].copy()).convert("1"), "PNG"),
    "palette.png": saved(Image.fromarray(RGBA[..., :3].copy()).quantize(16), "PNG", transparency=3),
    "grey16.png": encoded_16_bit(37, 41),
    "rgb16.png": encoded_16_bit(37, 41, 3),
    "rgba16.png": encoded_16_bit(37, 41, 4),
    "rgb.bmp": saved(Image.fromarray(RGBA[..., :3].copy()), "BMP"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", IMAGES)
def test_same_pixels_as_opencv(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(IMAGES[name])
    expected = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert_same_bits(read_bgr(path), expected, name)
    height, width = expected.shape[:2]
    assert image_size(path) == (width, height)
    assert_same_bits(decode_bgr(IMAGES[name], "here", (width, height)), expected, name)
    assert_same_bits(decode_bgr(memoryview(IMAGES[name]), "here", (float(width), float(height))), expected, name)
    with pytest.raises(WrongSize, match=f"^here: expected an image of 7 x 8 px as annotated, found {width} x {height}"):
        decode_bgr(IMAGES[name], "here", (7, 8))


@pytest.mark.parametrize("lmdb, joints", [("mpi16_lmdb", 16), ("flic9_lmdb", 9)])
def test_same_pixels_as_the_golden_records(golden, lspet, lmdb, joints):
    with LmdbReader(golden / "transform" / lmdb) as reader:
        for index, value in enumerate(reader):
            record = decode(value, joints, reader.where(index))
            name = f"im{record.annolist_index:05.0f}.jpg"
            thin = record.img_width == 50
            image = read_bgr(golden / "transform" / "thin.png" if thin else lspet / "images" / name)
            assert_same_bits(np.ascontiguousarray(record.image[:, : image.shape[1]]), image, reader.where(index))


@pytest.mark.parametrize("name", ["rgb.jpg", "rgb.png", "grey16.png", "rgb.bmp"])
def test_a_broken_image_is_one_sentence(tmp_path, name):
    content = IMAGES[name]
    for broken in [b"", b"no image", content[: len(content) // 2], content[:30]]:
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(InputError, match=f"{name}: expected") as caught:
            read_bgr(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_missing_image_and_a_folder(tmp_path):
    for read in (read_bgr, image_size):
        with pytest.raises(InputError, match=r"missing\.jpg: expected a readable image: No such file"):
            read(tmp_path / "missing.jpg")
        with pytest.raises(InputError, match="expected a readable image"):
            read(tmp_path)


def test_an_absurd_size_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    saved_bytes = bytearray(IMAGES["rgb.png"])
    saved_bytes[16:24] = (60_000).to_bytes(4, "big") * 2
    path.write_bytes(saved_bytes)
    with pytest.raises(InputError, match=r"huge\.png: expected"):
        read_bgr(path)


def test_a_format_that_starts_another_program_is_refused(tmp_path):
    """Pillow hands EPS to Ghostscript."""
    Image.new("RGB", (5, 4), "red").save(tmp_path / "x.eps")
    with pytest.raises(InputError, match="expected an image, found something else"):
        read_bgr(tmp_path / "x.eps")


def test_every_format_is_one_of_pillows():
    Image.init()
    assert set(FORMATS) <= set(Image.OPEN)


@pytest.mark.parametrize(
    "content",
    [
        saved(Image.fromarray(RGBA[..., 0].astype(np.float32)), "TIFF"),
        saved(Image.fromarray(RGBA[..., 0].astype(np.int32)), "TIFF"),
        saved(Image.fromarray(RGBA), "TIFF"),
        saved(Image.fromarray(RGBA, "CMYK"), "TIFF"),
        saved(Image.fromarray(RGBA[..., :3].copy()).convert("LAB"), "TIFF"),
        cv2.imencode(".tif", RNG.integers(0, 65536, (7, 9, 3), np.uint16))[1].tobytes(),
        b"P6\n41 37\n100\n" + (RGBA[..., :3] % 101).tobytes(),
        b"P3\n2 1\n255\n1 2 3 4 5 6\n",
    ],
    ids=["float.tif", "int.tif", "rgba.tif", "cmyk.tif", "lab.tif", "rgb16.tif", "maxval.ppm", "plain.ppm"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pixels_that_opencv_reads_otherwise_are_refused(tmp_path, content):
    (tmp_path / "a.img").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.img: expected .*, found a"):
        read_bgr(tmp_path / "a.img")


def test_pillows_warnings_are_not_heard_and_the_callers_filters_stay(tmp_path, monkeypatch):
    palette = Image.fromarray(RGBA[..., :3].copy()).quantize(16)
    (tmp_path / "a.png").write_bytes(saved(palette, "PNG", transparency=bytes(range(16))))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        assert read_bgr(tmp_path / "a.png").shape == (37, 41, 3)
        assert warnings.filters == before


def test_the_number_of_pixels_is_limited(tmp_path):
    (tmp_path / "a.png").write_bytes(IMAGES["rgb.png"])
    assert read_bgr(tmp_path / "a.png", 37 * 41).shape == (37, 41, 3)
    with pytest.raises(InputError, match=r"at most 1516 pixels \(--max-pixels raises that\), found 41 x 37"):
        read_bgr(tmp_path / "a.png", 37 * 41 - 1)


@pytest.mark.parametrize(("bgr", "grey"), [((80, 46, 23), 43), ((92, 73, 39), 65), ((7, 7, 7), 7), ((255, 0, 0), 29)])
def test_grey_of_a_png_is_libpngs(tmp_path: Path, bgr: tuple[int, int, int], grey: int) -> None:
    """Weights that are rounded down, and so is the sum: what the original read."""
    Image.fromarray(np.full((2, 3, 3), bgr[::-1], np.uint8)).save(tmp_path / "a.png")
    assert np.array_equal(read_grey(tmp_path / "a.png"), np.full((2, 3), grey))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_grey_is_opencvs(tmp_path: Path, suffix: str) -> None:

    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    assert np.array_equal(read_grey(tmp_path / f"a.{suffix}"), cv2.imread(str(tmp_path / f"a.{suffix}"), 0))


def test_our_limit_of_pixels_counts_and_not_pillows(tmp_path, monkeypatch):
    Image.new("L", (40, 30)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_bgr(tmp_path / "a.png").shape == (30, 40, 3)
    with pytest.raises(InputError, match=r"a\.png: expected an image of at most 1000 pixels .*, found 40 x 30"):
        read_bgr(tmp_path / "a.png", 1000)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\0\0\0\x18ftypheic\0\0", "HEIC or AVIF, as telephones write them: save it as JPEG or PNG"),
        (b"GIF89a", "a GIF, PDF or SVG: save it as JPEG or PNG"),
        (b"<html>404</html>", "a page of the web"),
        (b"abc", "something else"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, found):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jpg: expected an image, found {found}"):
        read_bgr(tmp_path / "a.jpg")
