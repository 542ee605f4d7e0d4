"""How cost grows where it cannot be measured: cluster (a model of training on many cards), forecast (what it says of
the release's nets).
"""
