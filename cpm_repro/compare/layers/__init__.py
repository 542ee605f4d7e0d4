"""Layers run again as others would have run them, on recorded bottoms: what then makes a side's blob is its cause.

In reading order: runs (layers of a net on given bottoms), pieces (of large maps), windows, settings, formulas, fields,
inputs, weights (what is tried), outputs, solved_weights (the blobs that a side must have had), explanation (which of
these fits); machines (whose BLAS it was).
"""
