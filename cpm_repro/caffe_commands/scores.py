"""`caffe test`: a net's outputs over some batches of its own data, and their means (Caffe: tools/caffe.cpp, test())."""

from collections.abc import Iterator

from cpm_repro.training.log import glog_line, loss_share, number
from cpm_repro.training.testing import Means

from .ready_net import ReadyNet


def scored(ready: ReadyNet, iterations: int) -> Iterator[str]:
    """Caffe's lines, as they come: each batch's outputs, the mean loss, the mean outputs."""
    yield glog_line(f"Running for {iterations} iterations.", "caffe.cpp:285")
    means = Means(ready.net)
    for batch in range(iterations):
        for name, value in means.add_batch(ready.data):
            yield glog_line(f"Batch {batch}, {name} = {number(value)}", "caffe.cpp:308")
    yield glog_line(f"Loss: {number(means.loss)}", "caffe.cpp:313")
    for name, mean in means.outputs:
        share = loss_share(mean, ready.net.loss_weights.get(name, 0))
        yield glog_line(f"{name} = {number(mean)}{share}", "caffe.cpp:325")
