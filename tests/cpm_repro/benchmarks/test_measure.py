"""Rates are samples over seconds, taken in turn; ratios pair neighbouring rounds; memory is what a run adds."""

import gc
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch

from cpm_kernels.host import available_cores
from cpm_repro.benchmarks import measure
from cpm_repro.benchmarks.measure import Rates


def test_pipelines_take_turns_after_a_warm_up():
    now, turns = [0.0], []

    def pipeline(name: str, count: int, seconds: list[float]):
        left = iter([99.0, *seconds])

        def run() -> int:
            turns.append(name)
            now[0] += next(left)
            return count

        return run

    rates = measure.alternate(
        {"one": pipeline("one", 6, [1, 2, 3]), "other": pipeline("other", 8, [4, 2, 8])}, 3, lambda: now[0]
    )
    assert turns == ["one", "other"] * 4
    assert rates == {"one": Rates((6, 3, 2)), "other": Rates((2, 4, 1))}
    assert measure.ratio(rates["one"], rates["other"]) == 2  # the median of 3, 0.75 and 2
    assert rates["one"].as_json() == {"median": 3, "lowest": 2, "highest": 6, "rounds": [6, 3, 2]}


def test_passes_end_with_their_time():
    now = [0.0]

    def run() -> None:
        now[0] += 2

    assert measure.passes(run, 5, 5, lambda: now[0]) == Rates((0.5, 0.5))
    assert measure.passes(run, 2, 100, lambda: now[0]) == Rates((0.5, 0.5))
    assert measure.passes(run, 5, 0, lambda: now[0]) == Rates((0.5,))


def assert_grows(mebibytes: int, run: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
    """Up to half more in one of three tries, each after `before()`: meanwhile the system may reclaim other memory of
    the process, or another thread may take some."""
    found = []
    for _ in range(3):
        before()
        found.append(measure.peak_memory(run))
        if found[-1] is None:
            pytest.skip("this system does not tell a process's peak memory")
        if 0.95 * mebibytes <= found[-1] / (1 << 20) <= 1.5 * mebibytes + 8:
            return
    pytest.fail(f"expected {mebibytes} MiB, found bytes: {found}")


def forty() -> None:
    np.ones(40 << 20, np.uint8).sum()


def test_peak_memory_is_what_the_run_adds():
    assert_grows(40, forty)
    assert_grows(0, lambda: None)


def test_garbage_from_before_is_not_the_runs():
    """Else what the collector frees while it runs would hide what it takes."""

    def leave_garbage() -> None:
        cycle: list = [np.ones(80 << 20, np.uint8)]
        cycle.append(cycle)

    def run() -> None:
        gc.collect()
        forty()

    assert_grows(40, run, leave_garbage)


def test_free_memory_from_before_is_the_runs_too():
    """Else what it takes again from the heap, still resident, would not be seen."""

    def leave_free_memory() -> None:
        np.ones(31 << 20, np.uint8)  # freed at once: from now on glibc takes blocks of up to as much from its heap
        blocks = [np.ones(1 << 20, np.uint8) for _ in range(60)]
        del blocks

    assert_grows(40, forty, leave_free_memory)


def test_memory_of_a_process_is_the_runs_own():
    used = measure.memory_of_process(partial, np.ones, 60 << 20, np.uint8)
    if used is None:
        pytest.skip("this system does not tell a process's peak memory")
    assert 58 << 20 <= used["own"] <= 90 << 20 and used["process"] > used["own"] and used["card"] == 0


def test_short_work_is_repeated(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])

    def work() -> int:
        now[0] += 0.2
        return 5

    assert measure.repeated(work)() == 3 * 5


def test_limits_count_work_and_bytes(monkeypatch):
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0)
    counted = {name: run() for name, run in measure.limits().items()}
    assert counted == {measure.PRODUCT: 2 * 2048**3, measure.COPY: 2 * 4 * 2**26}


def test_counts_double_up_to_the_most():
    assert [measure.counts(most) for most in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


def test_the_machine_is_described():
    described = measure.machine()
    assert described["cores"] == available_cores() >= 1
    assert described["versions"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert described["cpu"] and described["date"].startswith("20")


@pytest.mark.gpu
def test_seconds_on_device_are_those_of_the_work():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    device = torch.device("cuda", 0)
    matrix = torch.ones(4096, 4096, device=device)
    one = measure.seconds_on_device(lambda: matrix @ matrix, 10, device)
    three = measure.seconds_on_device(lambda: [matrix @ matrix for _ in range(3)], 10, device)
    assert 0 < 2 * one < three < 4.5 * one
    assert "card" in measure.machine("cuda")
