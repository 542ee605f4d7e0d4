"""The JSON between annotations and LMDB, as the CPM release's MATLAB scripts write it: one record per
annotated person.

Its form is jsonlab's: numbers with three decimals, an empty array as an object with `_ArraySize_`, and with
exactly one other person the three `*_other` fields are that person's, not lists of one. Coordinates are
1-based pixels.
"""

import json
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from data_lmdb.joints import PARTS_9, STORED_16
from prototxt_import.files import LARGEST, InputError, replacing

JOINT_COUNTS = (len(STORED_16), len(PARTS_9))  # MPII's, FLIC's
NO_VALUES = '{"_ArrayType_": "double","_ArraySize_": [0,0],"_ArrayData_": null}'  # jsonlab's empty array


@dataclass
class Annotation:
    """One annotated person and the others in the image; 1-based pixels, x right, y down.

    objpos (2,); joint_self (p, 3): x, y, visible, (0, 0, 0) where there is no joint; scale_provided: height
    / 200 px; joint_others (n, p, 3), objpos_other (n, 2), scale_provided_other (n,). All float64.
    """

    dataset: str
    is_validation: bool
    img_paths: str
    img_width: float
    img_height: float
    objpos: NDArray[np.float64]
    joint_self: NDArray[np.float64]
    scale_provided: float
    annolist_index: int
    people_index: int
    joint_others: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 3)))
    scale_provided_other: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    objpos_other: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def number_of_others(self) -> int:
        """The JSON's numOtherPeople."""
        return len(self.scale_provided_other)


def parse_record(record: object, where: str) -> Annotation:
    """The annotation in one record of the JSON, as parsed; `where` names file and record in errors.

    InputError for a missing field, a joint list of the wrong length, a number that is not finite, an image size or
    scale that is not positive.
    """
    return _annotation(_FieldReader(record, where))


def write_json(path: str | os.PathLike[str], annotations: Iterable[Annotation]) -> int:
    """Write {"root": [record, …]} in the original's form; returns the number of records. InputError for
    none."""
    count = 0
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for count, annotation in enumerate(annotations, start=1):
            file.write('{"root": [' if count == 1 else ",")
            file.write(record_text(annotation))
        if not count:
            raise InputError(f"{path}: expected annotated persons to write, found none")
        file.write("]}\n")
    return count


def record_text(annotation: Annotation) -> str:
    """One record as jsonlab writes it."""
    fields: dict[str, _Value] = {
        "dataset": annotation.dataset,
        "isValidation": float(annotation.is_validation),
        "img_paths": annotation.img_paths,
        "img_width": annotation.img_width,
        "img_height": annotation.img_height,
        "objpos": annotation.objpos,
        "joint_self": annotation.joint_self,
        "scale_provided": annotation.scale_provided,
        "joint_others": _unwrapped(annotation.joint_others),
        "scale_provided_other": _unwrapped(annotation.scale_provided_other),
        "objpos_other": _unwrapped(annotation.objpos_other),
        "annolist_index": annotation.annolist_index,
        "people_index": annotation.people_index,
        "numOtherPeople": annotation.number_of_others,
    }
    return "{" + ",".join(f'"{name}": {_value_text(value)}' for name, value in fields.items()) + "}"


def _unwrapped(others: NDArray[np.float64]) -> NDArray[np.float64]:
    """MATLAB has no array of one matrix: a single other person's values stand without the list."""
    return others[0] if len(others) == 1 else others


_Value = str | float | list["_Value"] | NDArray[np.float64]


def _value_text(value: _Value) -> str:
    if isinstance(value, str):
        is_text = not any("\ud800" <= character <= "\udfff" for character in value)  # else a name that is no UTF-8
        return json.dumps(value, ensure_ascii=not is_text)
    if isinstance(value, np.ndarray):
        return _value_text(value.tolist()) if value.size else NO_VALUES
    if isinstance(value, list):
        return "[" + ",".join(map(_value_text, value)) + "]"
    return f"{value:.3f}"


def _annotation(reader: "_FieldReader") -> Annotation:
    joints = reader.array("joint_self", (None, 3))
    reader.check(len(joints) in JOINT_COUNTS, "joint_self", "16 or 9 joints", f"{len(joints)}")
    others = reader.number("numOtherPeople")
    reader.check(0 <= others <= 255 and others == int(others), "numOtherPeople", "a number up to 255", f"{others}")
    others = int(others)
    return Annotation(
        dataset=reader.text("dataset"),
        is_validation=bool(reader.number("isValidation")),
        img_paths=reader.text("img_paths"),
        img_width=reader.positive("img_width"),
        img_height=reader.positive("img_height"),
        objpos=reader.array("objpos", (2,)),
        joint_self=joints,
        scale_provided=reader.positive("scale_provided"),
        annolist_index=int(reader.number("annolist_index")),
        people_index=int(reader.number("people_index")),
        joint_others=reader.others("joint_others", others, joints.shape),
        scale_provided_other=reader.others("scale_provided_other", others, ()),
        objpos_other=reader.others("objpos_other", others, (2,)),
    )


