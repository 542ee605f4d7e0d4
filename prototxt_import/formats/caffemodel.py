"""Reads and writes weights: `.caffemodel` (V2, V1, legacy blob shapes) and `.caffemodel.h5`.

Weights stay a NetParameter, so that what this project does not know (unknown fields) survives a round trip.
"""

import os
from pathlib import Path

import h5py
import numpy as np
from google.protobuf.message import DecodeError

from prototxt_import.files import InputError, read_bytes, replacing

from . import schema
from .blobs import array_to_blob, blob_to_array, check_blob
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
    upgrade_net(net, str(path), weights=True)
    if not any(layer.blobs for layer in net.layer):
        raise InputError(f"{path}: expected a .caffemodel, found no layer with weights")
    for layer in net.layer:
        for index, blob in enumerate(layer.blobs):
            check_blob(blob, f"{path}: layer '{layer.name}', blob {index}")
    return net


def write_caffemodel(path: str | os.PathLike, net: "schema.NetParameter") -> None:
    """The weights as a binary NetParameter that Caffe reads."""
    with replacing(path) as temporary:
        temporary.write_bytes(net.SerializeToString())


def write_hdf5(path: str | os.PathLike, net: "schema.NetParameter") -> None:
    """The weights as `/data/<layer>/<i>`, as Caffe writes and reads them (Net::ToHDF5).

    Names with slashes become groups in groups, as in Caffe; InputError where they and a blob's number are one place.
    """
    _check_hdf5_names(path, net)
    # In memory first: the library ends the process where the disk is full when it closes a file.
    with h5py.File(str(path), "w", driver="core", backing_store=False) as file:
        data = file.create_group("data")
        for layer in net.layer:
            if not all(layer.name.split("/")):
                continue  # it has no blobs
            group = data.require_group(layer.name)
            for index, blob in enumerate(layer.blobs):
                group[str(index)] = blob_to_array(blob, f"layer '{layer.name}', blob {index}")
        file.flush()
        content = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _check_hdf5_names(path: str | os.PathLike, net: "schema.NetParameter") -> None:
    blobs = {f"{layer.name}/{index}" for layer in net.layer for index in range(len(layer.blobs))}
    for layer in net.layer:
        parts = layer.name.split("/")
        taken = [place for n in range(1, len(parts) + 1) if (place := "/".join(parts[:n])) in blobs]
        if taken or (layer.blobs and not all(parts)):
            found = f"'{taken[0]}', which is a blob" if taken else "an empty part"
            raise InputError(f"{path}: layer '{layer.name}': expected a name that HDF5 can hold, found {found}")


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
    try:
        with h5py.File(path, "r") as file:
            inside = isinstance(file.get("data", getlink=True), h5py.HardLink)  # links to other files are not followed
            if not (inside and isinstance(file["data"], h5py.Group)):
                raise InputError(f"{path}: expected the group /data in this file, found {sorted(file)}")
            return _Hdf5Weights(path).of(file["data"])
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # what h5py raises for broken files
        raise InputError(f"{path}: expected an HDF5 file, found one that cannot be read ({error})") from None


class _Hdf5Weights:
    """`/data/<layer>/<i>` as layers with blobs; Caffe escapes nothing, so a layer name may hold slashes.

    The values have to lie in the file, every group and dataset once: what it declares cannot take more memory than
    four times its size.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._path, self._size = path, Path(path).stat().st_size
        self._left = 4 * self._size  # bytes of values that it may still declare
        self._seen: set[int] = set()
        self._net = schema.NetParameter()

    def of(self, data: h5py.Group) -> "schema.NetParameter":
        self._collect(data, "")
        return self._net

    def _collect(self, group: h5py.Group, prefix: str) -> None:
        hard = [name for name in group if isinstance(group.get(name, getlink=True), h5py.HardLink)]
        members = {name: self._once(group[name]) for name in hard}
        datasets = {int(n): m for n, m in members.items() if isinstance(m, h5py.Dataset) and n.isdecimal()}
        if datasets:
            layer = self._net.layer.add(name=prefix)
            layer.blobs.extend(array_to_blob(self._values(datasets[index])) for index in sorted(datasets))
        for name, member in members.items():
            if isinstance(member, h5py.Group):
                self._collect(member, f"{prefix}/{name}" if prefix else name)

    def _once(self, member: h5py.HLObject) -> h5py.HLObject:
        address = h5py.h5o.get_info(member.id).addr
        if address in self._seen:
            raise InputError(f"{self._path}: {member.name}: expected a tree of groups, found this in it twice")
        self._seen.add(address)
        return member

    def _values(self, dataset: h5py.Dataset) -> np.ndarray:
        elsewhere = dataset.external is not None or dataset.is_virtual
        empty = dataset.shape is None  # HDF5's null dataspace
        if dataset.dtype.kind != "f" or empty or elsewhere or dataset.nbytes > self._left:
            raise InputError(
                f"{self._path}: {dataset.name}: expected float values that the file's {self._size} bytes can hold, "
                f"found {dataset.dtype} of shape {dataset.shape}{' in other files' if elsewhere else ''}"
            )
        self._left -= dataset.nbytes
        with np.errstate(over="ignore"):
            return dataset[()].astype(np.float32)
