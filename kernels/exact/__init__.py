"""Caffe's arithmetic on a CPU with OpenBLAS, to the last bit."""
