"""Straight lines, fixed parts, and the words for them; counts that would take too long are left out."""

import pytest

from cpm_repro.benchmarks.measure import Rates
from cpm_repro.benchmarks.scale import growth
from cpm_repro.benchmarks.scale.growth import Point, Series


def series(seconds: dict[int, float]) -> Series:
    return Series("work", "images", [Point(count, Rates((1 / each,))) for count, each in seconds.items()])


def test_a_straight_line():
    straight = series({1: 2.0, 10: 20.0, 100: 200.0})
    line, parts = straight.line(), straight.parts()
    assert (line.slope, line.factor, line.off) == (pytest.approx(1), pytest.approx(2), pytest.approx(1))
    assert parts.each == pytest.approx(2) and parts.once == pytest.approx(0, abs=1e-9)
    assert straight.sentence() == "slope 1.00, every point within 0% of the line"


def test_once_and_each():
    bent = series({1: 1.01, 10: 1.1, 100: 2.0, 1000: 11.0})
    parts = bent.parts()
    assert (parts.once, parts.each, parts.off) == (pytest.approx(1), pytest.approx(0.01), pytest.approx(1))
    assert bent.line().slope < 0.5
    assert bent.sentence().endswith("times beside the line: 1 s once and 10 ms each, equal at 100 images")


def test_neither():
    steep = series({1: 0.001, 10: 0.1, 100: 0.1})
    assert steep.sentence().endswith("beside the line; each takes, at 1: 1 ms, 10: 10 ms, 100: 1 ms")


def test_growing_ends_where_time_does():
    made = []

    def make(count):
        made.append(count)
        return lambda: None

    found = growth.grow("work", "records", [1, 10, 100], make, rounds=2, limit=60)
    assert made == [1, 1, 10, 100] and [len(point.rates.rounds) for point in found.points] == [2, 2, 2]
    cut = growth.grow("work", "records", [1, 10**9, 10**12], make, rounds=2, limit=1e-3)
    assert cut.left_out and [point.count for point in cut.points] == [1]


def test_durations_have_a_unit():
    assert [growth.duration(seconds) for seconds in (2.5, 0.02, 3.1e-6, 2e-10)] == [
        "2.5 s",
        "20 ms",
        "3.1 µs",
        "0.2 ns",
    ]
