"""What the fast engine's training takes beside the FFT, with the same bits whatever the number of threads.

In reading order: weight_gradient (of a convolution, directly), batch_norm (forward and backward).
"""
