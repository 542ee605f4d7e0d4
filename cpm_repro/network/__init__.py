"""The pose machine itself (the paper's section 3): its nets written down, and what they can see.

In reading order: specification (CPM, CPM-VGG and the person detector as Caffe nets, stage by stage), stages (which
blobs are a stage's), receptive_field (which pixels a belief depends on), summary (shapes, parameters, work).
"""
