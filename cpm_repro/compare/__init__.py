"""Two programs' numbers held against each other: what differs first, and why.

In reading order: dump (what a net or a data layer computes, written down), dump_files (dumps read, an array at a time),
matlab_axes (whose axes a `.mat` has), order (which array a run makes when), blobs (the comparison); diagnosis (where
differences start, and why), origins (the same fault of several layers said once), causes (what is tried on two arrays),
layers (what is tried by running layers again), missing (arrays on one side only), machines (whose BLAS made a dump),
training_machines (… a trace or a log); text, page, drawings (what is said and shown).
"""
