"""How good poses are (the paper's section 4): PCK for LSP and FLIC, PCKh for MPII.

In reading order: ground_truth (whom poses are judged by), pck, pckh (the metrics), misses (what was mistaken for what),
predictions (poses that were found, from networks and files), scoring (a benchmark as a whole), mpii_release (head
boxes, and what MPII's server asks for), held_out (people whom a net is shown while it trains), detection (how many
people are found at all).
"""
