"""Which images of a batch a process computes, where several train one net (Caffe: solver_rank, solver_count).

The batch of the prototxt is the whole batch. Layers ask their share where images meet: the loss, which divides by the
number of images, and dropout, whose numbers are drawn image after image.
"""

from torch import Tensor


class Share:
    """All of the batch: a process that trains alone. One of several has another (cpm_repro/training/processes.py)."""

    rank = 0
    count = 1  # of processes

    def rows(self, images: int) -> slice:
        """This process's images of a batch of so many, which `count` divides."""
        own = images // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def whole(self, part: Tensor) -> Tensor:
        """The blob of the whole batch, from this process's images (n, …) of it; without gradient."""
        return part

    def total(self, part: Tensor) -> Tensor:
        """The sum over all processes; its gradient is the gradient of each part."""
        return part

    def any(self, flag: bool) -> bool:
        """Whether any process says so."""
        return flag

    def everyones(self, sentences: list[str]) -> list[str]:
        """Those of all processes, in the order of the batch."""
        return sentences


WHOLE_BATCH = Share()
