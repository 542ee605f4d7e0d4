"""One record of the CPM release's LMDB: a Caffe `Datum` of four planes, B, G, R and META.

META is an image plane used as a table: row r starts at byte r·width, floats are little-endian float32::

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

Values are kept exactly as stored: 1-based coordinates, visibility as written. The rules that turn them into
what the network sees belong to the transformer.
"""

from dataclasses import dataclass, field

import numpy as np
from google.protobuf.message import DecodeError

from prototxt_import import schema
from prototxt_import.files import InputError

CHANNELS = 4
MINIMUM_WIDTH = 64  # the converter pads narrower images, so that 16 joints (64 bytes) fit in a row
FIRST_ROW_OF_OTHERS = 8
COUNTS_BYTES = 15  # row 2: three bytes and three floats, unaligned


@dataclass
class Person:
    """One annotated person, in 1-based pixels.

    objpos: float32 (2,), x and y; scale_provided: height / 200 px; joints: float32 (n, 3), x, y, visible.
    """

    objpos: np.ndarray
    scale_provided: float
    joints: np.ndarray


@dataclass
class Record:
    """One image with its primary person and the others in it.

    image: uint8 (H, W, 3), BGR, with the padding that the converter gave it; img_width and img_height (px)
    are the original image's. write_count is the record's place in the LMDB, total_write_count the number of
    records.
    """

    dataset: str
    is_validation: bool
    image: np.ndarray
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
    height, width = record.image.shape[:2]
    where = f"{record.dataset} record {record.write_count:.0f}"
    _check_room(record, where)
    meta = np.zeros((height, width), np.uint8)
    name = record.dataset.encode("ascii")
    meta[0, : len(name)] = np.frombuffer(name, np.uint8)
    meta[2, :3] = [record.is_validation, len(record.others), record.people_index]
    indices = [record.annolist_index, record.write_count, record.total_write_count]
    meta[2, 3:COUNTS_BYTES] = _float_bytes(indices, where)
    for row, values in _float_rows(record):
        stored = _float_bytes(values, where)
        meta[row, : stored.size] = stored
    planes = np.concatenate([record.image.transpose(2, 0, 1), meta[None]])
    datum = schema.Datum(channels=CHANNELS, height=height, width=width, data=planes.tobytes(), label=0)
    return datum.SerializeToString()


def decode(value: bytes, number_of_joints: int, where: str) -> Record:
    """The record in `value`, a serialized `Datum`; `where` names LMDB and key in errors.

    InputError if it is not a Datum of 4 uint8 planes, if META's rows run over the image, or if a number is
    not finite.
    """
    planes = _planes(value, where)
    meta = planes[3]
    is_validation, count, people_index = _counts(meta, number_of_joints, where)
    img_height, img_width = _floats(meta, 1, 2, where)
    _require(min(img_height, img_width) > 0, where, "a positive image size", f"{img_width} x {img_height}")
    annolist_index, write_count, total = _as_float32(meta[2, 3:COUNTS_BYTES], where, 2)
    return Record(
        dataset=_name(meta[0], where),
        is_validation=bool(is_validation),
        image=np.ascontiguousarray(planes[:3].transpose(1, 2, 0)),
        img_width=float(img_width),
        img_height=float(img_height),
        self_person=_self_person(meta, number_of_joints, where),
        others=_other_people(meta, count, number_of_joints, where),
        people_index=people_index,
        annolist_index=float(annolist_index),
        write_count=float(write_count),
        total_write_count=float(total),
    )


def pad_to_minimum_width(image: np.ndarray) -> np.ndarray:
    """`image` (H, W, 3) with grey (128) on its right up to the width of 64 that META's rows need."""
    missing = max(MINIMUM_WIDTH - image.shape[1], 0)
    return np.pad(image, ((0, 0), (0, missing), (0, 0)), constant_values=128)


def _require(holds: bool, where: str, expected: str, found: str) -> None:
    if not holds:
        raise InputError(f"{where}: expected {expected}, found {found}")


def _rows_needed(count: int) -> int:
    """Rows of META for `count` other people: an objpos and three joint rows each, and one row of scales."""
    return FIRST_ROW_OF_OTHERS + (1 + 4 * count if count else 0)


def _check_room(record: Record, where: str) -> None:
    image = record.image
    _require(
        image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3,
        where,
        "a uint8 image (H, W, 3)",
        f"{image.dtype} {image.shape}",
    )
    height, width = image.shape[:2]
    count = len(record.others)
    _require(record.dataset.isascii(), where, "an ASCII data set name", repr(record.dataset))
    _require("\0" not in record.dataset, where, "a data set name without NUL", repr(record.dataset))
    joints = len(record.self_person.joints)
    for person in record.others:
        _require(len(person.joints) == joints, where, f"{joints} joints per person", f"{len(person.joints)}")
    _require(count <= 255, where, "at most 255 other people", f"{count}")
    _require(0 <= record.people_index <= 255, where, "a people_index of 0 to 255", f"{record.people_index}")
    bytes_needed = max(len(record.dataset) + 1, COUNTS_BYTES, 4 * joints, 4 * count)
    _require(
        bytes_needed <= width,
        where,
        f"an image at least {bytes_needed} px wide for {joints} joints and {count} other people",
        f"{width} px",
    )
    rows = _rows_needed(count)
    _require(rows <= height, where, f"an image at least {rows} px high for {count} other people", f"{height} px")


