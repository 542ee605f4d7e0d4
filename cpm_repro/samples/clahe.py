"""The transformer's `do_clahe`: contrast-limited adaptive histogram equalization of L in Lab colours.

None of the release's own configurations uses it, so it is the one step that OpenCV itself does: the optional extra
`opencv` (OpenCV 4; bits equal to the original's in the golden samples).
"""

from typing import Any

import numpy as np

from prototxt_import.files import InputError


def require_opencv(where: str) -> Any:
    """OpenCV's module; InputError, naming `where`, if it is not installed."""
    try:
        import cv2
    except ImportError:
        raise InputError(f'{where}: do_clahe: true needs OpenCV, found none: pip install -e ".[opencv]"') from None
    return cv2


def clahe(image: np.ndarray, clip_limit: float, tiles: int) -> np.ndarray:
    """`image` uint8 (rows, columns, 3) BGR with its lightness equalized in tiles x tiles fields."""
    cv2 = require_opencv("transform_param")
    lightness, a, b = cv2.split(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2Lab))
    equalized = cv2.createCLAHE(clip_limit, (tiles, tiles)).apply(lightness)
    brighter: np.ndarray = cv2.cvtColor(cv2.merge([equalized, a, b]), cv2.COLOR_Lab2BGR)
    return brighter
