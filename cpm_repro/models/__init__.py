"""Trained models that come with the package, by name: for whoever has none.

In reading order: zoo (what there is, and its files). Each model is a folder beside it: `deploy.prototxt` and
`weights.caffemodel` are Caffe's own formats, `train.prototxt` and `solver.prototxt` made it, and `model.json` says what
it was trained on, how, under which terms, and what it scores. docs/models.md tells more.
"""
