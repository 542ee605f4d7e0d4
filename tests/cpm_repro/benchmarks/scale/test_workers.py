"""Processes begin a round together, what all of them did is counted, and one that fails is told."""

import time
from functools import partial

import pytest

from cpm_repro.benchmarks.measure import Rates
from cpm_repro.benchmarks.scale import workers


def sleeping(threads: int):
    """Two things in a tenth of a second, on each thread."""

    def run() -> int:
        time.sleep(0.1)
        return 2 * threads

    return run


def failing(threads: int):
    raise ValueError("no")


@pytest.mark.slow
def test_side_by_side():
    rates = workers.side_by_side(sleeping, processes=2, threads=1, rounds=2)
    assert len(rates.rounds) == 2 and 10 < rates.median <= 41


@pytest.mark.slow
def test_one_that_fails_is_told():
    with pytest.raises(RuntimeError, match="one of 2 processes failed"):
        workers.side_by_side(failing, processes=2, threads=1, rounds=2)


def test_efficiency_is_against_one_thread(monkeypatch):
    known = {(1, 1): 10.0, (1, 2): 15.0, (2, 1): 18.0}
    monkeypatch.setattr(workers, "side_by_side", lambda job, count, many, rounds: Rates((known[count, many],)))
    rows = workers.over_workers({"work": partial(sleeping)}, (1, 2), (1, 2), 1)
    assert [(row["processes"], row["threads"], row["efficiency"]) for row in rows] == [
        (1, 1, 1),
        (1, 2, 0.75),
        (2, 1, 0.9),
    ]