def _float_rows(record: Record) -> list[tuple[int, np.ndarray]]:
    """(row, values) of every META row that holds nothing but floats."""
    first = FIRST_ROW_OF_OTHERS
    count = len(record.others)
    rows = [(1, [record.img_height, record.img_width])]
    rows += [(3, record.self_person.objpos), (4, [record.self_person.scale_provided])]
    rows += [(5 + axis, record.self_person.joints[:, axis]) for axis in range(3)]
    rows += [(first + p, person.objpos) for p, person in enumerate(record.others)]
    if count:
        rows.append((first + count, [person.scale_provided for person in record.others]))
    for p, person in enumerate(record.others):
        top = first + 1 + count + 3 * p
        rows += [(top + axis, person.joints[:, axis]) for axis in range(3)]
    return rows


def _float_bytes(values: np.ndarray | list, where: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        stored = np.asarray(values).astype("<f4")
    _require(bool(np.isfinite(stored).all()), where, "finite numbers", f"{np.asarray(values).tolist()}")
    return stored.view(np.uint8)


def _planes(value: bytes, where: str) -> np.ndarray:
    """uint8 (4, H, W): the Datum's data, after its sizes were checked against the bytes that are there."""
    try:
        datum = schema.Datum.FromString(value)
    except DecodeError:
        raise InputError(f"{where}: expected a serialized Datum, found {len(value)} bytes of something else") from None
    _require(not datum.encoded, where, "raw planes", "an encoded image")
    channels, height, width = datum.channels, datum.height, datum.width
    _require(channels == CHANNELS, where, f"a Datum of {CHANNELS} channels", f"{channels}")
    _require(height > 0 and width > 0, where, "a positive height and width", f"{height} x {width}")
    _require(
        len(datum.data) == channels * height * width,
        where,
        f"{channels} x {height} x {width} = {channels * height * width} bytes of data",
        f"{len(datum.data)}",
    )
    return np.frombuffer(datum.data, np.uint8).reshape(channels, height, width)


def _counts(meta: np.ndarray, number_of_joints: int, where: str) -> tuple[int, int, int]:
    """isValidation, number of other people and people index, after the plane was found large enough for them."""
    height, width = meta.shape
    _require(height >= FIRST_ROW_OF_OTHERS, where, f"at least {FIRST_ROW_OF_OTHERS} rows", f"{height}")
    needed = max(COUNTS_BYTES, 4 * number_of_joints)
    _require(width >= needed, where, f"rows of at least {needed} bytes for {number_of_joints} joints", f"{width}")
    counts = tuple(int(byte) for byte in meta[2, :3])
    count = counts[1]
    last_row = _rows_needed(count)
    _require(last_row <= height, where, f"{last_row} rows for {count} other people", f"{height} rows")
    _require(4 * count <= width, where, f"rows of {4 * count} bytes for {count} other people", f"{width} bytes")
    return counts


def _name(row: np.ndarray, where: str) -> str:
    name = row.tobytes().split(b"\0", 1)[0]
    _require(name.isascii(), where, "an ASCII data set name in META row 0", repr(name[:20]))
    return name.decode("ascii")


def _as_float32(stored: np.ndarray, where: str, row: int) -> np.ndarray:
    values = np.frombuffer(stored.tobytes(), "<f4").astype(np.float32)
    _require(bool(np.isfinite(values).all()), where, f"finite numbers in META row {row}", f"{values.tolist()}")
    return values


def _floats(meta: np.ndarray, row: int, count: int, where: str) -> np.ndarray:
    return _as_float32(meta[row, : 4 * count], where, row)


def _joints(meta: np.ndarray, row: int, number_of_joints: int, where: str) -> np.ndarray:
    columns = [_floats(meta, row + axis, number_of_joints, where) for axis in range(3)]
    return np.stack(columns, axis=1)


def _self_person(meta: np.ndarray, number_of_joints: int, where: str) -> Person:
    scale = float(_floats(meta, 4, 1, where)[0])
    _require(scale > 0, where, "a positive scale in META row 4", f"{scale}")
    return Person(_floats(meta, 3, 2, where), scale, _joints(meta, 5, number_of_joints, where))


def _other_people(meta: np.ndarray, count: int, number_of_joints: int, where: str) -> list[Person]:
    if count == 0:
        return []
    first = FIRST_ROW_OF_OTHERS
    scales = _floats(meta, first + count, count, where)
    joints_row = first + 1 + count
    return [
        Person(
            _floats(meta, first + p, 2, where),
            float(scales[p]),
            _joints(meta, joints_row + 3 * p, number_of_joints, where),
        )
        for p in range(count)
    ]
