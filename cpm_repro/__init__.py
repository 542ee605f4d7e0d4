"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade, Sheikh, CVPR 2016), with the original's own bits.

In the order of the work: synthetic/ (drawn people to try everything on), network/ (the pose machine as Caffe nets),
samples/ (records to training batches), training/, caffe_commands/ (`caffe test`, `caffe time`), models/ (trained ones
that come with the package), inference/ (the testing protocol, poses), evaluation/ (PCK, PCKh), convert/ (weights to
PyTorch, ONNX and back), compare/ (two programs' numbers), figures/ (all pictures), studies/ (the paper's experiments),
benchmarks/ (how fast); `__main__` is the command `cpm`, jobs the tools behind it, command_line what they share,
exit_codes what they leave with, ctrl_c what interrupts them, streams stdout and stderr whatever a shell made of them,
npz the arrays they write, needing the optional packages, array_comparison the one way to hold two arrays against each
other.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["estimate_all_poses", "estimate_pose", "load"]

if TYPE_CHECKING:
    from .convert.weights import load
    from .inference.beliefs import estimate_pose
    from .inference.everybody import estimate_all_poses

# Imported when asked for: what needs no network starts without torch, in a quarter of the memory.
_HOMES = {
    "load": "convert.weights",
    "estimate_pose": "inference.beliefs",
    "estimate_all_poses": "inference.everybody",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
