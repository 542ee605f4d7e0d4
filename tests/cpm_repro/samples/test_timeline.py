"""What is recorded of a training run's threads, when, and the picture of it."""

import threading

import pytest

from cpm_repro.figures.sheet import save
from cpm_repro.figures.timeline import timeline_figure
from cpm_repro.samples import timeline
from cpm_repro.samples.timeline import RECORDED, SAMPLE, SKIPPED, WAITING, Timeline


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(timeline.time, "perf_counter", lambda: now[0])
    return now


def iterate(recorded, clock, waiting=0.25, step=0.75):
    with recorded.span(WAITING):
        clock[0] += waiting
    with recorded.span("forward, backward"):
        clock[0] += step
    recorded.iterated()


def test_a_few_iterations_after_the_first(clock):
    recorded = Timeline()
    for _ in range(SKIPPED + RECORDED + 5):
        iterate(recorded, clock)
    assert recorded.iterations == RECORDED and len(recorded.spans) == 2 * RECORDED
    assert recorded.spans[0].start == SKIPPED
    assert recorded.waiting() == (0.25, 1.0)
    assert recorded.sentence() == "Timeline: 250.0 of 1000.0 ms an iteration waiting for data, 25.0%"


def test_nothing_unless_asked_for(clock):
    for recorded, iterations in ((Timeline(active=False), 9), (Timeline(), SKIPPED)):
        for _ in range(iterations):
            iterate(recorded, clock)
        assert not recorded.spans and "no iteration recorded" in recorded.sentence()
        timeline_figure(recorded)


def test_other_threads_have_rows(clock, tmp_path):
    recorded = Timeline()
    for _ in range(SKIPPED):
        iterate(recorded, clock)

    def work():
        with recorded.span(SAMPLE):
            clock[0] += 0.5

    worker = threading.Thread(target=work, name="CPMData_0")
    worker.start()
    worker.join()
    iterate(recorded, clock)
    assert {span.thread for span in recorded.spans} == {"CPMData_0", "MainThread"}
    assert recorded.waiting() == (0.25, 1.0), "samples are made beside the iterations"
    figure = timeline_figure(recorded)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["training", "CPMData_0"]
    save(figure, tmp_path / "t.png")
