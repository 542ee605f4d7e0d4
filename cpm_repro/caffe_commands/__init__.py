"""Caffe's other commands (Caffe: tools/caffe.cpp), beside `caffe train`, which is `cpm_repro.training`.

In reading order: ready_net (a net with its data), scores (`caffe test`), layer_times (`caffe time`).
"""
