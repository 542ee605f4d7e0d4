"""Trained models that come with the package, by name: for whoever has none; and what must be known of any.

In reading order: zoo (what there is, and its files), training_facts (what testing must know of a training). Each model
is a folder beside it: `deploy.prototxt` and `weights.caffemodel` are Caffe's own formats, `train.prototxt` and
`solver.prototxt` made it, and `model.json` says what it was trained on, how, under which terms, and what it scores.
docs/models.md tells more.
"""
