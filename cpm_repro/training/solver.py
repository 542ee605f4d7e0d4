"""Caffe's solvers: SGD, Nesterov, AdaGrad, RMSProp, AdaDelta and Adam, with clipping, decay and snapshots (Caffe:
solver.cpp, sgd_solver.cpp and its neighbours).

SGD's learning rate multiplies inside the momentum: history = momentum · history + rate · lr_mult · gradient, then
weight −= history. torch.optim.SGD keeps it outside, and the two part at every change of the rate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from google.protobuf.descriptor import FieldDescriptor
from torch import Tensor

from cpm_kernels.exact.solvers import SOLVER_TYPES, TWO_HISTORIES, SolverStep, adam_correction
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.learnable import LearnableBlob
from prototxt_import.net import Net
from prototxt_import.tensors import gradient_of

from . import snapshots
from .rates import NEEDED_FIELDS, learning_rate, step_at
from .update import update_blobs


def check_solver(param: schema.SolverParameter, where: str) -> None:
    """InputError, naming field and file, for a solver that this project does not run or that lacks a field."""
    if param.type not in SOLVER_TYPES:
        raise InputError(f"{where}: type: expected one of {', '.join(SOLVER_TYPES)}, found '{param.type}'")
    if param.lr_policy not in NEEDED_FIELDS:
        raise InputError(f"{where}: lr_policy: expected one of {', '.join(NEEDED_FIELDS)}, found '{param.lr_policy}'")
    for name in ("base_lr", *NEEDED_FIELDS[param.lr_policy]):
        given = param.stepvalue if name == "stepvalue" else param.HasField(name)
        if not given:
            raise InputError(f"{where}: expected the field {name} (lr_policy '{param.lr_policy}'), found none")
    for name in ("stepsize", "iter_size"):
        if param.HasField(name) and getattr(param, name) < 1:
            raise InputError(f"{where}: {name}: expected 1 or more, found {getattr(param, name)}")
    if param.regularization_type not in ("L1", "L2"):
        raise InputError(f"{where}: regularization_type: expected L1 or L2, found '{param.regularization_type}'")
    if param.debug_info:
        raise InputError(f"{where}: debug_info: expected false (--trace records every value of a run), found true")
    if param.snapshot and not param.HasField("snapshot_prefix"):
        raise InputError(f"{where}: expected the field snapshot_prefix (snapshot {param.snapshot}), found none")
    _check_momentum(param, where)
    _check_numbers(param, where)


def _check_numbers(param: schema.SolverParameter, where: str) -> None:
    """No field is NaN or infinite, and none negative where that has no meaning."""
    for field, values in param.ListFields():
        if field.cpp_type not in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_INT32):
            continue
        for value in [values] if isinstance(values, int | float) else values:
            if not np.isfinite(value):
                raise InputError(f"{where}: {field.name}: expected a finite number, found {value}")
            negative = _MAY_BE_NEGATIVE.get(field.name, ())
            if value < 0 and param.lr_policy not in negative:
                raise InputError(f"{where}: {field.name}: expected 0 or more, found {value:g}")


_MAY_BE_NEGATIVE = {"clip_gradients": NEEDED_FIELDS, "gamma": ("sigmoid",)}
"""By field: the learning-rate policies with which a negative value means something."""


def _check_momentum(param: schema.SolverParameter, where: str) -> None:
    if param.type in ("AdaGrad", "RMSProp") and param.momentum:
        raise InputError(f"{where}: momentum: expected none with {param.type}, found {param.momentum:g}")
    if param.type == "RMSProp" and not 0 <= param.rms_decay < 1:
        raise InputError(f"{where}: rms_decay: expected 0 or more and less than 1, found {param.rms_decay:g}")


@dataclass(frozen=True)
class Update:
    """What an update tells the log: its rate, by what the gradients of a too large common norm were scaled, and which
    step multistep took at it."""

    rate: np.float32
    clip: float = 1.0
    norm: np.float32 | None = None
    """The common L2 norm, where it was above clip_gradients."""
    stepped: int | None = None


class SGDSolver:
    """Updates a net's learnable blobs from their gradients, and writes and reads snapshots.

    `history` holds a blob for each learnable one and, of AdaDelta and Adam, then a second one for each, as a solver
    state does.

    Args:
        param: the solver, checked by `check_solver`; its `type` says which of Caffe's solvers this is.
        net: its TRAIN-phase net.
        folder: where relative names in the solver (snapshot_prefix, learned_net) start from.
    """

    def __init__(self, param: schema.SolverParameter, net: Net, folder: Path) -> None:
        self.param, self.net, self.folder = param, net, folder
        self.iteration = self.current_step = 0
        parameters = [blob.parameter for blob in net.learnable]
        kinds = 2 if param.type in TWO_HISTORIES else 1
        self.history = [torch.zeros_like(parameter) for _ in range(kinds) for parameter in parameters]

    @property
    def rate(self) -> np.float32:
        """The learning rate of the coming update."""
        return learning_rate(self.param, self.iteration, self._coming_step)

    @property
    def _coming_step(self) -> int:
        return step_at(self.param, self.iteration, self.current_step)

    def clear_gradients(self) -> None:
        """Forgets the gradients (Net::ClearParamDiffs)."""
        for blob in self.net.learnable:
            blob.parameter.grad = None

    @torch.no_grad()
    def apply_update(self) -> Update:
        """One update from the gradients accumulated over iter_size passes (SGDSolver::ApplyUpdate).

        Afterwards each blob's `grad` is what was subtracted from it. A blob that no gradient reached has gradient 0
        and still decays; one whose lr_mult is 0 stays, but for the histories of the adaptive solvers, which gather
        its decay.
        """
        blobs = self.net.learnable
        for blob in blobs:
            gradient_of(blob.parameter)
        rate = self.rate
        clip, norm = self._clip_factor()
        first = self.history[: len(blobs)]
        second: Sequence[Tensor | None] = self.history[len(blobs) :] or [None] * len(blobs)
        weights = [blob.parameter for blob in blobs]
        steps = [self._step(blob, rate, clip) for blob in blobs]
        update_blobs(weights, self.updates, first, steps, second)
        step = self._coming_step
        stepped = step if self.param.lr_policy == "multistep" and step != self.current_step else None
        self.iteration, self.current_step = self.iteration + 1, step
        return Update(rate, clip, norm, stepped)

    @property
    def updates(self) -> list[Tensor]:
        """After `apply_update`: what it subtracted from each blob (Caffe leaves it in the blob's diff)."""
        return [gradient_of(blob.parameter) for blob in self.net.learnable]

    def _clip_factor(self) -> tuple[float, np.float32 | None]:
        """What scales all gradients so that their common L2 norm is at most clip_gradients; that norm if it is more."""
        limit = np.float32(self.param.clip_gradients)
        if limit < 0:
            return 1.0, None
        gradients = [gradient_of(blob.parameter) for blob in self.net.learnable if blob.lr_mult]
        norm = np.sqrt(sum((self.net.engine.squared_norm(gradient) for gradient in gradients), np.float32(0)))
        return (float(limit / norm), norm) if norm > limit else (1.0, None)

    def _step(self, blob: LearnableBlob, rate: np.float32, clip: float) -> SolverStep:
        param = self.param
        rate = rate * np.float32(blob.lr_mult)
        if param.type == "Adam":
            rate = rate * adam_correction(self.iteration, param.momentum, param.momentum2)
        return SolverStep(
            type=param.type,
            clip=clip,
            share=float(np.float32(1) / np.float32(param.iter_size)),
            decay=float(np.float32(param.weight_decay) * np.float32(blob.decay_mult)),
            absolute=param.regularization_type == "L1",
            rate=float(rate),
            momentum=param.rms_decay if param.type == "RMSProp" else param.momentum,
            momentum2=param.momentum2,
            delta=param.delta,
            profile=self.net.engine.profile,
        )

    def snapshot(self, before_state: Callable[[Path], None] | None = None) -> tuple[Path, Path]:
        """Writes the weights and the solver state of this iteration; returns their paths (Solver::Snapshot).

        `before_state` is called with the state's path between the two: whoever finds a state finds what it needs.
        """
        model, state = snapshots.snapshot_paths(self.param, self.folder, self.iteration)
        snapshots.write_weights(model, self.net, self.param.snapshot_diff)
        if before_state is not None:
            before_state(state)
        learned = f"{self.param.snapshot_prefix}{model.name[model.name.rindex('_iter_') :]}"
        snapshots.write_state(state, self.iteration, learned, self.current_step, self.history)
        return model, state

    def restore(self, path: Path) -> None:
        """Continues from a solver state and the weights it names (Solver::Restore); InputError if either does not
        belong to this net."""
        path = Path(path)
        state = snapshots.read_state(path, self.history)
        weights = read_caffemodel(snapshots.learned_net(state, path, self.folder))
        self.net.load_weights(weights, state.learned_net)
        snapshots.restore_history(state, self.history, path)
        self.iteration, self.current_step = state.iter, state.current_step
