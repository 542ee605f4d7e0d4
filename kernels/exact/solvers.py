"""The updates of Caffe's six solvers as its BLAS computes them, bit for bit (`src/exact/solvers.h`)."""

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cpm_kernels.host import library

from .profiles import DEFAULT_PROFILE, Profile

SOLVER_TYPES = {"SGD": 0, "Nesterov": 1, "AdaGrad": 2, "RMSProp": 3, "AdaDelta": 4, "Adam": 5}
"""solvers.h's SolverType by Caffe's names."""

TWO_HISTORIES = frozenset({"AdaDelta", "Adam"})
"""The solvers that keep a second history."""


@dataclass(frozen=True)
class SolverStep:
    """What one update does to a blob; every number is rounded to float32, Caffe's Dtype.

    clip: factor of the gradient if the common norm is too large, else 1; share: 1 / iter_size; decay: weight_decay ·
    decay_mult; absolute: L1 decay (else L2); rate: learning rate · lr_mult, for Adam also times `adam_correction`;
    momentum: of the history (RMSProp: rms_decay); momentum2: of Adam's second history; delta: beside a root; profile:
    whose axpy adds.
    """

    type: str = "SGD"
    clip: float = 1.0
    share: float = 1.0
    decay: float = 0.0
    absolute: bool = False
    rate: float = 0.0
    momentum: float = 0.0
    momentum2: float = 0.0
    delta: float = 0.0
    profile: Profile = DEFAULT_PROFILE

    def row(self) -> tuple[float | tuple[int, int], ...]:
        """The fields in the order of solvers.h's SolverStep."""
        numbers = (getattr(self, field.name) for field in fields(self) if field.name not in ("type", "profile"))
        return SOLVER_TYPES[self.type], *numbers, self.profile.numbers


_TYPES: dict[str, Any] = {
    "type": np.int32,
    "absolute": np.int32,
    "profile": [("family", np.int32), ("threads", np.int32)],
}
_STEP = [(field.name, _TYPES.get(field.name, np.float32)) for field in fields(SolverStep)]
_POINTERS = ("gradient", "weight", "history", "second_history")

SOLVER_BLOB = np.dtype([(name, np.int64) for name in (*_POINTERS, "count")] + [("step", _STEP)], align=True)
"""src/exact/solvers.h's SolverBlob: addresses, number of values, step."""


def adam_correction(iteration: int, momentum: float, momentum2: float) -> np.float32:
    """What Adam multiplies the rate of iteration `iteration`, counted from 0, by: sqrt(1 − β2^t) / (1 − β1^t) with
    t = iteration + 1, in double from the float32 momenta (Caffe: adam_solver.cpp)."""
    beta1, beta2, t = float(np.float32(momentum)), float(np.float32(momentum2)), iteration + 1
    return np.float32(math.sqrt(1 - beta2**t) / (1 - beta1**t))


def solver_update(
    weight: np.ndarray,
    gradient: np.ndarray,
    history: np.ndarray,
    step: SolverStep,
    second_history: np.ndarray | None = None,
    threads: int = 1,
) -> None:
    """Updates the histories, puts the update's value where the gradient was and subtracts it from `weight`.

    All float32, contiguous, of one shape and changed in place; AdaDelta and Adam need the second history. ValueError
    otherwise. `threads` does not change a bit.
    """
    arrays = {"weight": weight, "gradient": gradient, "history": history, "second_history": second_history}
    if (second_history is None) == (step.type in TWO_HISTORIES):
        raise ValueError(f"second_history must {'' if second_history is None else 'not '}be given for {step.type}")
    for name, array in arrays.items():
        if array is None:
            continue
        if array.dtype != np.float32 or array.shape != weight.shape or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous float32 of shape {weight.shape}")
    addresses = [0 if (array := arrays[name]) is None else array.ctypes.data for name in _POINTERS]
    blob = np.array((*addresses, weight.size, step.row()), SOLVER_BLOB)
    library().cpm_solver_update(blob.ctypes.data, threads)
