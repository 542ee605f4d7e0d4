"""Convolutional Pose Machines (Wei, Ramakrishna, Kanade, Sheikh, CVPR 2016), with the original's own bits."""

from .conversion import load

__all__ = ["load"]
