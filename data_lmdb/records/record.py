"""One record of the CPM release's LMDB, a Caffe `Datum`: an image and who is in it.

As the original stores it (`raw`), `data` is four planes, B, G, R and META. META is an image plane used as a table: row
r starts at byte r·width, floats are little-endian float32::

    0              data set name, zero terminated
    1              image height, width
    2              isValidation, n = number of other people, people index (one byte each);
                   annolist index, write counter, total write count (floats, from byte 3)
    3              objpos x, y
    4              scale
    5, 6, 7        joints: all x, all y, all visibility
    8 … 7+n        objpos x, y of the others, a row each
    8+n            scale of the others
    9+n+3p …       joints of other person p, three rows each

This project's own extension (`file`) keeps the image file's bytes: the Datum has `encoded: true` and 3 channels, `data`
is the file, as in Caffe's own encoded Datums, and the field `meta` (number 100) holds META's rows one after the other,
each only as long as its content. Height and width are those of the raw record.

Values are kept exactly as stored: 1-based coordinates, visibility as written. The rules that turn them into
what the network sees belong to the transformer.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data_lmdb.images import decode_bgr
from prototxt_import.files import InputError, require
from prototxt_import.formats import schema

from .datum import BrokenDatum, DatumView, view

CHANNELS = 4
MINIMUM_WIDTH = 64  # the converter pads narrower images, so that 16 joints (64 bytes) fit in a row
FIRST_ROW_OF_OTHERS = 8
COUNTS_BYTES = 15  # row 2: three bytes and three floats, unaligned
STORAGES = ("raw", "file")
"""How a record keeps its image: as planes, or as the bytes of the image file."""
_STORED_FLOAT = np.dtype("<f4")
_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


@dataclass
class Person:
    """One annotated person, in 1-based pixels.

    objpos: float32 (2,), x and y; scale_provided: height / 200 px; joints: float32 (n, 3), x, y, visible.
    """

    objpos: NDArray[np.float32]
    scale_provided: float
    joints: NDArray[np.float32]


@dataclass
class Record:
    """One image with its primary person and the others in it.

    image: uint8 (H, W, 3), BGR, with the padding that the converter gave it; img_width and img_height (px)
    are the original image's. write_count is the record's place in the LMDB, total_write_count the number of
    records.
    """

    dataset: str
    is_validation: bool
    image: NDArray[np.uint8]
    img_width: float
    img_height: float
    self_person: Person
    others: list[Person] = field(default_factory=list)
    people_index: int = 1
    annolist_index: float = 0.0
    write_count: float = 0.0
    total_write_count: float = 0.0


def encode(record: Record) -> bytes:
    """The serialized `Datum` of `record`, byte for byte as the original converter writes it.

    InputError if META has no room for the record (too many joints or other people for the image's width or
    height) or a number does not fit its field.
    """
    where = _place(record)
    rows = _meta_rows(record, where)
    height, width = record.image.shape[:2]
    _check_room(rows, record, where)
    planes = np.zeros((CHANNELS, height, width), np.uint8)
    planes[:3] = record.image.transpose(2, 0, 1)
    for stored, row in zip(planes[3], rows, strict=False):
        stored[: len(row)] = np.frombuffer(row, np.uint8)
    datum = schema.Datum(channels=CHANNELS, height=height, width=width, data=planes.tobytes(), label=0)
    return datum.SerializeToString()


def encode_file(record: Record, file: bytes) -> bytes:
    """The serialized `Datum` that keeps `file`, the bytes of the image file that `record.image` was decoded from.

    InputError if a number does not fit its field; there is room for up to 255 other people in any image.
    """
    meta = b"".join(_meta_rows(record, _place(record)))
    height, width = record.image.shape[:2]
    datum = schema.Datum(channels=3, height=height, width=width, data=file, label=0, encoded=True, meta=meta)
    return datum.SerializeToString()


def decode(value: bytes | memoryview, number_of_joints: int, where: str) -> Record:
    """The record in `value`, a serialized `Datum` of either kind; `where` names LMDB and key in errors.

    The image of a raw record is a read-only view of `value`, not a copy. InputError if it is not a Datum of 4 uint8
    planes or with an image file, if META's rows run over their place, or if a number is not finite.
    """
    datum = _datum(value, where)
    record = _annotations(_meta(datum, number_of_joints, where), number_of_joints, where)
    record.image = _image_of_file(datum, record, where) if datum.encoded else _planes(datum)[:3].transpose(1, 2, 0)
    return record


def decode_annotations(value: bytes | memoryview, number_of_joints: int, where: str) -> Record:
    """As `decode`, but `image` stays empty: a stored file is not even looked at."""
    return _annotations(_meta(_datum(value, where), number_of_joints, where), number_of_joints, where)


def storage(value: bytes | memoryview, where: str) -> str:
    """How `value` keeps its image, one of `STORAGES`; InputError if it is no record at all."""
    return "file" if _datum(value, where).encoded else "raw"


def pad_to_minimum_width(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """`image` (H, W, 3) with grey (128) on its right up to the width of 64 that META's rows need."""
    missing = max(MINIMUM_WIDTH - image.shape[1], 0)
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=128)


