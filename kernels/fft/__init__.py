"""Convolution by FFT, or by Winograd for 3x3 kernels, at float32 accuracy.

In reading order: plan (is it worth it, and with which tiles), convolution (forward and both gradients).
"""
