"""Measuring: rates of several pipelines in alternation, peak memory, and on which machine it was.

Others' load on the machine changes from second to second: pipelines take turns within one run, and are compared by the
median of the ratios of neighbouring turns.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Rates:
    """Samples/s of one pipeline, a number for each round."""

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
            started = clock()
            count = run()
            rates[name].append(count / (clock() - started))
    return {name: Rates(tuple(values)) for name, values in rates.items()}


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
    return median(a.elapsed_time(b) for a, b in pairwise(events)) / 1000


def peak_memory(run: Callable[[], Any]) -> int | None:
    """Bytes by which the process's resident memory grows at most while `run` runs; None where Linux doesn't tell."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the earlier peak
        before = _status_bytes("VmRSS")
        run()
        return max(_status_bytes("VmHWM") - before, 0)
    except OSError:
        return None


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def machine(device: str = "cpu") -> dict[str, Any]:
    """Date, CPU, its cores that this process may use, and versions; for a CUDA device the card's name."""
    described = {
        "date": datetime.now().astimezone().isoformat(timespec="minutes"),
        "cpu": _cpu_model(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }
    return {**described, "card": torch.cuda.get_device_name()} if device == "cuda" else described


def available_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
