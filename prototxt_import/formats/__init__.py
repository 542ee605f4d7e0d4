"""Caffe's files: prototxts, caffemodels and solver states, of every year, as protobuf messages and NumPy arrays.

In reading order: schema (the messages of caffe.proto; stub says their types), prototxt (their text), own_fields (what
no message has), forks (whose that is), messages (binary ones; fields), blobs (their numbers), caffemodel (weights),
solverstate, hdf5 (both in HDF5), upgrade and upgrade_v0 (old nets brought to today's form).
"""
