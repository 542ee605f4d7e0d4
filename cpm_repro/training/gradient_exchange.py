"""How the gradients of several processes become those of the whole batch, the same on every process.

The exact engine adds the images' gradients in Caffe's order, one after the other. So a blob's gradient travels: each
process adds its images onto what the one before left, blob by blob as backward reaches them, and while the next
process adds, this one computes on: the result is that of one process, to the bit. The fast engine adds up what the
processes have, in buckets that are sent while backward goes on.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from prototxt_import.net import Net
from prototxt_import.share import Share

from .processes import in_touch

_BUCKET = 1 << 22  # values: 16 MiB


def exchange_gradients(net: Net, share: Share, passes: int) -> "list[Relay] | list[Bucket]":
    """Makes the processes exchange gradients during backward; `passes` of it make an iteration.

    After the passes each of what is returned must `finish`, in order: then every process has the gradients of the
    whole batch. A process that trains alone gets nothing to finish.
    """
    if share.count == 1:
        return []
    learning = [blob.parameter for blob in net.learnable if blob.lr_mult]
    if net.engine.adds_parameter_gradients:
        return [Relay(parameter, share, tag) for tag, parameter in enumerate(learning)]
    return [Bucket(parameters, passes) for parameters in _in_buckets(reversed(learning))]


class Relay:
    """The way of one blob's gradient through the processes: from each to the next, from the last to the first.

    So it passes every image in order, with `iter_size` several times. Gradients travel in the CPU's memory, by gloo.
    """

    def __init__(self, parameter: nn.Parameter, share: Share, tag: int) -> None:
        self._parameter = parameter
        parameter.relay = self  # exact_tensors.Gradient looks for it
        self._first, self._tag = share.rank == 0, tag
        self._before, self._after = (share.rank - 1) % share.count, (share.rank + 1) % share.count
        self._sent: list[tuple[dist.Work, Tensor]] = []

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
            self._receive(self._parameter.grad)
        with in_touch():
            dist.broadcast(self._parameter.grad, 0)
            for work, _ in self._sent:
                work.wait()
        self._sent.clear()

    def _receive(self, gradient: Tensor) -> None:
        values = gradient.cpu()
        with in_touch():
            dist.recv(values, self._before, tag=self._tag)
        if gradient.is_cuda:
            gradient.copy_(values)


def _in_buckets(parameters: Iterable[nn.Parameter]) -> list[list[nn.Parameter]]:
    """Neighbours together, until a bucket is full."""
    buckets: list[list[nn.Parameter]] = []
    size = _BUCKET
    for parameter in parameters:
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
        self._sum: Tensor | None = None
        self._work: dist.Work | None = None
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._arrive)

    def _arrive(self, _: nn.Parameter) -> None:
        self._arrived += 1
        if self._arrived == self._awaited:
            self._start()

    def _start(self) -> None:
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._sum = torch.cat([parameter.grad.reshape(-1) for parameter in self._parameters])
        with in_touch():
            self._work = dist.all_reduce(self._sum, async_op=True)

    def finish(self) -> None:
        """Every parameter's gradient becomes the sum."""
        if self._work is None:
            self._start()  # a blob that no gradient reached
        with in_touch():
            self._work.wait()
        sums = self._sum.split([parameter.numel() for parameter in self._parameters])
        for parameter, values in zip(self._parameters, sums, strict=True):
            parameter.grad.copy_(values.reshape(parameter.shape))
        self._arrived, self._sum, self._work = 0, None, None
