"""The transformer's `do_clahe`: contrast-limited adaptive histogram equalization of L in Lab colours.

None of the release's own configurations uses it, so it is the one step that OpenCV itself does: the optional extra
`opencv` (OpenCV 4; bits equal to the original's in the golden samples).
"""

from typing import Any

import numpy as np

from cpm_repro.needing import needing


def require_opencv(where: str) -> Any:
    """OpenCV's module; InputError, naming `where`, if it is not installed."""
    with needing("opencv-python-headless", f"{where}: do_clahe: true", "opencv"):
        import cv2
    return cv2


def clahe(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """`image` uint8 (rows, columns, 3) BGR with its lightness equalized in tiles x tiles fields."""
    cv2 = require_opencv("transform_param")
    lightness, a, b = cv2.split(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2Lab))
    equalized = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(lightness)
    brighter: np.ndarray = cv2.cvtColor(cv2.merge([equalized, a, b]), cv2.COLOR_Lab2BGR)
    return brighter
