"""Training in several processes, on one machine or more, as torchrun starts them (gloo on the CPU, NCCL on cards).

Each process computes its share of every batch; `Share` (prototxt_import/share.py) says where images meet. How the
processes' gradients become one is in gradient_exchange.py.
"""

import ctypes
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from prototxt_import.files import InputError
from prototxt_import.function import Context, Function
from prototxt_import.net import Net
from prototxt_import.share import WHOLE_BATCH, Share

_OUT_OF_TOUCH = re.compile(r"gloo/transport/|ncclRemoteError")
"""What torch's errors say, which have no class of their own, if a connection breaks: gloo's name their source file."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PATIENCE = timedelta(minutes=10)  # with a process that neither answers nor hangs up


class ProcessShare(Share):
    """One of `count` equal parts of every batch, in the order of the processes' ranks."""

    def __init__(self) -> None:
        self.rank, self.count = dist.get_rank(), dist.get_world_size()

    def whole(self, part: Tensor) -> Tensor:
        part = part.detach().contiguous()
        parts = [torch.empty_like(part) for _ in range(self.count)]
        with in_touch():
            dist.all_gather(parts, part)
        return torch.cat(parts)

    def total(self, part: Tensor) -> Tensor:
        return _Total.apply(part)

    def any(self, flag: bool) -> bool:
        flags = torch.tensor(int(flag))
        with in_touch():
            dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def everyones(self, sentences: list[str]) -> list[str]:
        gathered: list[list[str]] = [[]] * self.count
        with in_touch():
            dist.all_gather_object(gathered, sentences)
        return [sentence for part in gathered for sentence in part]


class _Total(Function[Tensor]):
    """part -> Σ over the processes; the gradient is that of every part."""

    @staticmethod
    def forward(ctx: Context, part: Tensor) -> Tensor:
        total = part.clone()
        with in_touch():
            dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Context, gradient: Tensor) -> Tensor:
        return gradient


@contextmanager
def in_touch() -> Iterator[None]:
    """InputError, one sentence, if another process cannot be reached any more; other errors pass as they are."""
    try:
        yield
    except RuntimeError as error:
        if not (isinstance(error, dist.DistNetworkError) or _OUT_OF_TOUCH.search(str(error))):
            raise
        reason = re.sub(r"^\[.*?\] ", "", str(error)).split(". ")[0].strip()  # without source line and advice
        raise InputError(
            f"process {dist.get_rank()} of {dist.get_world_size()}: expected the others to go on, found that one has "
            f"ended ({reason})"
        ) from None


@contextmanager
def joined(device: str) -> Iterator[Share]:
    """This process's share of the batch: a part where torchrun started several processes, else the whole.

    On "cuda" every process of a machine takes a card of its own; InputError if there are too few.
    """
    if not dist.is_torchelastic_launched() or int(os.environ["WORLD_SIZE"]) == 1:
        yield WHOLE_BATCH
        return
    _end_with_parent()
    _check_parent()
    if device == "cuda":
        _take_card(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield ProcessShare()
    finally:
        dist.destroy_process_group()


def _end_with_parent() -> None:
    """torchrun's death, however it comes, is to this process what Ctrl-C is: it snapshots and stops."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _check_parent() -> None:
    """InputError if torchrun ended before that: who waits for the others would wait for `_PATIENCE`."""
    where = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":  # it was listening when it started this process
        try:
            socket.create_connection(where, _PATIENCE.total_seconds()).close()
        except ConnectionRefusedError:
            raise InputError(f"{where[0]}:{where[1]}: expected torchrun there, found nobody: it has ended") from None


def _take_card(number: int) -> None:
    cards = torch.cuda.device_count()
    if number >= cards:
        raise InputError(f"--device cuda: expected a card for each process of this machine, found {cards} of them")
    torch.cuda.set_device(number)


def check_shareable(net: Net, share: Share, where: str) -> None:
    """InputError, naming `where`, unless the processes can share the net's batch without changing what it computes."""
    if share.count == 1:
        return
    batch_size = next(iter(net.input_shapes.values()))[0]
    if batch_size % share.count:
        raise InputError(
            f"{where}: expected a batch_size that {share.count} processes share equally, found {batch_size}"
        )
    for layer in net.layers.values():
        if not layer.image_by_image:
            raise InputError(
                f"{where}: layer '{layer.spec.name}': expected a type that computes image by image, as training in "
                f"{share.count} processes needs it, found {layer.spec.type}"
            )
    for name, shape in net.blob_shapes.items():
        if name not in net.loss_weights and shape[:1] != (batch_size,):
            raise InputError(f"{where}: blob '{name}': expected {batch_size} images along axis 0, found shape {shape}")
