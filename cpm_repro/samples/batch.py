"""Batches in the making: samples of a CPMData layer on their way into tensors, on the CPU or on a CUDA device.

Caffe's `Batch` of its prefetching data layers. A batch is filled again and again, so that in the long run nothing is
allocated: `begin`, `add` for every sample (in any order, by any thread), `finish`, and `take` by the one who trains.
What `take` gave stays as it is until the next `begin`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.samples.cuda import CudaSamples
from cpm_kernels.samples.sample import SAMPLE, fill_sample, set_regions
from data_lmdb.records.record import Record

from .transformer import Augmentation, CPMTransformer, Placed

_ALIGNMENT = 16  # bytes, of each image in the buffer


class Batch(Protocol):
    """What CPMData asks of a batch of `size` samples.

    data is float32 (size, 4, crop_y, crop_x), label (size, 2 (P+1), crop_y/stride, crop_x/stride) or None.
    """

    def begin(self) -> None:
        """From now on the tensors may change; called by the one who trains."""

    def add(self, row: int, record: Record, augmentation: Augmentation, where: str) -> None:
        """Takes in sample `row`; InputError, naming `where`, if the record cannot be scaled or placed."""

    def finish(self) -> None:
        """Called once, when all samples are in."""

    def take(self) -> tuple[Tensor, Tensor | None]:
        """data and label; called by the one who trains."""


class HostBatch:
    """A batch in the CPU's memory: `add` does all the work of its sample."""

    def __init__(self, transformer: CPMTransformer, size: int, with_label: bool):
        shape = transformer.shape
        self.transformer = transformer
        self.data = torch.empty((size, *shape.data_shape))
        self.label = torch.empty((size, *shape.label_shape)) if with_label else None

    def begin(self) -> None:
        pass

    def add(self, row: int, record: Record, augmentation: Augmentation, where: str) -> None:
        label = None if self.label is None else self.label[row].numpy()
        self.transformer.apply(record, augmentation, where, self.data[row].numpy(), label)

    def finish(self) -> None:
        pass

    def take(self) -> tuple[Tensor, Tensor | None]:
        return self.data, self.label


class CudaBatch:
    """A batch on a CUDA device: `add` places its sample, `finish` sends all images in one buffer and launches the
    kernels, on `stream`, beside the one that trains."""

    def __init__(self, transformer: CPMTransformer, size: int, with_label: bool, stream: "torch.cuda.Stream"):
        shape, device = transformer.shape, stream.device
        self.transformer, self.stream = transformer, stream
        self.kernels = CudaSamples(shape)
        self.data = torch.empty((size, *shape.data_shape), device=device)
        self.label = torch.empty((size, *shape.label_shape), device=device) if with_label else None
        self._placed: dict[int, Placed] = {}
        self._mirrors = [_Mirror(device) for _ in range(4)]
        self._sent, self._ready, self._taken = (torch.cuda.Event() for _ in range(3))

    def begin(self) -> None:
        self._taken.record(torch.cuda.current_stream(self.data.device))

    def add(self, row: int, record: Record, augmentation: Augmentation, where: str) -> None:
        self._placed[row] = self.transformer.place(record, augmentation, where)

    def finish(self) -> None:
        self._sent.synchronize()  # the pinned memory is read no more
        placed = [self._placed[row] for row in range(len(self.data))]
        _, samples, _, _ = gather(placed, self.transformer.shape.parts, [mirror.room for mirror in self._mirrors])
        regions = set_regions(samples, self.transformer.shape)
        largest = (int(samples["region_rows"].max()), int(samples["region_columns"].max()))
        with torch.cuda.stream(self.stream):
            self.stream.wait_event(self._taken)
            images, rows, joints, centres = (mirror.send() for mirror in self._mirrors)
            self._sent.record(self.stream)
            rows = rows.reshape(len(samples), SAMPLE.itemsize)
            joints = joints.view(torch.float32).reshape(-1, self.transformer.shape.parts, 3)
            centres = centres.view(torch.float32).reshape(-1, 2)
            self.kernels(images, rows, joints, centres, regions, largest, self.data, self.label)
            self._ready.record(self.stream)

    def take(self) -> tuple[Tensor, Tensor | None]:
        torch.cuda.current_stream(self.data.device).wait_event(self._ready)
        return self.data, self.label


def gather(
    placed: Sequence[Placed], parts: int, rooms: Sequence[Callable[[int], np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """One buffer of all images, uint8; the rows of `SAMPLE` without regions; all people's joints; and their centres.

    `rooms` give that many bytes, uint8, for each of the four.
    """
    sizes = [-(-sample.image.size // _ALIGNMENT) * _ALIGNMENT for sample in placed]
    people = [len(sample.pose.points) for sample in placed]
    counts = (sum(sizes), len(placed) * SAMPLE.itemsize, sum(people) * parts * 12, sum(people) * 8)
    images, rows, joints, centres = (room(count) for room, count in zip(rooms, counts, strict=True))
    rows, joints = rows.view(SAMPLE), joints.view(np.float32).reshape(sum(people), parts, 3)
    centres = centres.view(np.float32).reshape(sum(people), 2)
    rows.fill(0)
    image_offset = first_person = 0
    for row, sample, size, count in zip(rows, placed, sizes, people, strict=True):
        image = _copy(sample.image, images[image_offset:])
        joints[first_person : first_person + count] = sample.pose.joints
        centres[first_person : first_person + count] = sample.pose.objpos
        fill_sample(row, image, sample.geometry, count, image_offset, first_person)
        image_offset, first_person = image_offset + size, first_person + count
    return images, rows, joints, centres


class _Mirror:
    """Bytes in pinned memory and their copy on a device; both grow when there is need."""

    def __init__(self, device: torch.device):
        self._pinned = torch.empty(0, dtype=torch.uint8)
        self._sent = torch.empty(0, dtype=torch.uint8, device=device)
        self._count = 0

    def room(self, count: int) -> np.ndarray:
        """uint8 (count,) to write to."""
        if count > len(self._pinned):
            self._pinned = torch.empty(count + count // 4, dtype=torch.uint8, pin_memory=True)
        self._count = count
        return self._pinned.numpy()[:count]

    def send(self) -> Tensor:
        """Starts the copy on the current stream; returns the device's bytes."""
        if self._count > len(self._sent):
            self._sent = torch.empty(len(self._pinned), dtype=torch.uint8, device=self._sent.device)
        sent = self._sent[: self._count]
        return sent.copy_(self._pinned[: self._count], non_blocking=True)


def _copy(image: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The image at the beginning of the bytes `to`, planes staying planes."""
    to = to[: image.size]
    planes = image.transpose(2, 0, 1)
    copied = to.reshape(planes.shape).transpose(1, 2, 0) if planes.flags.c_contiguous else to.reshape(image.shape)
    np.copyto(copied, image)
    return copied
