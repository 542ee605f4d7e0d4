"""Two programs' numbers held against each other: what differs first, and why.

In reading order: dump (what a net or a data layer computes, written down), dump_files (dumps read, an array at a time),
order (which array a run makes when), blobs (the comparison); diagnosis (where differences start, and why),
array_causes, layer_causes, trace_causes (the causes that are tried); text, page, drawings (what is said and shown).
"""
