"""glibc's float32 exponential, the one the original's belief maps went through (`src/expf.h`)."""

import numpy as np

from cpm_kernels.host import checked, library


def expf(x: np.ndarray) -> np.ndarray:
    """exp of a 1-D float32 array, bit for bit as glibc >= 2.27 with FMA.

    The result must be a normal float: ValueError outside [-87, 88].
    """
    x = checked(x, np.float32, (None,), "x")
    if not np.all((x >= -87) & (x <= 88)):
        raise ValueError("x must lie between -87 and 88")
    out = np.empty_like(x)
    library().cpm_expf(x.ctypes.data, out.ctypes.data, x.size)
    return out
