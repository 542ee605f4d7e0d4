"""The pose machine itself (the paper's section 3): its nets written down, and what they can see.

In reading order: builder (nets put together layer by layer), specification (CPM, CPM-VGG and the person detector as
Caffe nets, stage by stage), widths (channels for a given number of parameters), small (a CPM that a CPU learns in
hours), stages (which blobs are a stage's), receptive_field (which pixels a belief depends on), summary (shapes,
parameters, work).
"""
