"""Measuring: rates of several pipelines in alternation, peak memory, and on which machine it was.

Others' load on the machine changes from second to second: pipelines take turns within one run, and are compared by the
median of the ratios of neighbouring turns.
"""

import ctypes
import gc
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch

from cpm_kernels.host import available_cores

LEAST_SECONDS = 0.1  # of a round: shorter ones measure the clock
SETTLING = 0.25  # seconds: the threads of the library before go on spinning for a while after their work
PRODUCT, COPY = "matrix product", "copy"

_PACKAGES = {
    "NumPy": ["numpy"],
    "torch": ["torch"],
    "OpenCV": ["opencv-python", "opencv-contrib-python", "opencv-python-headless"],
    "ONNX Runtime": ["onnxruntime", "onnxruntime-gpu"],
    "OpenVINO": ["openvino"],
    "kornia": ["kornia"],
    "albumentations": ["albumentations"],
    "simplejpeg": ["simplejpeg"],
}


@dataclass(frozen=True)
class Rates:
    """What one pipeline does per second, samples unless said otherwise: a number for each round."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.rounds)

    def as_json(self) -> dict[str, Any]:
        """{"median", "lowest", "highest", "rounds"}."""
        extremes = {"lowest": min(self.rounds), "highest": max(self.rounds)}
        return {"median": self.median, **extremes, "rounds": list(self.rounds)}


def alternate(
    pipelines: Mapping[str, Callable[[], int]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Rates]:
    """Run each pipeline once to warm up, then `rounds` times in turn; a pipeline returns how many samples it made.

    clock: seconds; `time.thread_time` for work of this thread alone, which others' load then hardly disturbs.
    """
    for run in pipelines.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for _ in range(rounds):
        for name, run in pipelines.items():
            time.sleep(SETTLING)
            started = clock()
            count = run()
            rates[name].append(count / (clock() - started))
    return {name: Rates(tuple(values)) for name, values in rates.items()}


def passes(
    run: Callable[[], object], rounds: int, limit: float, clock: Callable[[], float] = time.perf_counter
) -> Rates:
    """How often `run` can be done per second: `rounds` times, or at least once and as often as fits `limit` seconds."""
    begun = clock()
    seconds: list[float] = []
    while len(seconds) < rounds and (not seconds or clock() - begun + seconds[-1] <= limit):
        started = clock()
        run()
        seconds.append(clock() - started)
    return Rates(tuple(1 / each for each in seconds))


def repeated(work: Callable[[], int]) -> Callable[[], int]:
    """`work` again and again, for at least LEAST_SECONDS; what it counts adds up."""

    def run() -> int:
        started, count = time.perf_counter(), work()
        while time.perf_counter() - started < LEAST_SECONDS:
            count += work()
        return count

    return run


def limits(device: str = "cpu") -> dict[str, Callable[[], int]]:
    """What bounds every network on this machine, as pipelines for `alternate`: a float32 matrix product, which counts
    multiplications and additions, and a copy, which counts bytes read and written."""
    size = 8192 if device == "cuda" else 2048
    a, b, product = (torch.ones(size, size, device=device) for _ in range(3))
    source, target = (torch.ones(1 << 26, device=device) for _ in range(2))

    def multiply() -> int:
        torch.mm(a, b, out=product)
        synchronize(device)
        return 2 * size**3

    def copy() -> int:
        target.copy_(source)
        synchronize(device)
        return 2 * source.nbytes

    return {PRODUCT: repeated(multiply), COPY: repeated(copy)}


def synchronize(device: str) -> None:
    """Waits for what was launched on a CUDA device."""
    if device == "cuda":
        torch.cuda.synchronize()


def ratio(one: Rates, other: Rates) -> float:
    """How many times as fast `one` is: the median of the rounds' ratios."""
    return median(a / b for a, b in zip(one.rounds, other.rounds, strict=True))


def seconds_on_device(work: Callable[[], Any], repeats: int, device: torch.device) -> float:
    """Median time of `work`, which only launches, on the device's current stream: by CUDA events."""
    events = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    with torch.cuda.device(device):
        work()
        torch.cuda.synchronize()
        events[0].record()
        for event in events[1:]:
            work()
            event.record()
        torch.cuda.synchronize()
    milliseconds: list[float] = [a.elapsed_time(b) for a, b in pairwise(events)]
    return median(milliseconds) / 1000


def counts(most: int) -> list[int]:
    """1, 2, 4, … up to `most`, and that: of threads, say."""
    doubled = [1]
    while doubled[-1] * 2 <= most:
        doubled.append(doubled[-1] * 2)
    return doubled if doubled[-1] == most else [*doubled, most]


def memory_of_process(make: Callable[..., Callable[[], Any]], *arguments: Any) -> dict[str, int] | None:
    """Peak bytes of a new process while it runs, once, what `make(*arguments)` gives.

    "process": all of it; "own": without the libraries that were imported before `make`; "card": on a CUDA device. None
    where Linux doesn't tell, or ended the process for lack of memory. What is handed over must pickle.
    """
    with suppress(BrokenProcessPool), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_memory_here, make, arguments).result()
    return None


def _memory_here(make: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> dict[str, int] | None:
    try:
        libraries = _status_bytes("VmRSS")
        run = make(*arguments)
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak of loading
        run()
        peak = _status_bytes("VmHWM")
    except OSError:
        return None
    card = torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else 0
    return {"process": peak, "own": peak - libraries, "card": card}


def peak_memory(run: Callable[[], Any]) -> int | None:
    """Bytes by which the process's resident memory grows at most while `run` runs; None where Linux doesn't tell."""
    _give_back()
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the earlier peak
        before = _status_bytes("VmRSS")
        run()
        return max(_status_bytes("VmHWM") - before, 0)
    except OSError:
        return None


def _give_back() -> None:
    """To the system what is free: garbage collected meanwhile would be taken off a run's growth, and what the run takes
    from the heap's free memory, resident since earlier work, would not be seen (glibc keeps up to 64 MiB)."""
    gc.collect()
    with suppress(AttributeError):  # other C libraries
        ctypes.CDLL(None).malloc_trim(0)


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def machine(device: str = "cpu") -> dict[str, Any]:
    """Date, CPU, its cores that this process may use, and versions; for a CUDA device the card's name."""
    described = {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "versions": {"Python": platform.python_version(), **_versions()},
    }
    return {**described, "card": torch.cuda.get_device_name()} if device == "cuda" else described


def _versions() -> dict[str, str]:
    """Of the packages that are measured, those that are installed."""
    found = {}
    for name, packages in _PACKAGES.items():
        for package in packages:
            with suppress(metadata.PackageNotFoundError):
                found[name] = metadata.version(package)
    return found


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
