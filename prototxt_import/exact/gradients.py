"""Parameters' gradients of the exact engine, which add up where Caffe adds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from prototxt_import.tensors import array


class Relay(Protocol):
    """Hands a gradient from process to process."""

    def receive(self, gradient: Tensor) -> None: ...

    def send(self, gradient: Tensor) -> None: ...


class Gradient:
    """Where a parameter's gradient goes, to be used in a backward pass as

        gradient = Gradient(parameter, needed)
        if gradient.needed: add(gradient.values)
        return gradient.done()

    Caffe adds every image's share onto what the parameter's diff holds already (from earlier images, passes with
    iter_size, layers that share the blob). So for a net's parameter `values` is its `.grad` itself, and autograd gets
    nothing to add; for any other tensor `values` starts at zero and is returned. Where other processes have the images
    before and after, the parameter has a `relay`: `values` start as the one before left them and go to the one after.
    """

    def __init__(self, parameter: Tensor | None, needed: bool) -> None:
        self.needed = needed
        self._result: Tensor | None = None
        self._relay: Relay | None = None
        if not needed or parameter is None:
            return
        owner: Tensor = getattr(parameter, "owner", parameter)  # of a blob that another layer has in another shape
        if isinstance(owner, nn.Parameter):
            if owner.grad is None:
                owner.grad = torch.zeros_like(owner, memory_format=torch.contiguous_format)
            self._relay = getattr(owner, "relay", None)
            if self._relay is not None:
                self._relay.receive(owner.grad)
            self.values = owner.grad.view(parameter.shape)
        else:
            self.values = self._result = torch.zeros_like(owner, memory_format=torch.contiguous_format)

    def done(self) -> Tensor | None:
        """To be called when the values are added; returns what is left to autograd to add."""
        if self._relay is not None:
            self._relay.send(self.values)
        return self._result

    @contextmanager
    def on_host(self) -> Iterator[np.ndarray]:
        """The values as an array to add to."""
        values = array(self.values)
        yield values
        if self.values.is_cuda:
            self.values.copy_(torch.from_numpy(values))
