"""Own photographs and joints: a plain table, as CSV or JSON, to annotations.

One row (CSV) or object (JSON) per person. **Coordinates are 0-based pixels**, x to the right and y down,
(0, 0) the centre of the top left pixel; the annotations' JSON is 1-based as MATLAB wrote it, so 1 is added
on the way.

CSV: the first line names the columns, in any order::

    image       file name, below the folder of images
    scale       the person's height / 200 px, or instead
    height      the person's height in px, as if standing upright (scale = height / 200)
    center_x    optional: where the person is; otherwise the middle of the joints' bounding box
    center_y
    validation  optional: 1 keeps the person for validation, 0 or nothing for training
    head_x, head_y, head_visible, and so on for the 14 joints of `PARTS_14`

All `_x` and `_y` columns must be there. A joint that is not annotated has empty cells; `_visible` is 1 for
a visible joint, 0 for an occluded one, and taken for 1 where it is empty or left out.

JSON: a list of objects with the same names, where `center` is [x, y], `validation` true or false, and
`joints` an object {"head": [x, y] or [x, y, visible], …} that leaves out joints that are not annotated, or
a list of 14 of these in the order of `PARTS_14`, null for a joint that is not annotated.

Persons with the same image become one another's "others". MPII's pelvis and thorax are the middle of the
hips and of the shoulders, where both are annotated.
"""

import csv
import io
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.images import image_size
from data_lmdb.joints import PARTS_14, STORED_16, TRUNK
from prototxt_import.files import InputError, as_number, naming, other_kind, parse_json, read_bytes

from .marked_people import (
    MOST_OTHERS,
    PIXELS_PER_SCALE,
    MarkedPerson,
    Skipped,
    annotations_of,
    middle_of,
    with_middles,
)

DATASET = "OWN"
FIELDS = {"image", "scale", "height", "center", "validation", "joints"}
OPTIONAL_COLUMNS = {"scale", "height", "center_x", "center_y", "validation"}
COORDINATE_COLUMNS = {f"{name}_{axis}" for name in PARTS_14 for axis in "xy"}
VISIBLE_COLUMNS = {f"{name}_visible" for name in PARTS_14}

_Joint = tuple[float, float, float]


@dataclass
class _OwnPerson:
    """One row of the table: 0-based coordinates; joints maps a name to (x, y, visible)."""

    where: str
    image: str
    scale: float
    center: tuple[float, float] | None
    is_validation: bool
    joints: dict[str, _Joint]


def own_annotations(path: str | os.PathLike[str], images: str | os.PathLike[str]) -> list[Annotation]:
    """Annotations of the persons in `path` (.csv or .json), in its order; `images` is the folder of
    photographs.

    InputError, naming file and line or record, for a missing image, a joint list of the wrong length,
    something that is not a number, more than 256 persons in one image, or no person at all.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: expected a file ending in .csv or .json, found {path.suffix or 'no ending'}")
    people = readers[path.suffix.lower()](path)
    if not people:
        raise InputError(f"{path}: expected at least one person, found none")
    sizes = _sizes(people, Path(images))
    image_numbers = {name: number for number, name in enumerate(sizes, start=1)}
    people_so_far: Counter[str] = Counter()
    marked = []
    for person in people:
        people_so_far[person.image] += 1
        marked.append(_marked(person, image_numbers[person.image], people_so_far[person.image]))
    return annotations_of(marked, sizes, DATASET, path, Skipped())


def _sizes(people: list[_OwnPerson], folder: Path) -> dict[str, tuple[int, int]]:
    """(width, height) by image, in the order in which the table first names them."""
    sizes: dict[str, tuple[int, int]] = {}
    for person in people:
        with naming(person.where):
            sizes[person.image] = sizes.get(person.image) or image_size(folder / person.image)
    return sizes


def _marked(person: _OwnPerson, image_number: int, people_index: int) -> MarkedPerson:
    if people_index - 1 > MOST_OTHERS:
        raise InputError(f"{person.where}: expected at most {MOST_OTHERS + 1} persons in one image, found another")
    return MarkedPerson(
        image=person.image,
        joints=_stored_joints(person),
        objpos=np.array(middle_of(person.joints.values()) if person.center is None else person.center) + 1,
        scale=person.scale,
        annolist_index=image_number,
        people_index=people_index,
        is_validation=person.is_validation,
    )


def _stored_joints(person: _OwnPerson) -> NDArray[np.float64]:
    """(16, 3) in MPII's order, 1-based, (0, 0, 0) where there is no joint."""
    known = with_middles(person.joints, TRUNK)
    stored = np.zeros((len(STORED_16), 3))
    for row, name in enumerate(STORED_16):
        if name in known:
            stored[row] = np.array(known[name]) + (1, 1, 0)
    return stored


def _read_csv(path: Path) -> list[_OwnPerson]:
    try:
        content = read_bytes(path)
        if found := other_kind(content):
            raise InputError(f"{path}: expected a CSV table in UTF-8, found {found}")
        text = content.decode("utf-8-sig")  # Excel writes a byte order mark
        rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        columns = next(rows, [])
        _check_columns(columns, path)
        return [_person_of_row(row, columns, f"{path}: line {rows.line_num}") for row in rows if any(row)]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected a CSV table in UTF-8: {error}") from None


