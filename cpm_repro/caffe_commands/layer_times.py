"""`caffe time`: how long each layer takes forward and backward (Caffe: tools/caffe.cpp, time()).

Every layer is computed alone: its bottoms are cut off from what made them, and in backward it gets its tops' gradients
and hands on its bottoms'. So the sum of the layers may be more than a whole pass takes.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from cpm_repro.training.log import glog_line, number
from cpm_repro.training.testing import loss_value
from prototxt_import.layers.layer import Layer

from .ready_net import ReadyNet

Blobs = dict[str, Tensor]


class LayerPasses:
    """Passes of a net, layer by layer. forward_seconds, backward_seconds: by layer, over all passes."""

    def __init__(self, ready: ReadyNet) -> None:
        self._ready = ready
        self.forward_seconds: defaultdict[str, float] = defaultdict(float)
        self.backward_seconds: defaultdict[str, float] = defaultdict(float)
        self._done: list[tuple[str, Layer, Blobs, Blobs]] = []

    def forward(self) -> Blobs:
        """All layers forward, each with its bottoms and tops kept for `backward`."""
        blobs: Blobs = {}
        self._done.clear()
        for name, layer in self._ready.net.named_layers():
            with_gradient = {blob: tensor.requires_grad for blob, tensor in blobs.items()}
            cut = {blob: blobs[blob].detach().requires_grad_(with_gradient[blob]) for blob in layer.spec.bottom}
            local = dict(cut)
            if layer.is_source:
                self.forward_seconds[name] += self._timed(partial(self._take, name, local))
            else:
                self.forward_seconds[name] += self._timed(partial(layer.compute, local))
            tops = {top: local[top] for top in layer.spec.top}
            self._done.append((name, layer, cut, tops))
            blobs.update(tops)
        return blobs

    def backward(self) -> None:
        """All layers backward, from what `forward` kept."""
        weights = self._ready.net.loss_weights
        gradients: Blobs = {}
        for name, layer, bottoms, tops in reversed(self._done):
            for top, blob in tops.items():
                if top in weights and blob.requires_grad:
                    gradients[top] = torch.full_like(blob, weights[top])
            incoming = [(tops[top], gradients.pop(top)) for top in dict.fromkeys(layer.spec.top) if top in gradients]
            incoming = [(blob, gradient) for blob, gradient in incoming if blob.requires_grad]
            if incoming:
                self.backward_seconds[name] += self._timed(partial(_back, incoming))
            found = {bottom: blob.grad for bottom, blob in bottoms.items() if blob.grad is not None}
            gradients.update({bottom: gradient for bottom, gradient in found.items() if gradient is not None})

    def _take(self, layer: str, blobs: Blobs) -> None:
        device = self._ready.data.device
        blobs.update({top: blob.to(device) for top, blob in self._ready.data[layer].next_batch().items()})

    def _timed(self, work: Callable[[], object]) -> float:
        start = self.now()
        work()
        return self.now() - start

    def now(self) -> float:
        """Seconds, after a card has done what it was asked to."""
        if self._ready.data.device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()


def _back(given: list[tuple[Tensor, Tensor]]) -> None:
    torch.autograd.backward([blob for blob, _ in given], [gradient for _, gradient in given])


def timed(ready: ReadyNet, iterations: int) -> Iterator[str]:
    """Caffe's lines, as they come: the first loss, each iteration's time, the layers' means, the sums."""
    passes = LayerPasses(ready)
    yield glog_line("Performing Forward", "caffe.cpp:355")
    loss = loss_value(ready.net, passes.forward())
    yield glog_line(f"Initial loss: {number(loss)}", "caffe.cpp:360")
    yield glog_line("Performing Backward", "caffe.cpp:361")
    passes.backward()
    yield glog_line("*** Benchmark begins ***", "caffe.cpp:369")
    yield glog_line(f"Testing for {iterations} iterations.", "caffe.cpp:370")
    passes = LayerPasses(ready)
    forward = backward = 0.0
    for iteration in range(iterations):
        start = passes.now()
        passes.forward()
        middle = passes.now()
        passes.backward()
        end = passes.now()
        forward, backward = forward + middle - start, backward + end - middle
        whole = int((end - start) * 1000)
        yield glog_line(f"Iteration: {iteration + 1} forward-backward time: {whole} ms.", "caffe.cpp:398")
    yield from _means(passes, iterations)
    total = int((forward + backward) * 1000)
    for line, name, value in (
        (412, "Average Forward pass", forward * 1000 / iterations),
        (414, "Average Backward pass", backward * 1000 / iterations),
        (416, "Average Forward-Backward", total / iterations),
        (418, "Total Time", total),
    ):
        yield glog_line(f"{name}: {number(value)} ms.", f"caffe.cpp:{line}")
    yield glog_line("*** Benchmark ends ***", "caffe.cpp:419")


def _means(passes: LayerPasses, iterations: int) -> Iterator[str]:
    yield glog_line("Average time per layer: ", "caffe.cpp:401")
    for name in passes.forward_seconds:
        for line, way, seconds in (
            (404, "forward", passes.forward_seconds[name]),
            (407, "backward", passes.backward_seconds[name]),
        ):
            milliseconds = int(seconds * 1e6) / 1000 / iterations
            yield glog_line(f"{name:>10}\t{way}: {number(milliseconds)} ms.", f"caffe.cpp:{line}")
