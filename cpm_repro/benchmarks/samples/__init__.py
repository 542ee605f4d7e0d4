"""What makes training samples, to be measured beside each other.

makers: this project and its peers, from the same records, places and dice; a module per library: with_opencv,
with_albumentations, with_kornia; one_warp: the step that these have in common.
"""