def _check_columns(columns: list[str], path: Path) -> None:
    where = f"{path}: line 1"
    missing = ({"image"} | COORDINATE_COLUMNS) - set(columns)
    unknown = set(columns) - {"image"} - OPTIONAL_COLUMNS - COORDINATE_COLUMNS - VISIBLE_COLUMNS
    if missing:
        semicolons = any(";" in column for column in columns)
        more = "semicolons where commas should be" if semicolons else f"{len(missing)} columns are missing"
        raise InputError(f"{where}: expected a column {min(missing)}, found none ({more})")
    if unknown:
        raise InputError(f"{where}: expected the columns of the own-data format, found {min(unknown)!r}")
    if len(set(columns)) != len(columns):
        raise InputError(f"{where}: expected each column once, found one twice")


def _person_of_row(row: list[str], columns: list[str], where: str) -> _OwnPerson:
    if len(row) != len(columns):
        raise InputError(f"{where}: expected {len(columns)} cells, found {len(row)}")
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True) if cell.strip()}

    def number(name: str) -> float | None:
        return _number(cells[name], where, name) if name in cells else None

    joints = {}
    for name in PARTS_14:
        x, y, visible = number(f"{name}_x"), number(f"{name}_y"), number(f"{name}_visible")
        if (x is None) != (y is None):
            raise InputError(f"{where}: {name}: expected both x and y or neither, found one of them")
        if x is not None and y is not None:
            joints[name] = (x, y, _flag(1.0 if visible is None else visible, where, f"{name}_visible"))
    center_x, center_y = number("center_x"), number("center_y")
    if (center_x is None) != (center_y is None):
        raise InputError(f"{where}: expected both center_x and center_y or neither, found one of them")
    return _OwnPerson(
        where=where,
        image=_image_name(cells.get("image"), where),
        scale=_scale(number("scale"), number("height"), where),
        center=None if center_x is None or center_y is None else (center_x, center_y),
        is_validation=bool(_flag(number("validation") or 0.0, where, "validation")),
        joints=_some_joints(joints, where),
    )


def _read_json(path: Path) -> list[_OwnPerson]:
    people = parse_json(read_bytes(path), path)
    if not isinstance(people, list):
        raise InputError(f"{path}: expected a list of persons, found {type(people).__name__}")
    return [_person_of_object(person, f"{path}: record {index}") for index, person in enumerate(people)]


def _person_of_object(person: object, where: str) -> _OwnPerson:
    if not isinstance(person, dict):
        raise InputError(f"{where}: expected an object with named fields, found {type(person).__name__}")
    unknown = set(person) - FIELDS
    if unknown:
        raise InputError(f"{where}: expected the fields of the own-data format, found {min(unknown)!r}")
    scale, height = (
        None if person.get(name) is None else _number(person[name], where, name) for name in ("scale", "height")
    )
    validation = person.get("validation", False)
    if not isinstance(validation, bool):
        raise InputError(f"{where}: validation: expected true or false, found {json.dumps(validation)}")
    return _OwnPerson(
        where=where,
        image=_image_name(person.get("image"), where),
        scale=_scale(scale, height, where),
        center=_center(person.get("center"), where),
        is_validation=validation,
        joints=_some_joints(_joints_of_json(person.get("joints"), where), where),
    )


def _joints_of_json(joints: object, where: str) -> dict[str, _Joint]:
    if isinstance(joints, list):
        if len(joints) != len(PARTS_14):
            raise InputError(f"{where}: joints: expected {len(PARTS_14)} joints, found {len(joints)}")
        joints = dict(zip(PARTS_14, joints, strict=True))
    if not isinstance(joints, dict):
        raise InputError(f"{where}: joints: expected an object or a list of {len(PARTS_14)}, found neither")
    unknown = sorted(set(joints) - set(PARTS_14))
    if unknown:
        raise InputError(f"{where}: joints: expected names such as {PARTS_14[0]}, found {unknown[0]!r}")
    known = {}
    for name, value in joints.items():
        if value is not None:
            x, y, *visible = _numbers(value, (2, 3), where, name)
            known[name] = (x, y, _flag(visible[0] if visible else 1.0, where, f"{name}, visible"))
    return known


def _some_joints(joints: dict[str, _Joint], where: str) -> dict[str, _Joint]:
    if not joints:
        raise InputError(f"{where}: expected at least one joint, found none")
    return joints


def _image_name(name: object, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: image: expected a file name, found {name!r}")
    return name


def _scale(scale: float | None, height: float | None, where: str) -> float:
    if scale is not None and height is None:
        given, value = scale, scale
    elif height is not None and scale is None:
        given, value = height, height / PIXELS_PER_SCALE
    else:
        raise InputError(f"{where}: expected either scale or height, found {'neither' if scale is None else 'both'}")
    if value <= 0:
        raise InputError(f"{where}: expected a positive scale or height, found {given}")
    return value


def _center(value: object, where: str) -> tuple[float, float] | None:
    if value is None:
        return None
    x, y = _numbers(value, (2,), where, "center")
    return x, y


def _numbers(values: object, lengths: tuple[int, ...], where: str, name: str) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) not in lengths:
        expected = " or ".join(map(str, lengths))
        raise InputError(f"{where}: {name}: expected {expected} numbers, found {json.dumps(values)[:40]}")
    return tuple(_number(value, where, name) for value in values)


def _number(value: object, where: str, name: str) -> float:
    with naming(f"{where}: {name}", ValueError):
        return as_number(value)


def _flag(value: float, where: str, name: str) -> float:
    if value not in (0, 1):
        raise InputError(f"{where}: {name}: expected 0 or 1, found {value:g}")
    return value
