"""Reads and writes solver states: `.solverstate`, a binary SolverState, and `.solverstate.h5` (sgd_solver.cpp)."""

import os
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
from google.protobuf.unknown_fields import UnknownFieldSet

from prototxt_import.files import InputError, read_bytes, replacing

from . import schema
from .blobs import array_to_blob, blob_to_array
from .hdf5 import MAGIC, Hdf5Reader, reading_hdf5, writing_hdf5
from .messages import parse_message

_ITERATION = b"\x08"
"""How a binary SolverState begins: the tag of its first field, `iter`, which no NetParameter begins with."""

_ONNX_GRAPH = 7  # the field of an ONNX model, which begins with the tag 8 too


def read_solverstate(path: str | os.PathLike[str]) -> schema.SolverState:
    """A solver state: iter, learned_net, current_step and history, one blob per learnable parameter (AdaDelta and
    Adam: then a second one for each)."""
    content = read_bytes(path)
    if content.startswith(MAGIC):
        with reading_hdf5(path) as reader:
            state = _from_hdf5(reader)
    else:
        state = parse_message(content, schema.SolverState, path)
    if not state.HasField("iter") or state.iter < 0:
        raise InputError(f"{path}: expected a .solverstate, found no iteration number in it")
    if state.current_step < 0:
        raise InputError(f"{path}: expected a current_step of 0 or more, found {state.current_step}")
    if isinstance(state.learned_net, bytes):  # as protobuf gives a string that is not UTF-8
        raise InputError(f"{path}: expected learned_net in UTF-8, found {state.learned_net[:40]!r}")
    return state


def refuse_solverstate(path: str | os.PathLike[str]) -> None:
    """InputError if the file is a solver state where weights are expected; it says which file has them: what the state
    names, beside it, or else the `.caffemodel` of the state's own name."""
    state = _state_if_any(path)
    if state is None:
        return
    others = UnknownFieldSet(state)
    if any(others[index].field_number == _ONNX_GRAPH for index in range(len(others))):
        raise InputError(f"{path}: expected weights, found an ONNX model, which is written here and not read")
    path = Path(path)
    own_name = path.with_name(path.name.replace(".solverstate", ".caffemodel"))
    places = [path.parent / Path(state.learned_net).name] if state.learned_net else []
    there = next((place for place in (*places, own_name) if place != path and os.path.isfile(place)), None)
    hint = f"its weights are in {there}" if there else "the weights that belong to it are not beside it"
    named = f", which names '{state.learned_net}'" if state.learned_net and there not in places else ""
    raise InputError(f"{path}: expected weights, found a solver state of iteration {state.iter}{named}: {hint}")


def _state_if_any(path: str | os.PathLike[str]) -> schema.SolverState | None:
    """A solver state begins with its iteration, where weights have a name; in HDF5 weights lie in `/data`."""
    start = read_bytes(path, len(MAGIC))
    with suppress(InputError):
        if start.startswith(_ITERATION):
            return read_solverstate(path)
        if start == MAGIC:
            with reading_hdf5(path) as reader:
                return _from_hdf5(reader)
    return None


def write_solverstate(path: str | os.PathLike[str], state: schema.SolverState) -> None:
    """The solver state as Caffe writes it, in HDF5 if the name ends in `.h5`."""
    if str(path).endswith(".h5"):
        _write_hdf5(path, state)
        return
    with replacing(path) as temporary:
        temporary.write_bytes(state.SerializeToString())


def _write_hdf5(path: str | os.PathLike[str], state: schema.SolverState) -> None:
    """`/iter`, `/learned_net`, `/current_step` and `/history/<i>`."""
    with writing_hdf5(path) as file:
        file["iter"] = np.array([state.iter], "<i4")
        text = state.learned_net.encode() + b"\0"  # a C string, whose end is stored
        kind = h5py.string_dtype("ascii", len(text))
        file.create_dataset("learned_net", (), kind, np.array(text, kind))
        file["current_step"] = np.array([state.current_step], "<i4")
        group = file.create_group("history")
        for index, blob in enumerate(state.history):
            group[str(index)] = blob_to_array(blob, f"history blob {index}")


def _from_hdf5(reader: Hdf5Reader) -> schema.SolverState:
    state = schema.SolverState()
    for name in ("iter", "current_step"):
        values = reader.values(reader.dataset(name), "i").ravel()
        if values.size != 1 or not -(2**31) <= values[0] < 2**31:
            raise InputError(f"{reader.path}: /{name}: expected one 32-bit number, found {values[:4].tolist()}")
        setattr(state, name, int(values[0]))
    state.learned_net = _text(reader)
    history = reader.members(reader.group("history"))
    for index in range(len(history)):
        blob = history.get(str(index))
        if not isinstance(blob, h5py.Dataset):
            raise InputError(f"{reader.path}: /history: expected the dataset {index}, found {sorted(history)[:5]}")
        state.history.append(array_to_blob(reader.values(reader.once(blob)).astype(np.float32)))
    return state


def _text(reader: Hdf5Reader) -> str:
    values = reader.values(reader.dataset("learned_net"), "S")
    try:
        text: bytes = values.item()
        return text.split(b"\0")[0].decode()
    except (ValueError, UnicodeDecodeError):
        raise InputError(f"{reader.path}: /learned_net: expected a name in UTF-8, found another") from None
