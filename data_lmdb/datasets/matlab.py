"""MATLAB files of the public data sets: variables by name, and structs whose fields may be missing or empty.

A struct array comes as a NumPy array of records; each field holds an array again, down to the numbers. MPII's
annotations leave fields out or empty wherever there was nothing to say, so every access here copes with that.
"""

import io
import math
import os

import numpy as np
import scipy.io
from numpy.typing import NDArray

from prototxt_import.files import InputError, read_bytes

from .matlab_elements import HEADER_BYTES, BrokenMatlab, check_elements, single_elements


def read_variables(path: str | os.PathLike[str], *names: str) -> list[np.ndarray]:
    """The named variables; InputError if the file is no MATLAB file (versions 5 to 7), is broken, or lacks one of
    them."""
    return variables_of(read_bytes(path), path, *names)


def variables_of(content: bytes, path: str | os.PathLike[str], *names: str) -> list[np.ndarray]:
    """As `read_variables`, of a file's bytes, or its header's and one element's; `path` names them in errors."""
    try:
        check_elements(content, names)
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=names)
    except BrokenMatlab as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # scipy raises many kinds, down to zlib's and struct's
        raise InputError(f"{path}: expected a MATLAB file: {type(error).__name__} on reading it") from None
    for name in names:
        if not isinstance(variables.get(name), np.ndarray):
            raise InputError(f"{path}: expected a variable {name}, found no variable of that name")
    return [variables[name] for name in names]


def variable_names(path: str | os.PathLike[str]) -> set[str]:
    """The variables of a MATLAB file; InputError if it is none (versions 5 to 7)."""
    content = read_bytes(path)
    try:
        check_elements(content, ())
        return {name for name, *_ in scipy.io.whosmat(io.BytesIO(content))}
    except BrokenMatlab as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # as above
        raise InputError(f"{path}: expected a MATLAB file: {type(error).__name__} on reading it") from None


def variable_places(path: str | os.PathLike[str]) -> dict[str, range]:
    """Where in the file each of its variables lies, so that each can be read by itself (see `variable_at`); InputErrors
    of `variable_names`."""
    variable_names(path)
    content, places = read_bytes(path), {}
    for place in single_elements(content):
        for name, *_ in scipy.io.whosmat(io.BytesIO(content[:HEADER_BYTES] + content[place.start : place.stop])):
            places[name] = place
    return places


def variable_at(path: str | os.PathLike[str], name: str, place: range) -> np.ndarray:
    """The variable whose bytes lie there; InputErrors of `read_variables`."""
    with open(path, "rb") as file:
        header = file.read(HEADER_BYTES)
        file.seek(place.start)
        (variable,) = variables_of(header + file.read(len(place)), path, name)
    return variable


def fields(struct: np.void) -> tuple[str, ...]:
    """The names of a struct's fields."""
    return struct.dtype.names or ()


def field(struct: np.void, name: str) -> np.ndarray:
    """A field of one struct; an empty array if the struct has no such field."""
    if name not in fields(struct):
        return np.zeros((0, 0))
    value = struct[name]
    return value if isinstance(value, np.ndarray) else np.zeros((0, 0))


def structs(value: np.ndarray) -> list[np.void]:
    """The elements of a struct array; none if `value` is empty or anything else, such as []."""
    return list(value.ravel()) if value.dtype.names else []


def numbers(value: np.ndarray) -> NDArray[np.float64]:
    """The numbers of a numeric or logical array as float64 (n,); none if it is anything else."""
    return value.ravel().astype(np.float64) if value.dtype.kind in "buif" else np.zeros(0)


def number(struct: np.void, name: str) -> float:
    """A field that should be one number, also if it is written as text ('1'); NaN if it is not."""
    value = field(struct, name)
    if value.size != 1:
        return math.nan
    try:
        return float(value.item())
    except (TypeError, ValueError):
        return math.nan


def text(struct: np.void, name: str) -> str:
    """A field that should be a text; empty if it is not."""
    value = field(struct, name)
    return str(value.item()) if value.size == 1 and value.dtype.kind == "U" else ""
