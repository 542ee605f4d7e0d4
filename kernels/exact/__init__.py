"""Caffe's arithmetic on a CPU with OpenBLAS, to the last bit.

In reading order: profiles (which OpenBLAS), gemm (matrix products), blas (the other sums), convolution, pooling,
elementary (functions of single values), solvers (their updates), random (the one stream of random numbers), cuda (all
of it on a card).
"""