def _rows_needed(count: int) -> int:
    """Rows of META for `count` other people: an objpos and three joint rows each, and one row of scales."""
    return FIRST_ROW_OF_OTHERS + (1 + 4 * count if count else 0)


def _place(record: Record) -> str:
    return f"{record.dataset} record {record.write_count:.0f}"


def _meta_rows(record: Record, where: str) -> list[bytes]:
    """META, row by row, each as long as its content; InputError if something does not fit its field."""
    _check_fields(record, where)
    counts = bytes([record.is_validation, len(record.others), record.people_index])
    indices = [record.annolist_index, record.write_count, record.total_write_count]
    rows = [
        record.dataset.encode("ascii") + b"\0",
        _float_bytes([record.img_height, record.img_width], where),
        counts + _float_bytes(indices, where),
        _float_bytes(record.self_person.objpos, where),
        _float_bytes([record.self_person.scale_provided], where),
        *(_float_bytes(axis, where) for axis in record.self_person.joints.T),
    ]
    rows += [_float_bytes(person.objpos, where) for person in record.others]
    if record.others:
        rows.append(_float_bytes([person.scale_provided for person in record.others], where))
    return rows + [_float_bytes(axis, where) for person in record.others for axis in person.joints.T]


def _check_fields(record: Record, where: str) -> None:
    image = record.image
    require(
        where,
        image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3,
        "a uint8 image (H, W, 3)",
        f"{image.dtype} {image.shape}",
    )
    count = len(record.others)
    require(where, record.dataset.isascii(), "an ASCII data set name", repr(record.dataset))
    require(where, "\0" not in record.dataset, "a data set name without NUL", repr(record.dataset))
    joints = len(record.self_person.joints)
    for person in record.others:
        require(where, len(person.joints) == joints, f"{joints} joints per person", f"{len(person.joints)}")
    require(where, count <= 255, "at most 255 other people", f"{count}")
    require(where, 0 <= record.people_index <= 255, "a people_index of 0 to 255", f"{record.people_index}")


def _check_room(rows: list[bytes], record: Record, where: str) -> None:
    height, width = record.image.shape[:2]
    count, joints = len(record.others), len(record.self_person.joints)
    longest = max(map(len, rows))
    people = f"for {joints} joints and {count} other people"
    require(where, longest <= width, f"an image at least {longest} px wide {people}", f"{width} px")
    people = f"for {count} other people"
    require(where, len(rows) <= height, f"an image at least {len(rows)} px high {people}", f"{height} px")


def _float_bytes(values: Sequence[float] | NDArray[np.float32], where: str) -> bytes:
    with np.errstate(over="ignore"):
        stored = np.asarray(values).astype("<f4")
    require(where, bool(np.isfinite(stored).all()), "finite numbers", f"{np.asarray(values).tolist()}")
    return stored.tobytes()


def _datum(value: bytes | memoryview, where: str) -> DatumView:
    try:
        return view(value)
    except BrokenDatum:
        raise InputError(f"{where}: expected a serialized Datum, found {len(value)} bytes of something else") from None


def _meta(datum: DatumView, number_of_joints: int, where: str) -> NDArray[np.uint8]:
    """META as a table, uint8 (rows, bytes), large enough for what it says is in it."""
    channels, height, width = datum.channels, datum.height, datum.width
    require(where, height > 0 and width > 0, "a positive height and width", f"{height} x {width}")
    if datum.encoded:
        return _spread(bytes(datum.meta), number_of_joints, where)
    require(where, channels == CHANNELS, f"a Datum of {CHANNELS} channels", f"{channels}")
    needed = channels * height * width
    require(
        where,
        len(datum.data) == needed,
        f"{channels} x {height} x {width} = {needed} bytes of data",
        f"{len(datum.data)}",
    )
    meta: NDArray[np.uint8] = _planes(datum)[3]
    _check_plane(meta, number_of_joints, where)
    return meta


def _planes(datum: DatumView) -> NDArray[np.uint8]:
    return np.frombuffer(datum.data, np.uint8).reshape(CHANNELS, datum.height, datum.width)


def _check_plane(meta: NDArray[np.uint8], number_of_joints: int, where: str) -> None:
    height, width = meta.shape
    require(where, height >= FIRST_ROW_OF_OTHERS, f"at least {FIRST_ROW_OF_OTHERS} rows", f"{height}")
    needed = max(COUNTS_BYTES, 4 * number_of_joints)
    require(where, width >= needed, f"rows of at least {needed} bytes for {number_of_joints} joints", f"{width}")
    count = int(meta[2, 1])
    last_row = _rows_needed(count)
    require(where, last_row <= height, f"{last_row} rows for {count} other people", f"{height} rows")
    require(where, 4 * count <= width, f"rows of {4 * count} bytes for {count} other people", f"{width} bytes")


