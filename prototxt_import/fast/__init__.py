"""The fast engine: Caffe's operations at float32 accuracy, or less where asked for, by torch and by FFT.

In reading order: operations (the engine), products (by torch's own kernels), operators (of torch's dispatcher),
convolution (by those, or by FFT), pooling (of blobs, or of its results), measured_plans (which is faster here),
cpu_fft, cuda_fft, memory (of large results, used again).
"""
