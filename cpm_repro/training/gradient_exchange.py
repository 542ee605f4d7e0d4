"""How the gradients of several processes become those of the whole batch, the same on every process.

The exact engine adds the images' gradients in Caffe's order, one after the other. So a blob's gradient travels: each
process adds its images onto what the one before left, blob by blob as backward reaches them, and while the next
process adds, this one computes on: the result is that of one process, to the bit. The fast engine adds up what the
processes have, in buckets that are sent while backward goes on.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prototxt_import.net import Net
from prototxt_import.share import Share
from prototxt_import.tensors import gradient_of

from .processes import in_touch

_BUCKET = 1 << 22  # values: 16 MiB


def exchange_gradients(net: Net, share: Share, passes: int) -> "list[Relay] | list[Bucket]":
    """Makes the processes exchange gradients during backward; `passes` of it make an iteration.

    After the passes each of what is returned must `finish`, in order: then every process has the gradients of the
    whole batch. A process that trains alone gets nothing to finish.
    """
    if share.count == 1:
        return []
    learning = [blob.parameter for blob in net.learnable if blob.parameter.requires_grad]
    if net.engine.adds_parameter_gradients:
        return [Relay(parameter, share, tag) for tag, parameter in enumerate(learning)]
    return [Bucket(parameters, passes) for parameters in in_buckets(learning)]


class Relay:
    """The way of one blob's gradient through the processes: from each to the next, from the last to the first.

    So it passes every image in order, with `iter_size` several times. Gradients travel in the CPU's memory, by gloo.
    """

    def __init__(self, parameter: nn.Parameter, share: Share, tag: int) -> None:
        self._parameter = parameter
        setattr(parameter, "relay", self)  # noqa: B010  exact.gradients.Gradient looks for it
        self._first, self._tag = share.rank == 0, tag
        self._before, self._after = (share.rank - 1) % share.count, (share.rank + 1) % share.count
        self._sent: list[tuple[dist.Work | None, Tensor]] = []

    def receive(self, gradient: Tensor) -> None:
        """Overwrites the gradient with what the process before has; at the very first there is nothing yet."""
        if self._sent or not self._first:
            self._receive(gradient)

    def send(self, gradient: Tensor) -> None:
        """Hands the gradient on. It is written to again only after it went all the way round."""
        values = gradient.cpu()
        with in_touch():
            self._sent.append((dist.isend(values, self._after, tag=self._tag), values))

    def finish(self) -> None:
        """The whole gradient comes back to the first process and from there to all."""
        if not self._sent:
            return  # no gradient reached this blob
        if self._first:
            self._receive(gradient_of(self._parameter))
        with in_touch():
            dist.broadcast(gradient_of(self._parameter), 0)
        for work, _ in self._sent:
            _wait(work)
        self._sent.clear()

    def _receive(self, gradient: Tensor) -> None:
        values = gradient.cpu()
        with in_touch():
            dist.recv(values, self._before, tag=self._tag)
        if gradient.is_cuda:
            gradient.copy_(values)


def in_buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Neighbours together, until a bucket is full: the last ones first, as backward reaches them."""
    buckets: list[list[nn.Parameter]] = []
    size = _BUCKET
    for parameter in reversed(parameters):
        if size >= _BUCKET:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel()
    return buckets


class Bucket:
    """Parameters whose gradients are added up over the processes in one message, when all have arrived."""

    def __init__(self, parameters: list[nn.Parameter], passes: int) -> None:
        self._parameters = parameters
        self._awaited = len(parameters) * passes
        self._arrived = 0
        self._on_the_way: _Sum | None = None
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._arrive)

    def _arrive(self, _: nn.Parameter) -> None:
        self._arrived += 1
        if self._arrived == self._awaited:
            self._on_the_way = self._sent()

    def _sent(self) -> "_Sum":
        values = torch.cat([gradient_of(parameter).reshape(-1) for parameter in self._parameters])
        with in_touch():
            return _Sum(values, dist.all_reduce(values, async_op=True))

    def finish(self) -> None:
        """Every parameter's gradient becomes the sum."""
        total = self._on_the_way or self._sent()  # the latter for a blob that no gradient reached
        _wait(total.work)
        sums = torch.split(total.values, [parameter.numel() for parameter in self._parameters])
        for parameter, values in zip(self._parameters, sums, strict=True):
            gradient_of(parameter).copy_(values.reshape(parameter.shape))
        self._arrived, self._on_the_way = 0, None


class _Sum(NamedTuple):
    """What becomes the sum over the processes, when the work is done."""

    values: Tensor
    work: dist.Work | None


def _wait(work: dist.Work | None) -> None:
    with in_touch():
        if work is not None:
            work.wait()
