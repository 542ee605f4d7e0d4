"""A solver's snapshots, weights and solver state, as binary messages or as HDF5 (Caffe: Solver::Snapshot, Restore)."""

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import array_to_blob, blob_shape, blob_to_array, fits
from prototxt_import.formats.caffemodel import write_caffemodel, write_hdf5
from prototxt_import.formats.solverstate import read_solverstate, write_solverstate
from prototxt_import.net import Net


def snapshot_paths(param: schema.SolverParameter, folder: Path, iteration: int) -> tuple[Path, Path]:
    """Where the weights and the solver state of an iteration go: `<snapshot_prefix>_iter_N.caffemodel` and
    `.solverstate`, with `.h5` behind it for snapshot_format HDF5."""
    suffix = ".h5" if param.snapshot_format == param.HDF5 else ""
    name = f"{param.snapshot_prefix}_iter_{iteration}"
    return folder / f"{name}.caffemodel{suffix}", folder / f"{name}.solverstate{suffix}"


def write_weights(path: Path, net: Net, diff: bool) -> None:
    """The net's blobs, in HDF5 if the name ends so; `diff`: with their gradients or updates (snapshot_diff)."""
    param = net.to_caffemodel(diff)
    (write_hdf5 if path.suffix == ".h5" else write_caffemodel)(path, param)


def write_state(path: Path, iteration: int, learned_net: str, step: int, history: list[Tensor]) -> None:
    """The solver state, in HDF5 if the name ends so."""
    blobs = [array_to_blob(blob.cpu().numpy()) for blob in history]
    message = schema.SolverState(iter=iteration, learned_net=learned_net, current_step=step, history=blobs)
    write_solverstate(path, message)


def read_state(path: Path, history: list[Tensor]) -> schema.SolverState:
    """The solver state at `path`, its blobs checked against those of `history`; InputError if they do not belong."""
    state = read_solverstate(path)
    if len(state.history) != len(history):
        raise InputError(f"{path}: history: expected {len(history)} blobs, found {len(state.history)}")
    for index, (blob, stored) in enumerate(zip(history, state.history, strict=True)):
        if not fits(blob_shape(stored), tuple(blob.shape), legacy=not stored.HasField("shape")):
            where = f"{path}: history blob {index}"
            raise InputError(f"{where}: expected shape {tuple(blob.shape)}, found {blob_shape(stored)}")
    return state


def restore_history(state: schema.SolverState, history: list[Tensor], path: Path) -> None:
    """Copies a checked state's blobs into `history`."""
    for index, (blob, stored) in enumerate(zip(history, state.history, strict=True)):
        values: np.ndarray = blob_to_array(stored, f"{path}: history blob {index}")
        blob.copy_(torch.from_numpy(values.reshape(blob.shape)))


def learned_net(state: schema.SolverState, path: Path, folder: Path) -> Path:
    """The weights a solver state names, looked for beside the state, where a copied snapshot has them, and then from
    the solver's folder."""
    for place in (path.parent / Path(state.learned_net).name, folder / state.learned_net):
        if state.learned_net and os.path.isfile(place):
            return place
    raise InputError(f"{path}: learned_net: expected the weights '{state.learned_net}', found no such file")
