"""The numerics: what the data layer and Caffe's layers compute, bit for bit, and convolution by FFT.

NumPy arrays in, NumPy arrays out; the arithmetic is C++ in `src/`, one header per operation, which a GPU build compiles
too. In reading order: samples/ (the data layer), exact/ (Caffe's arithmetic), fft/ (the fast engine's convolution),
training/ (what its training takes beside that); window (every sliding window's sizes); sources (what the library is
compiled from), host (the compiled library, and what is handed to it), cuda_module (the same sources on a card).
"""
