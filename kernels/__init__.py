"""The numerics of the data layer: OpenCV's 8-bit cubic resize and rotation, crop, peaks, glibc's expf and rand().

NumPy arrays in, NumPy arrays out; the arithmetic is C++ in `src/`, one header per operation, which a GPU build
compiles too.
"""
