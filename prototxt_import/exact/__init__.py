"""The exact engine: what Caffe computed on a CPU with OpenBLAS, to the last bit, forward and backward.

In reading order: operations (the engine), products (convolution and inner product), elementwise (and pooling and the
loss), normalization; gradients (how they add up where Caffe adds them), kernels (the arithmetic, on CPU or card).
"""
