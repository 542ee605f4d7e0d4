"""What OpenCV's own reader of Caffe's files makes of a net."""

from pathlib import Path

import numpy as np
import pytest

from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.net import Net


def opencvs_blob(net: Net, text: str, inputs: dict[str, np.ndarray], blob: str, folder: Path) -> np.ndarray:
    """A blob as OpenCV computes it from the net's prototxt and weights; skips where OpenCV is not installed."""
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed (extra `test`)")
    prototxt, weights = folder / "n.prototxt", folder / "n.caffemodel"
    prototxt.write_text(text)
    write_caffemodel(weights, net.to_caffemodel())
    other = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
    for name, values in inputs.items():
        other.setInput(values, name)
    return other.forward(blob)
