"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade, Sheikh, CVPR 2016), with the original's own bits."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["estimate_all_poses", "estimate_pose", "load"]

if TYPE_CHECKING:
    from .convert.weights import load
    from .inference.beliefs import estimate_pose
    from .inference.person_detection import estimate_all_poses

# Imported when asked for: what needs no network starts without torch, in a quarter of the memory.
_HOMES = {
    "load": "convert.weights",
    "estimate_pose": "inference.beliefs",
    "estimate_all_poses": "inference.person_detection",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
