"""The likely causes of a difference: each suspicion is an operation that is tried, and named if it turns one side into
the other.

In reading order: cause (when an explanation is good enough), arrangements, scales, pictures (the suspicions
about two arrays), arrays (which of them fits); layer_runs, layer_settings, layer_formulas, layer_fields, layer_inputs,
layer_weights (layers run again as others would have run them), solved_weights (those they must have had), layers (which
of these fits); machines (whose BLAS it was); traces (of training).
"""
