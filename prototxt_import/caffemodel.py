"""Reads and writes weights: `.caffemodel` (V2, V1, legacy blob shapes) and `.caffemodel.h5`.

Weights stay a NetParameter, so that what this project does not know (unknown fields) survives a round trip.
"""

import os
from pathlib import Path

import h5py
import numpy as np
from google.protobuf.message import DecodeError

from . import schema
from .blobs import array_to_blob, blob_to_array
from .files import InputError, read_bytes, replacing
from .upgrade import upgrade_net

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_caffemodel(path: str | os.PathLike) -> "schema.NetParameter":
    """The weights in a `.caffemodel` or `.caffemodel.h5` as a V2 NetParameter (`layer[].blobs`).

    Raises InputError for a file that is truncated, is no caffemodel, or declares shapes its values do not fill.
    """
    content = read_bytes(path)
    net = _read_hdf5(path) if content.startswith(_HDF5_MAGIC) else parse_message(content, "NetParameter", path)
    for index, layer in enumerate([*net.layer, *net.layers]):
        if isinstance(layer.name, bytes):  # as protobuf gives a string that is not UTF-8
            raise InputError(f"{path}: layer {index}: expected a name in UTF-8, found {layer.name[:40]!r}")
    upgrade_net(net, str(path))
    if not any(layer.blobs for layer in net.layer):
        raise InputError(f"{path}: expected a .caffemodel, found no layer with weights")
    for layer in net.layer:
        for index, blob in enumerate(layer.blobs):
            blob_to_array(blob, f"{path}: layer '{layer.name}', blob {index}")
    return net


def write_caffemodel(path: str | os.PathLike, net: "schema.NetParameter") -> None:
    """The weights as a binary NetParameter that Caffe reads."""
    with replacing(path) as temporary:
        temporary.write_bytes(net.SerializeToString())


def write_hdf5(path: str | os.PathLike, net: "schema.NetParameter") -> None:
    """The weights as `/data/<layer>/<i>`, as Caffe writes and reads them (Net::ToHDF5)."""
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        data = file.create_group("data")
        for layer in net.layer:
            group = data.require_group(layer.name)
            for index, blob in enumerate(layer.blobs):
                group[str(index)] = blob_to_array(blob, f"layer '{layer.name}', blob {index}")


def read_solverstate(path: str | os.PathLike) -> "schema.SolverState":
    """A `.solverstate`: iter, learned_net, history (one blob per learnable parameter), current_step."""
    state = parse_message(read_bytes(path), "SolverState", path)
    if not state.HasField("iter") or state.iter < 0:
        raise InputError(f"{path}: expected a .solverstate, found no iteration number in it")
    if isinstance(state.learned_net, bytes):  # as protobuf gives a string that is not UTF-8
        raise InputError(f"{path}: expected learned_net in UTF-8, found {state.learned_net[:40]!r}")
    return state


def write_solverstate(path: str | os.PathLike, state: "schema.SolverState") -> None:
    """The solver state as Caffe writes it (SGDSolver::SnapshotSolverStateToBinaryProto)."""
    with replacing(path) as temporary:
        temporary.write_bytes(state.SerializeToString())


def parse_message(content: bytes, message: str, path: str | os.PathLike) -> "schema.NetParameter":
    """A binary protobuf message of schema class `message`; InputError if the bytes are not one."""
    try:
        return getattr(schema, message).FromString(content)
    except DecodeError:
        raise InputError(
            f"{path}: expected a binary {message} message, found {len(content)} bytes that end too early or are not one"
        ) from None


def _read_hdf5(path: str | os.PathLike) -> "schema.NetParameter":
    """`/data/<layer>/<i>` as layers with blobs; Caffe escapes nothing, so a layer name may hold slashes."""
    net = schema.NetParameter()
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("data"), h5py.Group):
                raise InputError(f"{path}: expected the group /data, found {sorted(file)}")
            _collect(file["data"], "", net, path)
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # what h5py raises for broken files
        raise InputError(f"{path}: expected an HDF5 file, found one that cannot be read ({error})") from None
    return net


def _collect(group: h5py.Group, prefix: str, net: "schema.NetParameter", path: str | os.PathLike) -> None:
    hard = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
    datasets = sorted((n for n in hard if isinstance(group[n], h5py.Dataset) and n.isdigit()), key=int)
    if datasets:
        layer = net.layer.add(name=prefix)
        layer.blobs.extend(array_to_blob(_read_dataset(group[name], path)) for name in datasets)
    for name in hard:
        if isinstance(group[name], h5py.Group):
            _collect(group[name], f"{prefix}/{name}" if prefix else name, net, path)


def _read_dataset(dataset: h5py.Dataset, path: str | os.PathLike) -> np.ndarray:
    size = Path(path).stat().st_size
    if dataset.dtype.kind != "f" or dataset.nbytes > 4 * size:
        raise InputError(
            f"{path}: {dataset.name}: expected float values that the file's {size} bytes can hold, "
            f"found {dataset.dtype} of shape {dataset.shape}"
        )
    return dataset[()].astype(np.float32)
