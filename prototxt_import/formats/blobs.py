"""BlobProto to numpy and back (Caffe: Blob::FromProto, Blob::ToProto), without a Python object per float."""

import math

import numpy as np

from prototxt_import.files import InputError

from . import schema

_LEGACY_AXES = ("num", "channels", "height", "width")
_MOST_AXES = 32  # Caffe's kMaxBlobAxes
_RAW_TYPES = ("<f8", "<f4", "<f2", "<i4", "<u4")  # by the number in forks.proto's Type


def _stored(blob: schema.BlobProto) -> tuple[str, str, int]:
    """Which field holds the values, their dtype and number: `double_data` if there is any, as Caffe takes it, else
    `data`, else the `raw_data` of NVIDIA's fork."""
    if blob.double_data:
        return "double_data", "<f8", len(blob.double_data)
    if blob.data or not blob.HasField("raw_data"):
        return "data", "<f4", len(blob.data)
    dtype = _RAW_TYPES[blob.raw_data_type]
    return "raw_data", dtype, len(blob.raw_data) // np.dtype(dtype).itemsize


def blob_shape(blob: schema.BlobProto) -> tuple[int, ...]:
    """The declared shape: `shape`, or the four legacy axes."""
    if blob.HasField("shape"):
        return tuple(blob.shape.dim)
    if any(blob.HasField(axis) for axis in _LEGACY_AXES):
        return tuple(getattr(blob, axis) for axis in _LEGACY_AXES)
    return (_stored(blob)[2],)


def check_blob(blob: schema.BlobProto, where: str) -> None:
    """InputError unless the values fill the declared shape, which has at most 32 axes; `where` names the blob."""
    (_, _, count), shape = _stored(blob), blob_shape(blob)
    if len(shape) > _MOST_AXES:
        raise InputError(f"{where}: expected at most {_MOST_AXES} axes, found {len(shape)}")
    if any(d < 0 for d in shape) or math.prod(shape) != count:
        raise InputError(f"{where}: expected {'x'.join(map(str, shape))} values, found {count}")


def blob_to_array(blob: schema.BlobProto, where: str) -> np.ndarray:
    """float32 array of the declared shape; InputError as from `check_blob`."""
    check_blob(blob, where)
    name, dtype, count = _stored(blob)
    if name == "raw_data":
        raw = blob.raw_data
    else:
        values = schema.BlobProto()
        getattr(values, name).MergeFrom(getattr(blob, name))
        raw = values.SerializeToString()  # one packed field: its last bytes are the little-endian values
    array = np.frombuffer(raw, dtype, count, offset=len(raw) - count * np.dtype(dtype).itemsize)
    with np.errstate(over="ignore"):
        return array.astype(np.float32).reshape(blob_shape(blob))


def diff_to_array(blob: schema.BlobProto, where: str) -> np.ndarray:
    """The `diff` of a blob as a float32 array of the declared shape; InputError as from `check_blob`."""
    as_data = schema.BlobProto(shape=blob.shape)
    as_data.data.MergeFrom(blob.diff)
    return blob_to_array(as_data, f"{where}, diff")


def array_to_blob(array: np.ndarray, diff: np.ndarray | None = None) -> schema.BlobProto:
    """BlobProto with `shape` and float `data`, as Caffe writes it, and `diff` if there is one."""
    blob = schema.BlobProto.FromString(_packed(5, array) + (b"" if diff is None else _packed(6, diff)))
    blob.shape.dim.extend(array.shape)
    blob.shape.SetInParent()  # a scalar blob has an empty shape, which is written all the same
    return blob


def _packed(field: int, array: np.ndarray) -> bytes:
    """The values as a packed field of a message: its key, the length in bytes, little-endian floats."""
    raw = np.ascontiguousarray(array, "<f4").tobytes()
    length, prefix = len(raw), bytes([field << 3 | 2])
    while length > 0x7F:
        prefix += bytes([length & 0x7F | 0x80])
        length >>= 7
    return prefix + bytes([length]) + raw if raw else b""


def fits(shape: tuple[int, ...], wanted: tuple[int, ...], legacy: bool) -> bool:
    """Whether stored weights of `shape` may fill a blob of shape `wanted` (Caffe: Blob::ShapeEquals):
    equal shapes, or for the four legacy axes equal once leading ones are left out."""
    if not legacy:
        return tuple(shape) == tuple(wanted)
    return len(wanted) <= 4 and (1,) * (4 - len(wanted)) + tuple(wanted) == tuple(shape)
