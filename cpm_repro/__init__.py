"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade, Sheikh, CVPR 2016), with the original's own bits."""

import importlib

# Imported when asked for: tools that need no network start without torch, in a quarter of the memory.
_HOMES = {
    "load": "convert.weights",
    "estimate_pose": "inference.beliefs",
    "estimate_all_poses": "inference.person_detection",
}

__all__ = ["estimate_all_poses", "estimate_pose", "load"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
