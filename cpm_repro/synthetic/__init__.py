"""Drawn people with known joints: what `make demo` trains on, with no download.

In reading order: pose (a body's angles), figure (skin, hair and clothes), scene (canvas and background), pictures (all
of it from a seed, with the table of joints).
"""
