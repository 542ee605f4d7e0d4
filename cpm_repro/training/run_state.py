"""What a `.solverstate` leaves out and a run needs to go on bit for bit: random numbers, the data layers' positions.

Caffe restarts both when it resumes. This project writes them beside each solver state, as `<state>.npz`, and before
it, so that wherever a run is killed every solver state that is there has its own.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from cpm_repro.npz import read_npz, write_npz
from cpm_repro.samples.data_layers import DataLayers
from prototxt_import.files import InputError, naming
from prototxt_import.net import Net

from .solver import SGDSolver
from .testing import SmoothedLoss


def run_state_path(solverstate: Path) -> Path:
    """Where the run state of a solver state lies."""
    return solverstate.with_name(f"{solverstate.name}.npz")


def write_run_state(
    solverstate: Path, solver: SGDSolver, data: Mapping[str, DataLayers], smoothed: SmoothedLoss
) -> None:
    """The state after `solver.iteration` iterations; data: of each net, by what its keys begin with."""
    arrays = {
        "fingerprint": _fingerprint(solver),
        "mt19937": solver.net.random.state(),
        "losses": smoothed.state(),
        **{f"torch_{kind}": state for kind, state in _torch_states(solver.net).items()},
        **{f"{start}{key}": state for start, layers in data.items() for key, state in layers.state().items()},
    }
    write_npz(run_state_path(solverstate), arrays)


def restore_run_state(
    solverstate: Path, solver: SGDSolver, data: Mapping[str, DataLayers], smoothed: SmoothedLoss
) -> None:
    """Puts the state back after the solver state itself was restored.

    InputError if the file is damaged or was written with another solver state.
    """
    path = run_state_path(solverstate)
    arrays = _checked(path, solverstate, solver)
    with naming(f"{path}: mt19937", ValueError):
        solver.net.random.restore(arrays["mt19937"])
    with naming(path):
        for start, layers in data.items():
            own = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
            layers.restore(own)
        smoothed.restore(arrays["losses"])
    _restore_torch(solver.net, arrays, path)


def check_run_state(solverstate: Path, solver: SGDSolver) -> None:
    """InputError unless the run state beside the restored solver state was written with its weights and history."""
    _checked(run_state_path(solverstate), solverstate, solver)


def _checked(path: Path, solverstate: Path, solver: SGDSolver) -> dict[str, np.ndarray]:
    """The arrays of the run state at `path`, which is the restored solver state's."""
    arrays = read_npz(path)
    for name, dtype, size in _NEEDED:
        array = arrays.get(name)
        if array is None or array.dtype != dtype or (size is not None and array.size != size):
            found = "none" if array is None else f"{array.size} of {array.dtype}"
            raise InputError(f"{path}: {name}: expected {size or 'any'} values of {np.dtype(dtype)}, found {found}")
    if not np.array_equal(arrays["fingerprint"], _fingerprint(solver)):
        raise InputError(
            f"{path}: expected the run state of {solverstate} and its weights, found that of other weights or history: "
            "the three files are not of one run"
        )
    return arrays


_NEEDED = [
    ("fingerprint", np.uint8, 32),
    ("mt19937", np.uint32, 625),
    ("losses", np.float32, None),
    ("torch_cpu", np.uint8, None),
]


def _fingerprint(solver: SGDSolver) -> np.ndarray:
    """SHA-256 of iteration, weights and history."""
    digest = hashlib.sha256(str(solver.iteration).encode())
    count = len(solver.net.learnable)
    for index, blob in enumerate(solver.net.learnable):
        for tensor in (blob.parameter.detach(), *solver.history[index::count]):
            digest.update(tensor.cpu().contiguous().numpy().data)
    return np.frombuffer(digest.digest(), np.uint8)


def _device(net: Net) -> torch.device:
    return net.learnable[0].parameter.device


def _torch_states(net: Net) -> dict[str, np.ndarray]:
    """torch's generators by kind of device: the fast engine's dropout draws from them."""
    states = {"cpu": torch.get_rng_state().numpy()}
    if _device(net).type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(_device(net)).numpy()
    return states


def _restore_torch(net: Net, arrays: dict[str, np.ndarray], path: Path) -> None:
    try:
        torch.set_rng_state(torch.from_numpy(arrays["torch_cpu"]))
        if _device(net).type == "cuda" and "torch_cuda" in arrays:
            torch.cuda.set_rng_state(torch.from_numpy(arrays["torch_cuda"]), _device(net))
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{path}: torch's generator: expected a state of it, found another ({error})") from None
