"""BlobProto to numpy and back (Caffe: Blob::FromProto, Blob::ToProto), without a Python object per float."""

import math

import numpy as np

from prototxt_import.files import InputError

from . import schema

_LEGACY_AXES = ("num", "channels", "height", "width")
_MOST_AXES = 32  # Caffe's kMaxBlobAxes


def blob_shape(blob: "schema.BlobProto") -> tuple[int, ...]:
    """The declared shape: `shape`, or the four legacy axes."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    if any(blob.HasField(axis) for axis in _LEGACY_AXES):
        return tuple(getattr(blob, axis) for axis in _LEGACY_AXES)
    return (len(blob.data) or len(blob.double_data),)


def check_blob(blob: "schema.BlobProto", where: str) -> None:
    """InputError unless the values fill the declared shape, which has at most 32 axes; `where` names the blob."""
    count, shape = len(blob.data) or len(blob.double_data), blob_shape(blob)
    if len(shape) > _MOST_AXES:
        raise InputError(f"{where}: expected at most {_MOST_AXES} axes, found {len(shape)}")
    if any(d < 0 for d in shape) or math.prod(shape) != count:
        raise InputError(f"{where}: expected {'x'.join(map(str, shape))} values, found {count}")


def blob_to_array(blob: "schema.BlobProto", where: str) -> np.ndarray:
    """float32 array of the declared shape; InputError as from `check_blob`."""
    check_blob(blob, where)
    double = bool(blob.double_data) and not blob.data
    count = len(blob.double_data if double else blob.data)
    values = schema.BlobProto()
    name = "double_data" if double else "data"
    getattr(values, name).MergeFrom(getattr(blob, name))
    raw = values.SerializeToString()  # one packed field: its last bytes are the little-endian values
    item = "<f8" if double else "<f4"
    array = np.frombuffer(raw, item, count, offset=len(raw) - count * np.dtype(item).itemsize)
    with np.errstate(over="ignore"):
        return array.astype(np.float32).reshape(blob_shape(blob))


def array_to_blob(array: np.ndarray) -> "schema.BlobProto":
    """BlobProto with `shape` and float `data`, as Caffe writes it."""
    raw = np.ascontiguousarray(array, "<f4").tobytes()
    length, prefix = len(raw), b"\x2a"  # field 5 (data), length-delimited
    while length > 0x7F:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    blob = schema.BlobProto.FromString(prefix + bytes([length]) + raw if raw else b"")
    blob.shape.dim.extend(array.shape)
    blob.shape.SetInParent()  # a scalar blob has an empty shape, which is written all the same
    return blob


def fits(shape: tuple[int, ...], wanted: tuple[int, ...], legacy: bool) -> bool:
    """Whether stored weights of `shape` may fill a blob of shape `wanted` (Caffe: Blob::ShapeEquals):
    equal shapes, or for the four legacy axes equal once leading ones are left out."""
    if not legacy:
        return tuple(shape) == tuple(wanted)
    return len(wanted) <= 4 and (1,) * (4 - len(wanted)) + tuple(wanted) == tuple(shape)
