"""The plain engine: Caffe's operations by torch's own and nothing else; the fast engine is made of it.

In reading order: operations (the engine), losses, bilinear (values of maps between their pixels).
"""
