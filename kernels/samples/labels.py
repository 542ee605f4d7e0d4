"""Centre map and label maps: the peaks of the data layer (`src/samples/gaussian.h`)."""

import numpy as np

from cpm_kernels.host import checked, checked_size, library


def _checked_sigma(sigma: float) -> float:
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma must be positive and finite, not {sigma}")
    return float(np.float32(sigma))


def _checked_out(out: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    out = np.empty(shape, np.float32) if out is None else out
    if out.dtype != np.float32 or out.shape != shape or not out.flags.c_contiguous:
        raise ValueError(f"out must be contiguous float32 of shape {shape}, not {out.dtype} of shape {out.shape}")
    return out


def centre_map(objpos: np.ndarray, size: tuple[int, int], sigma: float, out: np.ndarray | None = None) -> np.ndarray:
    """A float32 map of `size` (rows, columns) with a peak at `objpos` = (x, y) in pixels or, of several people's
    (people, 2), the largest of their peaks.

    `out`, if given, is filled and returned.
    """
    rows, columns = checked_size(size, "the centre map")
    centres = np.ascontiguousarray(np.atleast_2d(objpos), np.float32)
    if centres.shape != (len(centres), 2) or not np.isfinite(centres).all():
        raise ValueError(f"objpos must be a finite (x, y) for each person, not {objpos}")
    out = _checked_out(out, (rows, columns))
    library().cpm_centre_map(centres.ctypes.data, len(centres), _checked_sigma(sigma), rows, columns, out.ctypes.data)
    return out


def label_maps(
    joints: np.ndarray, size: tuple[int, int], stride: int, sigma: float, out: np.ndarray | None = None
) -> np.ndarray:
    """Belief maps (2 (parts + 1), rows // stride, columns // stride) float32 for a crop of `size` (rows, columns).

    `joints` is (people, parts, 3) float32: x, y in crop pixels, visibility (2: no peak); person 0 is the primary one.
    Channels 0 .. parts show the primary person and the background, the others everybody and the background.
    `out`, if given, is filled and returned.
    """
    joints = checked(joints, np.float32, (None, None, 3), "joints")
    people, parts, _ = joints.shape
    if people == 0 or parts == 0 or not np.isfinite(joints).all():
        raise ValueError("joints must hold at least one person and part, and finite numbers only")
    if stride < 1:
        raise ValueError(f"stride must be at least 1, not {stride}")
    rows, columns = checked_size((size[0] // stride, size[1] // stride), "the label maps")
    out = _checked_out(out, (2 * (parts + 1), rows, columns))
    library().cpm_label_maps(
        joints.ctypes.data, people, parts, stride, _checked_sigma(sigma), rows, columns, out.ctypes.data
    )
    return out
