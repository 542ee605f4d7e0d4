"""The fast engine: Caffe's operations at float32 accuracy, or less where asked for, by torch and by FFT.

In reading order: operations (the engine), operators (of torch's dispatcher), products (by torch's own kernels),
convolution (by those, or by FFT), pooling (of blobs, or of its results), normalization (of batches), cpu_products and
cpu_functions (whose bits do not hang on the number of threads), measured_plans (which is faster here), cpu_fft,
cuda_fft, memory (of large results, used again).
"""
