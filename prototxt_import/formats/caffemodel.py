"""Reads and writes weights: `.caffemodel` (V2, V1, legacy blob shapes) and `.caffemodel.h5`.

Weights stay a NetParameter, so that what this project does not know (unknown fields) survives a round trip.
"""

import os

import h5py
import numpy as np

from prototxt_import.files import InputError, other_kind, read_bytes, replacing

from . import schema
from .blobs import array_to_blob, blob_to_array, check_blob, diff_to_array
from .hdf5 import MAGIC, Hdf5Reader, reading_hdf5, writing_hdf5
from .messages import parse_message
from .solverstate import refuse_solverstate
from .upgrade import upgrade_net

_MOST_SLASHES = 100  # in a layer's name


def read_caffemodel(path: str | os.PathLike[str]) -> schema.NetParameter:
    """The weights in a `.caffemodel` or `.caffemodel.h5` as a V2 NetParameter (`layer[].blobs`).

    Raises InputError for a file that is truncated, is no caffemodel, or declares shapes its values do not fill.
    """
    refuse_solverstate(path)
    content = read_bytes(path)
    net = _read_hdf5(path) if content.startswith(MAGIC) else parse_message(content, schema.NetParameter, path)
    for index, name in enumerate([layer.name for layer in net.layer] + [layer.name for layer in net.layers]):
        if isinstance(name, bytes):  # as protobuf gives a string that is not UTF-8
            raise InputError(f"{path}: layer {index}: expected a name in UTF-8, found {name[:40]!r}")
    upgrade_net(net, str(path), weights=True)
    if not any(layer.blobs for layer in net.layer):
        raise InputError(f"{path}: expected a .caffemodel, found {other_kind(content) or 'no layer with weights'}")
    for layer in net.layer:
        for index, blob in enumerate(layer.blobs):
            check_blob(blob, f"{path}: layer '{layer.name}', blob {index}")
    return net


def write_caffemodel(path: str | os.PathLike[str], net: schema.NetParameter) -> None:
    """The weights as a binary NetParameter that Caffe reads."""
    with replacing(path) as temporary:
        temporary.write_bytes(net.SerializeToString())


def write_hdf5(path: str | os.PathLike[str], net: schema.NetParameter) -> None:
    """The weights as `/data/<layer>/<i>`, as Caffe writes and reads them (Net::ToHDF5), and what blobs hold as diff as
    `/diff/<layer>/<i>`.

    Names with slashes become groups in groups, as in Caffe; InputError where they and a blob's number are one place.
    """
    _check_hdf5_names(path, net)
    kinds = ("data", "diff") if any(blob.diff for layer in net.layer for blob in layer.blobs) else ("data",)
    with writing_hdf5(path) as file:
        for kind in kinds:
            _write_blobs(file.create_group(kind), net, kind)


def _write_blobs(groups: h5py.Group, net: schema.NetParameter, kind: str) -> None:
    for layer in net.layer:
        if not all(layer.name.split("/")):
            continue  # it has no blobs
        group = groups.require_group(layer.name)
        for index, blob in enumerate(layer.blobs):
            where = f"layer '{layer.name}', blob {index}"
            group[str(index)] = blob_to_array(blob, where) if kind == "data" else diff_to_array(blob, where)


def _check_hdf5_names(path: str | os.PathLike[str], net: schema.NetParameter) -> None:
    names = [layer.name for layer in net.layer if layer.blobs]
    if several := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}: layer '{several}': expected one layer of a name that HDF5 can hold, found several")
    blobs = {f"{layer.name}/{index}" for layer in net.layer for index in range(len(layer.blobs))}
    for layer in net.layer:
        parts = layer.name.split("/")
        taken = [place for n in range(1, len(parts) + 1) if (place := "/".join(parts[:n])) in blobs]
        if taken or (layer.blobs and not all(parts)):
            found = f"'{taken[0]}', which is a blob" if taken else "an empty part"
            raise InputError(f"{path}: layer '{layer.name}': expected a name that HDF5 can hold, found {found}")


def _read_hdf5(path: str | os.PathLike[str]) -> schema.NetParameter:
    """`/data/<layer>/<i>`; Caffe escapes nothing, so a layer name may hold slashes."""
    net = schema.NetParameter()
    with reading_hdf5(path) as reader:
        _collect(reader, reader.group("data"), "", net)
    return net


def _collect(reader: Hdf5Reader, group: h5py.Group, prefix: str, net: schema.NetParameter) -> None:
    if prefix.count("/") > _MOST_SLASHES:
        where = f"{reader.path}: /data/{prefix[:40]}…"
        raise InputError(f"{where}: expected at most {_MOST_SLASHES} groups in each other, found more")
    members = {name: reader.once(member) for name, member in reader.members(group).items()}
    datasets = {int(n): m for n, m in members.items() if isinstance(m, h5py.Dataset) and n.isdecimal()}
    if datasets:
        layer = net.layer.add(name=prefix)
        for index in sorted(datasets):
            with np.errstate(over="ignore"):
                layer.blobs.append(array_to_blob(reader.values(datasets[index]).astype(np.float32)))
    for name, member in members.items():
        if isinstance(member, h5py.Group):
            _collect(reader, member, f"{prefix}/{name}" if prefix else name, net)
