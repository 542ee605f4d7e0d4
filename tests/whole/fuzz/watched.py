"""Hands broken files to their readers, one after another, and notes what they should not have done.

A reader may take the file or refuse it with an InputError of one sentence that names it. Faults are: any other
exception, a warning, more than a second of the processor, more memory than the file justifies, and the end of the
process, which is why `watch` starts one for it.
"""

import gc
import multiprocessing
import resource
import time
import traceback
import tracemalloc
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from prototxt_import.files import InputError
from tests.whole.fuzz.mutations import Mutation, pick

SECONDS = 1.0  # of the processor, for one file
TRIES = 3  # in one of which a file must not take longer: Python may collect its garbage meanwhile
ALLOWANCE = 24 << 20  # bytes that do not depend on the file
ADDRESS_SPACE = 6 << 30  # beyond which an allocation fails
STALLED = 300.0  # wall-clock seconds in which some file must be done
MOST_FAULTS = 12


@dataclass
class Seed:
    """A good file: its name, its content, how it may be broken, and who reads such files.

    reader(path) calls the readers through `attempt`; it returns the bytes that the file's checked declarations justify
    beside four times its size.
    """

    name: str
    content: bytes
    mutations: tuple[Mutation, ...]
    reader: Callable[[Path], int | None] = field(compare=False)


def attempt(function: Callable, *arguments: object, names: object = None, **options: object):
    """function(*arguments), or None for an InputError, which must be one sentence that names the first argument (or
    `names`)."""
    try:
        return function(*arguments, **options)
    except InputError as error:
        check_refusal(error, str(arguments[0] if names is None else names))


def check_refusal(error: InputError, name: str) -> None:
    """AssertionError unless it is one clean sentence that holds `name`."""
    message = str(error)
    assert message.isprintable() and len(message) < 3000, f"expected one clean sentence, found {message[:500]!r}"
    assert name in message, f"expected a sentence that names {name}, found {message[:500]!r}"


def case(seeds: list[Seed], number: int) -> tuple[Seed, bytes]:
    """The broken file of that number."""
    random = np.random.default_rng(number)
    seed = pick(random, seeds)
    return seed, pick(random, seed.mutations)(seed.content, random)


def fault(seeds: list[Seed], number: int, folder: Path) -> str:
    """What a reader did wrong with the broken file of that number; empty if nothing."""
    seed, content = case(seeds, number)
    path = folder / seed.name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    for _ in range(TRIES):
        try:
            seconds, highest, justified = _cost(seed, path)
        except Exception:
            return f"{seed.name}, case {number}: {traceback.format_exc()}"
        if highest > 4 * len(content) + justified + ALLOWANCE:
            return f"{seed.name}, case {number}: {highest >> 20} MiB for {len(content)} bytes ({justified} justified)"
        if seconds <= SECONDS:
            return ""
    return f"{seed.name}, case {number}: took {seconds:.1f} s"


def _cost(seed: Seed, path: Path) -> tuple[float, int, int]:
    """Seconds of the processor, bytes that it took at most, and how many of them are justified."""
    before, _ = _memory(reset=True)
    tracemalloc.start()
    started = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            justified = seed.reader(path) or 0
    finally:
        seconds = time.process_time() - started
        allocated = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return seconds, max(allocated, _memory()[1] - before), justified


def read_good(seeds: list[Seed], folder: Path) -> None:
    """The files before anything is broken; what their readers import meanwhile is not the broken files' cost."""
    for seed in seeds:
        path = folder / seed.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(seed.content)
        seed.reader(path)


def _memory(reset: bool = False) -> tuple[int, int]:
    """Resident bytes of this process, now and at most since the last reset; zeros where Linux does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return tuple(int(lines[name].split()[0]) << 10 for name in ("VmRSS", "VmHWM"))
    except OSError:
        return 0, 0


def watch(make_seeds: Callable[[Path], list[Seed]], folder: Path, count: int, first: int = 0) -> list[str]:
    """The faults of cases `first` to `first + count`, found in a process of their own; a new one goes on after a case
    that ended it or stalled."""
    context = multiprocessing.get_context("spawn")
    last = first + count
    faults: list[str] = []
    while first < last and len(faults) < MOST_FAULTS:
        current, found = context.Value("q", first), context.SimpleQueue()
        process = context.Process(target=_work, args=(make_seeds, folder, first, last, current, found), daemon=True)
        process.start()
        _wait(process, current)
        while not found.empty():
            faults.append(found.get())
        if process.exitcode == 0:
            break
        faults.append(f"case {current.value}: ended the process ({process.exitcode}) or stalled")
        first = current.value + 1
    return faults


def _work(make_seeds, folder: Path, first: int, last: int, current, found) -> None:
    import torch

    torch.set_num_threads(1)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, hard))
    seeds = make_seeds(folder)
    read_good(seeds, folder)
    faults = 0
    for number in range(first, last):
        current.value = number
        if message := fault(seeds, number, folder):
            found.put(message[-4000:])
            faults += 1
        if faults == MOST_FAULTS:
            break
        if number % 200 == 0:
            gc.collect()


def _wait(process, current) -> None:
    """Until the process ends; kills it when it does not get on."""
    before, since = -1, time.monotonic()
    while process.is_alive():
        process.join(0.2)
        if current.value != before:
            before, since = current.value, time.monotonic()
        elif time.monotonic() - since > STALLED:
            process.kill()
            process.join()
