"""What a likely cause is, and when an explanation is good enough to be named."""

from typing import NamedTuple

import numpy as np

EXPLAINED = 1e-4  # relative norm of what an explanation may leave over
ROUNDING, LOW_PRECISION = 1e-5, 5e-3  # relative errors that sums in another order, or float16, stay below
OTHER_VALUES = "other values"


class Cause(NamedTuple):
    """A likely cause and the measurement that speaks for it."""

    what: str
    evidence: str


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """‖a − b‖ / ‖b‖ in float64; 1 for NaNs of one side, for different shapes and where only b is zero."""
    if a.shape != b.shape:
        return 1.0
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.linalg.norm(b.ravel().astype(np.float64))
        apart = np.linalg.norm(np.subtract(a, b, dtype=np.float64).ravel())
    if not np.isfinite([size, apart]).all():
        finite = np.isfinite(a) | np.isfinite(b)  # the rest is nothing on both sides
        return 1.0 if finite.all() else distance(np.where(finite, a, 0), np.where(finite, b, 0))
    return float(apart / size) if size > 0 else float(apart > 0)


def equal_bits(a: np.ndarray, b: np.ndarray) -> float:
    """Elements with the same value, in percent."""
    return 100.0 * float((a == b).mean()) if a.size else 100.0


def as_float16(values: np.ndarray) -> np.ndarray:
    """Rounded to float16, as float32."""
    with np.errstate(over="ignore"):
        return values.astype(np.float16).astype(np.float32)


def as_bfloat16(values: np.ndarray) -> np.ndarray:
    """Rounded to bfloat16, as float32."""
    return _rounded_bits(values, 16)


def as_tf32(values: np.ndarray) -> np.ndarray:
    """Rounded to TF32, as float32."""
    return _rounded_bits(values, 13)


def _rounded_bits(values: np.ndarray, low: int) -> np.ndarray:
    """float32 whose lowest bits are rounded away, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32((1 << (low - 1)) - 1)
    rounded: np.ndarray = (bits + half + ((bits >> low) & 1)) & np.uint32(0x100000000 - (1 << low))
    return rounded.view(np.float32)


def explains(changed: np.ndarray, a: np.ndarray, b: np.ndarray) -> bool:
    """Whether `changed`, made of `a`, is `b` up to rounding, and much nearer to it than `a` was."""
    after = distance(changed, b)
    return after <= EXPLAINED and after <= 0.1 * distance(a, b)


def evidence(how: str, changed: np.ndarray, a: np.ndarray, b: np.ndarray) -> str:
    """The sentence that says what trying it gave."""
    before = f"before: {equal_bits(a, b):.3g} %" if a.shape == b.shape else f"before: shape {a.shape} against {b.shape}"
    return (
        f"{how}, {equal_bits(changed, b):.4g} % of the bits are equal ({before}) and the relative error is "
        f"{distance(changed, b):.2g}"
    )
