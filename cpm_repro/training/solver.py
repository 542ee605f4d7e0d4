"""Caffe's SGD: learning-rate policies, clipping, decay, momentum and snapshots (Caffe: solver.cpp, sgd_solver.cpp).

The learning rate multiplies inside the momentum: history = momentum · history + rate · lr_mult · gradient, then
weight −= history. torch.optim.SGD keeps it outside, and the two part at every change of the rate.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from cpm_kernels.exact.sgd import SgdStep
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import array_to_blob, blob_shape, blob_to_array, fits
from prototxt_import.formats.caffemodel import read_caffemodel, read_solverstate, write_caffemodel, write_solverstate
from prototxt_import.net import Net

from .update import update_blobs

_NEEDED = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power", "max_iter"),
    "sigmoid": ("gamma", "stepsize"),
}
"""The fields that each learning-rate policy reads."""


def check_solver(param: "schema.SolverParameter", where: str) -> None:
    """InputError, naming field and file, for a solver that this project does not run or that lacks a field."""
    if param.type != "SGD":
        raise InputError(f"{where}: type: expected 'SGD', the original's solver, found '{param.type}'")
    if param.lr_policy not in _NEEDED:
        raise InputError(f"{where}: lr_policy: expected one of {', '.join(_NEEDED)}, found '{param.lr_policy}'")
    for name in ("base_lr", "max_iter", *_NEEDED[param.lr_policy]):
        given = param.stepvalue if name == "stepvalue" else param.HasField(name)
        if not given:
            raise InputError(f"{where}: expected the field {name} (lr_policy '{param.lr_policy}'), found none")
    for name in ("stepsize", "iter_size"):
        if param.HasField(name) and getattr(param, name) < 1:
            raise InputError(f"{where}: {name}: expected 1 or more, found {getattr(param, name)}")
    if param.regularization_type not in ("L1", "L2"):
        raise InputError(f"{where}: regularization_type: expected L1 or L2, found '{param.regularization_type}'")
    if param.test_interval:
        raise InputError(f"{where}: test_interval: expected none (score snapshots with tools/evaluate.py), found one")


def learning_rate(param: "schema.SolverParameter", iteration: int) -> np.float32:
    """The rate of iteration `iteration`, counted from 0 (SGDSolver::GetLearningRate).

    Integer powers are taken in double, as C++ does; functions of float32 are correctly rounded, which glibc's powf and
    expf are too but for a few arguments in ten thousand.
    """
    base, gamma, power = np.float32(param.base_lr), np.float32(param.gamma), np.float32(param.power)
    one = np.float32(1)
    now = np.float32(iteration)
    if param.lr_policy == "step":
        return np.float32(float(base) * float(gamma) ** (iteration // param.stepsize))
    if param.lr_policy == "multistep":
        passed = sum(iteration >= value for value in param.stepvalue)
        return np.float32(float(base) * float(gamma) ** passed)
    if param.lr_policy == "exp":
        return np.float32(float(base) * float(gamma) ** iteration)
    if param.lr_policy == "inv":
        return base * np.float32(float(one + gamma * now) ** float(-power))
    if param.lr_policy == "poly":
        return base * np.float32(float(one - now / np.float32(param.max_iter)) ** float(power))
    if param.lr_policy == "sigmoid":
        steps = -gamma * (now - np.float32(param.stepsize))
        return base * (one / (one + np.exp(np.float64(steps)).astype(np.float32)))
    return base


class SGDSolver:
    """Updates a net's learnable blobs from their gradients, and writes and reads snapshots.

    Args:
        param: the solver, checked by `check_solver`.
        net: its TRAIN-phase net.
        folder: where relative names in the solver (snapshot_prefix, learned_net) start from.
    """

    def __init__(self, param: "schema.SolverParameter", net: Net, folder: Path) -> None:
        self.param, self.net, self.folder = param, net, folder
        self.iteration = 0
        self.history = [torch.zeros_like(blob.parameter) for blob in net.learnable]

    @property
    def rate(self) -> np.float32:
        """The learning rate of the coming update."""
        return learning_rate(self.param, self.iteration)

    def clear_gradients(self) -> None:
        """Forgets the gradients (Net::ClearParamDiffs)."""
        for blob in self.net.learnable:
            blob.parameter.grad = None

    @torch.no_grad()
    def apply_update(self) -> None:
        """One update from the gradients accumulated over iter_size passes (SGDSolver::ApplyUpdate).

        A blob that no gradient reached has gradient 0 and still decays; one whose lr_mult is 0 stays.
        """
        trained = [(b, h) for b, h in zip(self.net.learnable, self.history, strict=True) if b.lr_mult]
        for blob, _ in trained:
            if blob.parameter.grad is None:
                blob.parameter.grad = torch.zeros_like(blob.parameter)
        clip = self._clip_factor(blob.parameter.grad for blob, _ in trained)
        steps = [self._step(blob.lr_mult, blob.decay_mult, clip) for blob, _ in trained]
        weights = [blob.parameter for blob, _ in trained]
        update_blobs(weights, [weight.grad for weight in weights], [history for _, history in trained], steps)
        self.iteration += 1

    def _clip_factor(self, gradients: Iterable[torch.Tensor]) -> float:
        """What scales all gradients so that their common L2 norm is at most clip_gradients."""
        limit = np.float32(self.param.clip_gradients)
        if limit < 0:
            return 1.0
        norm = np.sqrt(sum((self.net.ops.squared_norm(gradient) for gradient in gradients), np.float32(0)))
        return float(limit / norm) if norm > limit else 1.0

    def _step(self, lr_mult: float, decay_mult: float, clip: float) -> SgdStep:
        param = self.param
        return SgdStep(
            clip=clip,
            share=float(np.float32(1) / np.float32(param.iter_size)),
            decay=float(np.float32(param.weight_decay) * np.float32(decay_mult)),
            absolute=param.regularization_type == "L1",
            rate=float(self.rate * np.float32(lr_mult)),
            momentum=param.momentum,
        )

    def snapshot(self, before_state: Callable[[Path], None] | None = None) -> tuple[Path, Path]:
        """Writes `<snapshot_prefix>_iter_N.caffemodel` and `.solverstate`; returns their paths (Solver::Snapshot).

        `before_state` is called with the state's path between the two: whoever finds a state finds what it needs.
        """
        name = f"{self.param.snapshot_prefix}_iter_{self.iteration}"
        model, state = (self.folder / f"{name}{suffix}" for suffix in (".caffemodel", ".solverstate"))
        write_caffemodel(model, self.net.to_caffemodel())
        if before_state is not None:
            before_state(state)
        history = [array_to_blob(h.cpu().numpy()) for h in self.history]
        step = sum(self.iteration > value for value in self.param.stepvalue)
        if self.param.lr_policy == "step":
            step = max(self.iteration - 1, 0) // self.param.stepsize
        message = schema.SolverState(
            iter=self.iteration, learned_net=f"{name}.caffemodel", current_step=step, history=history
        )
        write_solverstate(state, message)
        return model, state

    def restore(self, path: Path) -> None:
        """Continues from a `.solverstate` and the `.caffemodel` it names (Solver::Restore); InputError if either does
        not belong to this net."""
        state = read_solverstate(path)
        if len(state.history) != len(self.history):
            raise InputError(f"{path}: history: expected {len(self.history)} blobs, found {len(state.history)}")
        self.net.load_weights(read_caffemodel(self._learned_net(state, path)), state.learned_net)
        for index, (history, blob) in enumerate(zip(self.history, state.history, strict=True)):
            where = f"{path}: history blob {index}"
            if not fits(blob_shape(blob), tuple(history.shape), legacy=not blob.HasField("shape")):
                raise InputError(f"{where}: expected shape {tuple(history.shape)}, found {blob_shape(blob)}")
            history.copy_(torch.from_numpy(blob_to_array(blob, where).reshape(history.shape)))
        self.iteration = state.iter

    def _learned_net(self, state: "schema.SolverState", path: Path) -> Path:
        """The weights a solver state names, looked for from the solver's folder and beside the state."""
        places = [self.folder / state.learned_net, Path(path).parent / Path(state.learned_net).name]
        for place in places:
            if state.learned_net and place.is_file():
                return place
        raise InputError(f"{path}: learned_net: expected the weights '{state.learned_net}', found no such file")
