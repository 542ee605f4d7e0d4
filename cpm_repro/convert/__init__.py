"""A net's weights in other forms, the same bits, and the net itself in ONNX.

In reading order: weights (the files, and `load`), stored_weights (any of them into any net), state_dicts (those of
other people's trainings), channel_order (RGB to BGR), check (both sides run and compared; opencv/: OpenCV as another
reader); onnx_graph (a graph that grows layer by layer), onnx_layers (every layer's nodes), onnx_windows (those of
windows), onnx_forks (those of forks), onnx_export (the file); exported_program (torch.export's), python_functions (what
a file of Python takes along), python_layers, python_forks and python_export (that file).
"""