def _spread(meta: bytes, number_of_joints: int, where: str) -> NDArray[np.uint8]:
    """The rows of the field `meta` as a table like the plane's."""
    name = meta.find(b"\0") + 1
    expected = "a field meta that begins with a data set name"
    require(where, 0 < name < len(meta) - 9, expected, f"{len(meta)} bytes of something else")
    count = meta[name + 9]
    joints = [4 * number_of_joints] * 3
    lengths = [name, 8, COUNTS_BYTES, 8, 4, *joints]
    if count:
        lengths += [8] * count + [4 * count] + joints * count
    people = f"{number_of_joints} joints and {count} other people"
    require(where, sum(lengths) == len(meta), f"{sum(lengths)} bytes of meta for {people}", f"{len(meta)}")
    table = np.zeros((len(lengths), max(lengths)), np.uint8)
    place = 0
    for row, length in zip(table, lengths, strict=True):
        row[:length] = np.frombuffer(meta, np.uint8, length, place)
        place += length
    return table


def _image_of_file(datum: DatumView, record: Record, where: str) -> NDArray[np.uint8]:
    width, height = record.img_width, record.img_height
    expected, found = (max(width, MINIMUM_WIDTH), height), (datum.width, datum.height)
    require(where, expected == found, f"a Datum of {expected[0]:g} x {height:g} px", f"{found[0]} x {found[1]} px")
    return pad_to_minimum_width(decode_bgr(datum.data, where, (width, height)))


def _annotations(meta: NDArray[np.uint8], number_of_joints: int, where: str) -> Record:
    """Everything in META's table; the image is left empty."""
    is_validation, count, people_index = (int(byte) for byte in meta[2, :3])
    img_height, img_width = _numbers(meta[1, :8], where, 1)
    require(where, min(img_height, img_width) > 0, "a positive image size", f"{img_width} x {img_height}")
    annolist_index, write_count, total = _numbers(meta[2, 3:COUNTS_BYTES], where, 2)
    return Record(
        dataset=_name(meta[0], where),
        is_validation=bool(is_validation),
        image=_NO_IMAGE,
        img_width=img_width,
        img_height=img_height,
        self_person=_self_person(meta, number_of_joints, where),
        others=_other_people(meta, count, number_of_joints, where),
        people_index=people_index,
        annolist_index=annolist_index,
        write_count=write_count,
        total_write_count=total,
    )


def _name(row: NDArray[np.uint8], where: str) -> str:
    name = row.tobytes().split(b"\0", 1)[0]
    require(where, name.isascii(), "an ASCII data set name in META row 0", repr(name[:20]))
    return name.decode("ascii")


def _numbers(stored: NDArray[np.uint8], where: str, row: int) -> tuple[float, ...]:
    """The floats in the bytes of one row, or of a piece of it."""
    numbers = struct.unpack(f"<{stored.size // 4}f", stored.tobytes())
    if not all(map(math.isfinite, numbers)):
        raise _not_finite(where, row, numbers)
    return numbers


def _not_finite(where: str, row: int, numbers: tuple[float, ...]) -> InputError:
    return InputError(f"{where}: expected finite numbers in META row {row}, found {list(numbers)}")


def _floats(meta: NDArray[np.uint8], first_row: int, rows: int, count: int, where: str) -> NDArray[np.float32]:
    """float32 (rows, count), from `first_row` on."""
    stored = meta[first_row : first_row + rows, : 4 * count]
    values = stored.copy().view(_STORED_FLOAT).astype(np.float32, copy=False)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise _not_finite(where, first_row + row, tuple(values[row].tolist()))
    return values


def _self_person(meta: NDArray[np.uint8], number_of_joints: int, where: str) -> Person:
    (scale,) = _numbers(meta[4, :4], where, 4)
    require(where, scale > 0, "a positive scale in META row 4", f"{scale}")
    joints = _floats(meta, 5, 3, number_of_joints, where)
    objpos = np.array(_numbers(meta[3, :8], where, 3), np.float32)
    return Person(objpos, scale, np.ascontiguousarray(joints.T))


def _other_people(meta: NDArray[np.uint8], count: int, number_of_joints: int, where: str) -> list[Person]:
    if count == 0:
        return []
    first = FIRST_ROW_OF_OTHERS
    objpos = _floats(meta, first, count, 2, where)
    scales = _numbers(meta[first + count, : 4 * count], where, first + count)
    joints = _floats(meta, first + 1 + count, 3 * count, number_of_joints, where)
    joints = np.ascontiguousarray(joints.reshape(count, 3, number_of_joints).transpose(0, 2, 1))
    return [Person(*person) for person in zip(objpos, scales, joints, strict=True)]
