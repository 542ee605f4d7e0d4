"""The exact engine: what Caffe computed on a CPU with OpenBLAS, to the last bit, forward and backward.

In reading order: operations (the engine), products (convolution and inner product), volumes (convolution over other
than two axes), elementwise (and pooling), normalization, reduction, losses, recurrent; gradients (how they add up where
Caffe adds them), kernels (the arithmetic, on CPU or card).
"""
