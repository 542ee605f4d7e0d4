"""Caffe's SGD update as its BLAS computes it, bit for bit (`src/exact/sgd.h`)."""

import ctypes
from dataclasses import dataclass

import numpy as np

from cpm_kernels.host import library


@dataclass(frozen=True)
class SgdStep:
    """What one update does to a blob; every number is rounded to float32, Caffe's Dtype.

    clip: factor of the gradient if the common norm is too large, else 1; share: 1 / iter_size; decay: weight_decay ·
    decay_mult; absolute: L1 decay (else L2); rate: learning rate · lr_mult; momentum: of the history.
    """

    clip: float = 1.0
    share: float = 1.0
    decay: float = 0.0
    absolute: bool = False
    rate: float = 0.0
    momentum: float = 0.0


_STEP = [(field, np.int32 if field == "absolute" else np.float32) for field in SgdStep.__dataclass_fields__]

SGD_BLOB = np.dtype([(name, np.int64) for name in ("gradient", "weight", "history", "count")] + [("step", _STEP)])
"""src/exact/sgd.h's SgdBlob: addresses, number of values, step."""


class _Step(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_float) for name in ("clip", "share", "decay")),
        ("absolute", ctypes.c_int),
        *((name, ctypes.c_float) for name in ("rate", "momentum")),
    ]


def sgd_update(weight: np.ndarray, gradient: np.ndarray, history: np.ndarray, step: SgdStep, threads: int = 1) -> None:
    """Updates `history`, which is also the update's value, and subtracts it from `weight`, both in place.

    All three float32, contiguous and of one shape; ValueError otherwise. `threads` does not change a bit.
    """
    for name, array in (("weight", weight), ("gradient", gradient), ("history", history)):
        if array.dtype != np.float32 or array.shape != weight.shape or not array.flags.c_contiguous:
            raise ValueError(f"{name} must be contiguous float32 of shape {weight.shape}")
    pointers = [array.ctypes.data for array in (gradient, weight, history)]
    fields = _Step(step.clip, step.share, step.decay, step.absolute, step.rate, step.momentum)
    library().cpm_sgd_update(ctypes.byref(fields), *pointers, weight.size, threads)
