"""What more threads bring, and more processes side by side: in inference, the data path and training."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.data_layer import CPMData, DataOptions

from .. import networks
from ..data import data_layer
from ..measure import Rates, repeated
from ..networks import Case
from ..train import train_engine

PATIENCE = 300  # seconds, for a process to get ready or to end a round
BATCH = 4

Job = Callable[[int], Callable[[], int]]
"""Of a number of threads, what does some work and counts it; pickles."""


def infer(case: Case, threads: int) -> Callable[[], int]:
    """Forward passes of the fast engine, counted in images."""
    return _counting(networks.run_engine(_with_threads(case, threads), "fast"), case)


def train(case: Case, threads: int) -> Callable[[], int]:
    """Iterations of the fast engine, counted in images."""
    return _counting(train_engine(_with_threads(case, threads), "fast"), case)


def make_samples(lmdb: Path, threads: int) -> Callable[[], int]:
    """Batches of the data layer, counted in samples."""
    data = CPMData(data_layer(lmdb, BATCH), Path(), GlibcRand(), options=DataOptions(threads=threads))

    def run() -> int:
        data.next_batch()
        return BATCH

    return run


def _with_threads(case: Case, threads: int) -> Case:
    return replace(case, workload=replace(case.workload, threads=threads))


def _counting(work: Callable[[], object], case: Case) -> Callable[[], int]:
    def run() -> int:
        work()
        return case.shape[0]

    return run


def side_by_side(job: Job, processes: int, threads: int, rounds: int) -> Rates:
    """What `processes` new processes with `threads` threads each do together per second, a number for each round.

    A round begins in all of them at once, and each does what takes it a tenth of a second or more; it is over when the
    last one is. RuntimeError if a process fails.
    """
    context = get_context("spawn")
    barrier, counts = context.Barrier(processes + 1), context.SimpleQueue()
    workers = [
        context.Process(target=_work, args=(job, threads, rounds, barrier, counts), daemon=True)
        for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    try:
        rates = []
        for _ in range(rounds):
            barrier.wait(PATIENCE)
            started = time.perf_counter()
            barrier.wait(PATIENCE)
            rates.append(sum(counts.get() for _ in workers) / (time.perf_counter() - started))
        return Rates(tuple(rates))
    except BrokenBarrierError:
        raise RuntimeError(f"one of {processes} processes failed, or did not answer for {PATIENCE} s") from None
    finally:
        for worker in workers:
            worker.join(5)
            worker.terminate()


def _work(job: Job, threads: int, rounds: int, barrier: Barrier, counts: Any) -> None:
    try:
        run = repeated(job(threads))
        run()
        for _ in range(rounds):
            barrier.wait(PATIENCE)
            counts.put(run())
            barrier.wait(PATIENCE)
    except BaseException:
        barrier.abort()
        raise


def over_workers(
    jobs: Mapping[str, Job], threads: Sequence[int], processes: Sequence[int], rounds: int
) -> list[dict[str, Any]]:
    """Rows of {"job", "threads", "processes", "rates", "efficiency"}: one process with several threads, and several
    with one thread each; the efficiency is the rate over that many times the rate of one thread."""
    rows = []
    for name, job in jobs.items():
        one = side_by_side(job, 1, 1, rounds)
        for count, many in [*((1, n) for n in threads), *((n, 1) for n in processes if n > 1)]:
            rates = one if (count, many) == (1, 1) else side_by_side(job, count, many, rounds)
            efficiency = rates.median / one.median / (count * many)
            rows.append({"job": name, "threads": many, "processes": count, "rates": rates, "efficiency": efficiency})
    return rows
