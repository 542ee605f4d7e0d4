"""Convolution by FFT at float32 accuracy.

In reading order: plan (is it worth it, and with which tiles), convolution (forward and both gradients).
"""
