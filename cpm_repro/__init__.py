"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade, Sheikh, CVPR 2016), with the original's own bits."""

from .conversion import load
from .inference import estimate_pose

__all__ = ["estimate_pose", "load"]
