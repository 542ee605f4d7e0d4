"""Caffe's file formats and layers: `.prototxt`, `.caffemodel`, `.solverstate`, `.h5` to torch modules, and back."""
