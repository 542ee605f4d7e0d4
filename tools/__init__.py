"""One script per job, each of which reads top to bottom: parses arguments, calls the library, prints.

`python tools/train.py` in a checkout; installed, this folder is `cpm_repro.tools` and the same job is `cpm train`.
In the order of the work:

make_people (drawn people to try everything on), make_json, make_lmdb, inspect_lmdb: from photographs to records
make_prototxt, show_net, convert: networks and their weights
show_batch, train, plot_log: training; test, time: as `caffe test` and `caffe time`
models (which come with the package), demo, evaluate: poses, and how good they are
study: the paper's experiments, one command each
dump, caffe_dump (runs where Caffe is), compare: two programs' numbers held against each other
bench: how fast it is; card: all that only a CUDA card can show; walkthrough: all of it on drawn people
"""
