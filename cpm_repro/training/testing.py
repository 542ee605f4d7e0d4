"""Tests while training: a test net takes over the training net's blobs and goes over some batches (Caffe:
Solver::Test, Net::ShareTrainedLayersWith).

Also what both phases ask of a pass: its outputs value by value, its loss, summed up in float32 as Caffe does, and the
mean of several losses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.exact.blas import dot
from cpm_repro.samples.data_layers import DataLayers
from prototxt_import.files import InputError
from prototxt_import.net import Net

from .plan import SolverNet

Values = list[tuple[str, np.float32]]
"""Outputs of a net in Caffe's order, those of several values once for each."""


@dataclass
class TestNet:
    """A net that is tested: where it stands, its data, and over how many batches."""

    __test__ = False  # pytest would take it for a test

    origin: SolverNet
    net: Net
    data: DataLayers
    iterations: int


@dataclass(frozen=True)
class Tested:
    """What a test found: the means of the outputs, and of the loss; `ignored`: layers of the training net that the
    test net has not."""

    __test__ = False

    number: int
    ignored: list[str]
    means: Values
    loss: np.float32


def run_test(test: TestNet, number: int, trained: Net, stops: Callable[[], bool]) -> Tested | None:
    """Tests once; None if `stops` said so before a pass."""
    ignored = test.net.share_trained_layers(trained)
    means = Means(test.net)
    for _ in range(test.iterations):
        if stops():
            return None
        means.add_batch(test.data)
    return Tested(number, ignored, means.outputs, means.loss)


class Means:
    """The means of a net's outputs and of its loss over batches, added up in float32 as Caffe does."""

    def __init__(self, net: Net) -> None:
        self._net, self._batches = net, 0
        self._names: list[str] = []
        self._sums, self._loss = np.zeros(0, np.float32), np.float32(0)

    def add_batch(self, data: DataLayers) -> Values:
        """The net's outputs of the next batch, which join the means."""
        with torch.no_grad():
            blobs = self._net(data.next_batch())
        values = output_values(self._net, blobs)
        scores = np.array([value for _, value in values], np.float32)
        self._names = [name for name, _ in values]
        self._sums = self._sums + scores if self._batches else scores  # 0 + -0 would not be -0
        self._loss += loss_value(self._net, blobs)
        self._batches += 1
        return values

    @property
    def outputs(self) -> Values:
        """The mean of every value of the outputs."""
        return list(zip(self._names, self._sums / np.float32(self._batches), strict=True))

    @property
    def loss(self) -> np.float32:
        """The mean loss."""
        return np.float32(self._loss / np.float32(self._batches))


def output_values(net: Net, blobs: Mapping[str, Tensor]) -> Values:
    """Every value of the net's outputs."""
    outputs = {name: blobs[name].detach().float().cpu().numpy().ravel() for name in net.output_names}
    return [(name, value) for name, values in outputs.items() for value in values]


def loss_value(net: Net, blobs: Mapping[str, Tensor]) -> np.float32:
    """Σ loss_weight · top over all losses, added up in the order of the layers (Net::ForwardFromTo)."""
    loss = np.float32(0)
    for name, weight in net.loss_weights.items():
        values = blobs[name].detach().float().cpu().contiguous().numpy().ravel()
        loss += dot(values, np.full(values.size, weight, np.float32), net.engine.profile)
    return loss


class SmoothedLoss:
    """The mean of the last `length` losses, as a solver displays it (Solver::UpdateSmoothedLoss).

    Caffe does not add them up anew: it changes the mean by what a new loss differs from the one that it replaces, in
    float32, so that roundings stay in it. losses: each in the place where it was put.
    """

    def __init__(self, length: int) -> None:
        self._length, self._next = length, 0
        self.value = np.float32(0)
        self.losses: list[np.float32] = []

    def add(self, loss: float | np.float32) -> None:
        """Takes in the loss of an iteration."""
        new = np.float32(loss)
        if len(self.losses) < self._length:
            self.losses.append(new)
            count = len(self.losses)
            self.value = (self.value * np.float32(count - 1) + new) / np.float32(count)
            return
        self.value += (new - self.losses[self._next]) / np.float32(self._length)
        self.losses[self._next] = new
        self._next = (self._next + 1) % self._length

    def state(self) -> np.ndarray:
        """What `restore` takes: float32, the mean, the place of the next loss, and the losses."""
        return np.array([self.value, self._next, *self.losses], np.float32)

    def restore(self, state: np.ndarray) -> None:
        """Continues from a `state()`; InputError if it is none of this length."""
        values = state.ravel().astype(np.float32)
        place = int(values[1]) if len(values) >= 2 and np.isfinite(values[1]) else -1
        if not 2 <= len(values) <= 2 + self._length or not 0 <= place < self._length:
            raise InputError(f"losses: expected those of average_loss {self._length}, found {values[:5].tolist()}")
        self.value, self._next, self.losses = values[0], place, list(values[2:])
