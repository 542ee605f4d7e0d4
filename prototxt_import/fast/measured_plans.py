"""Which way of convolving is fastest on the machine at hand, measured once and kept in a file: what cost models only
estimate.

The file is JSON: machine -> convolution -> {"tile": of the FFT, or null for torch's own convolution; "seconds": of
every way that was tried}. It may be edited, and machines may share it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypedDict, TypeVar

import torch
from tqdm import tqdm

from prototxt_import.files import InputError, check_file, write_text

ROUNDS = 3
HOPELESS = 1.5  # times as long as the fastest so far: not tried again
DIRECT = "direct"


class Tiled(Protocol):
    """A plan of a convolution by FFT."""

    @property
    def tile(self) -> int | tuple[int, int]: ...


class Measured(TypedDict):
    """One convolution in the file."""

    tile: str | None
    seconds: dict[str, float]


P = TypeVar("P", bound=Tiled)


class MeasuredPlans(Generic[P]):
    """The file's contents; what is asked for and not there yet is measured and added to the file.

    Raises InputError if the file is there, but is not one of these.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.machines: dict[str, dict[str, Measured]] = _read(path)

    def fastest(self, device: torch.device, case: str, plans: Sequence[P], run: Callable[[P | None], None]) -> P | None:
        """The fastest of the plans, or None if torch's own convolution is faster.

        case: names the convolution. run: does it, by a plan or (None) directly.
        """
        known = self.machines.setdefault(machine(device), {})
        tiles = {_name(plan.tile): plan for plan in plans}
        if case not in known or known[case]["tile"] not in (None, *tiles):
            seconds = _times({**tiles, DIRECT: None}, run, device)
            best = min(seconds, key=seconds.__getitem__)
            known[case] = {"tile": None if best == DIRECT else best, "seconds": seconds}
            tqdm.write(f"{self.path}: {case}: {_in_words(seconds, best)}", file=sys.stderr)
            self._write()
        tile = known[case]["tile"]
        return None if tile is None else tiles.get(tile)

    def _write(self) -> None:
        write_text(self.path, json.dumps(self.machines, indent=1) + "\n")


def machine(device: torch.device) -> str:
    """What the measurements hold for."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    return f"CPU with {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"


def _times(ways: dict[str, P | None], run: Callable[[P | None], None], device: torch.device) -> dict[str, float]:
    """Seconds of each way: the best of ROUNDS, but of one only for a way that turns out to be hopeless."""
    seconds: dict[str, float] = {}
    for name, plan in ways.items():
        run(plan)  # what is done at the first time only
        seconds[name] = _time(run, plan, device)
        for _ in range(ROUNDS - 1):
            if seconds[name] < HOPELESS * min(seconds.values()):
                seconds[name] = min(seconds[name], _time(run, plan, device))
    return seconds


def _time(run: Callable[[P | None], None], plan: P | None, device: torch.device) -> float:
    wait: Callable[[], object] = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    run(plan)
    wait()
    return time.perf_counter() - started


def _in_words(seconds: dict[str, float], best: str) -> str:
    """What came out, for whoever waits: a measurement takes up to seconds."""
    if best == DIRECT:
        return "direct"
    return f"FFT, tile {best}, {seconds[DIRECT] / seconds[best]:.1f} x as fast as direct"


def _name(tile: int | tuple[int, int]) -> str:
    return " x ".join(map(str, tile)) if isinstance(tile, tuple) else str(tile)


def _read(path: str | os.PathLike[str]) -> dict[str, dict[str, Measured]]:
    if not os.path.exists(path):
        return {}
    check_file(path)
    try:
        with open(path, encoding="utf-8") as file:
            machines: dict[str, dict[str, Measured]] = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected measured plans (JSON), found {error}") from None
    cases = [case for cases in _values(machines, path) for case in _values(cases, path)]
    for case in cases:
        tile = case.get("tile", 0) if isinstance(case, dict) else 0
        if tile is not None and not isinstance(tile, str):
            raise InputError(f'{path}: expected machine -> convolution -> {{"tile": …}}, found {str(case)[:60]}')
    return machines


def _values(found: object, path: str | os.PathLike[str]) -> list[object]:
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected measured plans, an object of objects, found {str(found)[:60]}")
    return list(found.values())
