"""Cost over the number of images: finding maps, making training samples, training.

Nets and pictures are small, so that 10,000 of them take a minute; the release's CPM goes as far as time allows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.network.specification import Widths
from cpm_repro.samples.data_layer import CPMData, DataOptions

from .. import networks
from ..data import data_layer
from ..networks import Workload
from ..train import train_engine
from .growth import Series, grow

BATCH = 10  # images; a single one is a batch of its own
NARROW, NARROW_SIZE, NARROW_STAGES = Widths(8, 8, 16, 8), 64, 2
WHAT = "images"

Open = Callable[[int], Callable[[], object]]
"""Of the number of images in a batch, what computes one batch."""


def over_images(
    counts: Sequence[int], threads: int, lmdb: Path, rounds: int, limit: float, release: bool
) -> list[Series]:
    """The series, each with `threads` threads; `release`: the release's CPM, too."""
    narrow = Workload("cpm", threads, NARROW_SIZE, stages=NARROW_STAGES, widths=NARROW)
    release_net = [("inference, the release's CPM", Workload("cpm", threads), 1)] if release else []
    found = []
    for name, workload, batch in [*release_net, ("inference, a narrow net", narrow, BATCH)]:
        with computing(workload) as open_batch:
            found.append(grow(name, WHAT, counts, batches(open_batch, batch), rounds, limit))
    found.append(grow("data path", WHAT, counts, lambda count: samples(lmdb, count, threads), rounds, limit))
    with computing(replace(narrow, phase="TRAIN")) as open_batch:
        found.append(grow("training, a narrow net", WHAT, counts, batches(open_batch, BATCH), rounds, limit))
    return found


@contextmanager
def computing(workload: Workload) -> Iterator[Open]:
    """Forward passes of the fast engine, or iterations in the TRAIN phase."""
    with networks.weights_of(workload) as weights:

        def open_batch(images: int) -> Callable[[], object]:
            with networks.case_of(replace(workload, batch=images), weights) as case:
                return (train_engine if workload.phase == "TRAIN" else networks.run_engine)(case, "fast")

        yield open_batch


def batches(open_batch: Open, most: int) -> Callable[[int], Callable[[], None]]:
    """Of a number of images, what computes them, `most` at a time."""

    def make(count: int) -> Callable[[], None]:
        size = min(count, most)
        batch = open_batch(size)
        batch()

        def run() -> None:
            for _ in range(count // size):
                batch()

        return run

    return make


def samples(lmdb: Path, count: int, threads: int) -> Callable[[], None]:
    """The data layer, opened, asked for so many samples, and closed."""
    size = min(count, BATCH)
    layer, options = data_layer(lmdb, size), DataOptions(threads=threads)

    def run() -> None:
        with CPMData(layer, Path(), GlibcRand(), options=options) as data:
            for _ in range(count // size):
                data.next_batch()

    return run
