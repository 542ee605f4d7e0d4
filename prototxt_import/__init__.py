"""Caffe's file formats and layers: `.prototxt`, `.caffemodel`, `.solverstate`, `.h5` to torch modules, and back.

In reading order: formats/ (the files), graph (what Caffe does to a net before it makes layers), layers/ (one module per
family), deployment (which net of a prototxt is meant), in_place (how Caffe differentiates those that share a blob),
learnable (what the solver may do to blobs), weights (a caffemodel's blobs into them), net (the torch module),
operations (what an engine computes), engine (their names), plain/, fast/ and exact/ (the three), tensors (how kernels
see them), im2col (windows as columns), function (torch's Function with types); share (the images of a process),
recomputation (blobs computed again in backward), cuda_graphs (a net's pass replayed); files (the error for bad input,
and writing whole or not at all).
"""
