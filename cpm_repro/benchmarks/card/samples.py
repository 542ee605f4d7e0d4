"""What the data path's kernels do on a card: their rate, the bytes they move, and the share of the card's bandwidth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.samples.rand import GlibcRand
from cpm_kernels.samples.sample import set_regions
from cpm_repro.benchmarks.measure import seconds_on_device
from cpm_repro.samples.batch import gather
from cpm_repro.samples.transformer import CPMTransformer
from data_lmdb.joints import STORED_16
from data_lmdb.records.record import decode

COPIED = 1 << 29  # bytes, more than any cache holds
REPEATS = 20
_SATURATED = 0.7  # of the copy bandwidth: from here on memory is the limit


class Timer(Protocol):
    """Seconds that the work takes on a device, see `measure.seconds_on_device`."""

    def __call__(self, work: Callable[[], Any], /, repeats: int, device: torch.device) -> float: ...


@dataclass
class KernelBatch:
    """What the kernels are called with, see `cuda.CudaSamples`, and the seconds a core took to prepare it."""

    arguments: tuple[Any, ...]
    preparing: float
    uploaded: int  # bytes
    moved: int  # bytes that the kernels read and write


def kernel_batch(transformer: CPMTransformer, values: Sequence[bytes], size: int, device: torch.device) -> KernelBatch:
    """`size` samples of the records, images and tables on the device, and tensors for the results."""
    started = perf_counter()
    random, shape = GlibcRand(), transformer.shape
    records = [decode(values[number % len(values)], len(STORED_16), "record") for number in range(size)]
    placed = [transformer.place(record, transformer.draw(random)) for record in records]
    buffer, rows, *people = gather(placed, shape.parts, [partial(np.empty, dtype=np.uint8)] * 4)
    regions = set_regions(rows, shape)
    preparing = perf_counter() - started
    sent = [torch.from_numpy(array).to(device) for array in (buffer, rows.view(np.uint8).reshape(size, -1), *people)]
    made = [torch.empty((size, *of), device=device) for of in (shape.data_shape, shape.label_shape)]
    largest = (int(rows["region_rows"].max()), int(rows["region_columns"].max()))
    uploaded = sum(tensor.nbytes for tensor in sent)
    moved = uploaded + 2 * 4 * regions + sum(tensor.nbytes for tensor in made)
    return KernelBatch((*sent, regions, largest, *made), preparing, uploaded, moved)


def measure_card(
    transformer: CPMTransformer,
    values: Sequence[bytes],
    kernels: Callable[..., None],
    pipeline: float,
    threads: int,
    size: int = 256,
    device: str = "cuda",
    timer: Timer = seconds_on_device,
) -> dict[str, Any]:
    """The card's part of the report.

    kernels: a CudaSamples; pipeline: samples/s of the data layer on this device with that many threads; timer: as
    `measure.seconds_on_device`.
    """
    batch = kernel_batch(transformer, values, size, torch.device(device))
    time = partial(timer, repeats=REPEATS, device=torch.device(device))
    seconds = time(lambda: kernels(*batch.arguments))
    copied, uploaded = _copies(torch.device(device))
    bandwidth = 2 * COPIED / time(copied)
    upload = COPIED / time(uploaded)
    share = batch.moved / seconds / bandwidth
    rates = {
        "the kernels": size / seconds,
        "the upload": upload / (batch.uploaded / size),
        "decoding and placing on the CPU": threads * size / batch.preparing,
    }
    return {
        "kernels": rates["the kernels"],
        "pipeline": pipeline,
        "bytes_moved": batch.moved / size,
        "bytes_uploaded": batch.uploaded / size,
        "copy_bandwidth": bandwidth,
        "upload_bandwidth": upload,
        "share_of_copy_bandwidth": share,
        "kernels_limited_by": "memory" if share >= _SATURATED else "arithmetic and latency",
        "bounds": rates,
        "pipeline_limited_by": min(rates, key=rates.__getitem__),
    }


def _copies(device: torch.device) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """A copy within the card, and one from pinned memory to the card."""
    source, target = (torch.empty(COPIED, dtype=torch.uint8, device=device) for _ in range(2))
    pinned = torch.empty(COPIED, dtype=torch.uint8, pin_memory=device.type == "cuda")
    return lambda: target.copy_(source), lambda: target.copy_(pinned, non_blocking=True)