class _FieldReader:
    """Takes typed fields out of one JSON record, naming file, record and field when one is not as it should
    be."""

    def __init__(self, record: object, where: str):
        self.where = where
        if not isinstance(record, dict):
            raise InputError(f"{where}: expected an object with named fields, found {type(record).__name__}")
        self.record = record
        if isinstance(record.get("img_paths"), str):
            self.where += f" ({record['img_paths']})"

    def wrong(self, name: str, expected: str, found: str) -> InputError:
        return InputError(f"{self.where}: {name}: expected {expected}, found {found}")

    def check(self, holds: bool, name: str, expected: str, found: str) -> None:
        if not holds:
            raise self.wrong(name, expected, found)

    def text(self, name: str) -> str:
        value = self.record.get(name)
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "a text", _shown(value))
        return value

    def number(self, name: str) -> float:
        value = self.record.get(name)
        if not _is_number(value):
            raise self.wrong(name, "a finite number", _shown(value))
        self.check(abs(value) <= LARGEST, name, f"a number up to {LARGEST}", _shown(value))
        return float(value)

    def positive(self, name: str) -> float:
        value = self.number(name)
        self.check(value > 0, name, "a positive number", f"{value}")
        return value

    def array(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
        """float64 of `shape`, in which None stands for any length."""
        value = self.record.get(name)
        expected = " x ".join("any" if length is None else str(length) for length in shape) + " numbers"
        array = self._converted(value, name, expected)
        fits = array.ndim == len(shape) and all(
            wanted in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
        )
        self.check(fits, name, expected, " x ".join(map(str, array.shape)) or "one number")
        return self.bounded(array, name)

    def others(self, name: str, count: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """float64 (count, *shape): jsonlab's forms for no and for one other person undone."""
        if count == 0:
            return np.zeros((0, *shape))
        expected = f"the values of {count} other people"
        array = self._converted(self.record.get(name), name, expected)
        if count == 1 and array.shape == shape:
            array = array[None]
        found = " x ".join(map(str, array.shape)) or "one number"
        self.check(array.shape == (count, *shape), name, f"{' x '.join(map(str, (count, *shape)))} numbers", found)
        return self.bounded(array, name)

    def bounded(self, array: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        """The array; InputError for what no photograph can have."""
        self.check(bool(np.isfinite(array).all()), name, "finite numbers", "NaN or infinity")
        self.check(bool((np.abs(array) <= LARGEST).all()), name, f"numbers up to {LARGEST}", "a larger one")
        return array

    def _converted(self, value: object, name: str, expected: str) -> NDArray[np.float64]:
        self.check(isinstance(value, int | float | list), name, expected, _shown(value))
        try:
            array = np.array(value)
            self.check(array.dtype.kind in "iuf" and not _has_flag(value), name, expected, _shown(value))
            return array.astype(np.float64)
        except ValueError:
            raise InputError(f"{self.where}: {name}: expected {expected}, found lists of unequal length") from None


def _is_number(value: object) -> TypeGuard[int | float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def _has_flag(value: object) -> bool:
    """Whether JSON's true or false is in it, which NumPy takes for numbers beside others."""
    return any(map(_has_flag, value)) if isinstance(value, list) else isinstance(value, bool)


def _shown(value: object) -> str:
    text = "nothing" if value is None else json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def image_path(
    annotation: Annotation, folders: Iterable[str | os.PathLike[str]], where: str, outside: bool = False
) -> Path:
    """The annotation's image in the first of `folders` that has it; InputError if none has, and, without `outside`, if
    its name leads out of them: somebody's JSON would choose which file's pixels a record gets."""
    name = os.path.normpath(annotation.img_paths)
    if not outside and (os.path.isabs(name) or name.split(os.sep)[0] == os.pardir):
        raise InputError(
            f"{where}: expected an image in the folders of --images (--allow-outside lifts that), found "
            f"{annotation.img_paths}"
        )
    tried = [Path(folder) / annotation.img_paths for folder in folders]
    for path in tried:
        if os.path.isfile(path):
            return path
    raise InputError(f"{where}: expected an image {' or '.join(map(str, tried))}, found none")
