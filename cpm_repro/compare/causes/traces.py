"""What the losses of two training runs say about where they part, and whether the learning rate is why.

Caffe's rate multiplies inside of the momentum (history = m·history + rate·gradient), torch.optim.SGD's outside: the
two make the same updates until the rate changes, and others from the first update at the new rate on.
"""

import numpy as np

from cpm_repro.training.rates import learning_rate
from prototxt_import.formats import schema

from .cause import Cause, evidence, explains

_JUMP = 100  # times the error before: more than rounding grows by in an iteration
_ROUNDING = 1e-6  # relative error of losses that two orders of summation leave


def parting(a: np.ndarray, b: np.ndarray) -> int | None:
    """The first row of two `loss` arrays (iteration, stage) that is off by more than rounding that grows."""
    rows = min(len(a), len(b))
    x, y = (np.nan_to_num(losses[:rows].reshape(rows, -1).astype(np.float64), nan=np.inf) for losses in (a, b))
    size = np.maximum(np.abs(x), np.abs(y))
    with np.errstate(invalid="ignore"):
        off = np.where(x == y, 0, np.where(np.isfinite(size), np.abs(x - y) / np.maximum(size, 1e-30), 1)).max(axis=1)
    before = np.maximum(np.maximum.accumulate(np.concatenate([[0], off[:-1]])), _ROUNDING)
    rows_off = np.flatnonzero(off > _JUMP * before)
    return int(rows_off[0]) if rows_off.size else None


def trace_causes(a: np.ndarray, b: np.ndarray, solver: schema.SolverParameter | None) -> list[Cause]:
    """Causes for losses that part at an iteration after the first; `solver` tells where the rate changes."""
    row = parting(a, b)
    if row is None:
        return [Cause("rounding that grows over the iterations", "the losses drift apart without a jump")]
    if row == 0:
        return []
    exact = bool((a[:row] == b[:row]).all())
    until = f"the losses are equal {'to the bit' if exact else 'up to rounding'} through iteration {row - 1}"
    apart = f"{until} and part at iteration {row} ({_shown(a[row])} in A, {_shown(b[row])} in B)"
    outside = "the learning rate outside of the momentum on one side, as torch.optim.SGD has it (Caffe's is inside)"
    if solver is None:
        hint = (
            "data, fillers, gradients and updates agreed until then, the update before it does not: a rate that "
            f"changes at iteration {row - 1} would do that, and so would another lr_policy (--solver knows the rates)"
        )
        return [Cause(outside, f"{apart}; {hint}")]
    before, now = (float(learning_rate(solver, i)) for i in (max(row - 2, 0), row - 1))
    if before != now:
        change = f"the rate changes from {before:.6g} to {now:.6g} at iteration {row - 1}"
        return [Cause(outside, f"{apart}; {change}, whose update is the first to differ")]
    return [
        Cause(
            f"other data, random numbers or settings from iteration {row - 1} on",
            f"{apart}; the rate stays at {now:.6g} there, so it is not the rate",
        )
    ]


def weight_decay(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> Cause | None:
    """The cause, if two first updates are apart by a multiple of the weights that they are made for."""
    if not a.shape == b.shape == weights.shape or not weights.any():
        return None
    apart, w = b.astype(np.float64) - a, weights.astype(np.float64)
    factor = float((apart * w).sum() / (w * w).sum())
    if not explains(a + factor * w, a, b):
        return None
    what = "another weight decay: the updates are apart by a multiple of the weights"
    return Cause(what, evidence(f"with {factor:.5g} (rate × decay) times the weights added to A", a + factor * w, a, b))


def _shown(losses: np.ndarray) -> str:
    return ", ".join(f"{value:.6g}" for value in np.atleast_1d(losses)[:6])
