"""Boxes around people, as another program's detector writes them: who is to be looked at in which picture.

CSV with the columns image, x, y, width, height, a line per person; or JSON, a list of objects with `image` or
`file_name` and COCO's `bbox` [x, y, width, height]. Coordinates are 0-based pixels, x right, y down; (x, y) is the
upper left corner. Other columns and fields are ignored. `image` is a picture's file name, or its path below the
folder that the pictures are searched in.
"""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prototxt_import.files import LARGEST, InputError, as_number, check_file, parse_json

COLUMNS = ("x", "y", "width", "height")


class Box(NamedTuple):
    """A person's box, 0-based pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        """Its middle (x, y)."""
        return self.x + (self.width - 1) / 2, self.y + (self.height - 1) / 2


def read_boxes(path: str | os.PathLike[str]) -> dict[str, list[Box]]:
    """The boxes of each picture, in the file's order; InputError names the line or the object that is wrong."""
    check_file(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: expected a readable file of boxes: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected boxes as CSV or JSON, found bytes that are no text") from None
    read = _json if text.lstrip().startswith(("[", "{")) else _csv
    boxes: dict[str, list[Box]] = {}
    try:
        for image, box in read(text, str(path)):
            boxes.setdefault(image, []).append(box)
    except csv.Error as error:
        raise InputError(f"{path}: expected boxes as CSV: {error}") from None
    return boxes


def _csv(text: str, where: str) -> Iterator[tuple[str, Box]]:
    table = csv.DictReader(io.StringIO(text))
    missing = [column for column in ("image", *COLUMNS) if column not in (table.fieldnames or ())]
    if missing:
        hint = " (semicolons where commas should be)" if ";" in text.partition("\n")[0] else ""
        columns = ", ".join(("image", *COLUMNS))
        raise InputError(f"{where}: line 1: expected the columns {columns}, found no {missing[0]}{hint}")
    for row in table:
        place = f"{where}: line {table.line_num}"
        yield str(row["image"]), _box([row[column] for column in COLUMNS], place)


def _json(text: str, where: str) -> Iterator[tuple[str, Box]]:
    people = parse_json(text, where)
    if not isinstance(people, list):
        raise InputError(f"{where}: expected a list of people, found an object")
    for number, person in enumerate(people):
        place = f"{where}: person {number}"
        image = person.get("image", person.get("file_name")) if isinstance(person, dict) else None
        if not isinstance(image, str):
            raise InputError(f"{place}: expected the picture's name as `image` or `file_name`, found {image!r}")
        yield image, _box(person.get("bbox"), place)


def _box(values: object, where: str) -> Box:
    try:
        x, y, width, height = map(as_number, values if isinstance(values, list) else ())
    except ValueError:
        expected = f"a box of four numbers x, y, width, height, each up to {LARGEST}"
        raise InputError(f"{where}: expected {expected}, found {values!r}") from None
    box = Box(x, y, width, height)
    if not (box.width > 0 and box.height > 0):
        raise InputError(f"{where}: expected a box with width and height above 0, found {box.width:g} x {box.height:g}")
    return box
