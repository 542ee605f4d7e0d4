"""Convolution by FFT at float32 accuracy."""
