"""`caffe test`: a net's outputs over some batches of its own data, and their means (Caffe: tools/caffe.cpp, test())."""

from collections.abc import Iterator

import numpy as np
import torch

from cpm_repro.training.log import glog_line, loss_share, number
from cpm_repro.training.testing import loss_value, output_values

from .ready_net import ReadyNet


def scored(ready: ReadyNet, iterations: int) -> Iterator[str]:
    """Caffe's lines, as they come: each batch's outputs, the mean loss, the mean outputs."""
    yield glog_line(f"Running for {iterations} iterations.", "caffe.cpp:285")
    net, loss, sums = ready.net, np.float32(0), np.zeros(0, np.float32)
    names: list[str] = []
    for batch in range(iterations):
        with torch.no_grad():
            blobs = net(ready.data.next_batch())
        values = output_values(net, blobs)
        for name, value in values:
            yield glog_line(f"Batch {batch}, {name} = {number(value)}", "caffe.cpp:308")
        names, scores = [name for name, _ in values], np.array([value for _, value in values], np.float32)
        sums = scores if batch == 0 else sums + scores
        loss += loss_value(net, blobs)
    count = np.float32(iterations)
    yield glog_line(f"Loss: {number(loss / count)}", "caffe.cpp:313")
    for name, mean in zip(names, sums / count, strict=True):
        share = loss_share(mean, net.loss_weights.get(name, 0))
        yield glog_line(f"{name} = {number(mean)}{share}", "caffe.cpp:325")
