"""What the threads of a training run do when: whether a step waits for its data.

A few iterations are recorded, after those that set everything up. Every iteration of the original reads its losses, so
that on a card, too, a step has ended when its span has.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

SKIPPED = 3  # iterations before those that are recorded
RECORDED = 12
MOST_SPANS = 20_000
WAITING = "waiting for data"
FORWARD_BACKWARD, UPDATE = "forward, backward", "update"
SAMPLE = "sample"  # being made


class Span(NamedTuple):
    """What a thread did from when to when, in seconds of one clock."""

    thread: str
    what: str
    start: float
    end: float


class Timeline:
    """Records spans, from any thread, while it is on; `active` False: never."""

    def __init__(self, active: bool = True) -> None:
        self.spans: deque[Span] = deque(maxlen=MOST_SPANS)
        self.iterations = 0  # that were recorded
        self._active, self._before = active, 0

    @property
    def on(self) -> bool:
        return self._active and self._before >= SKIPPED and self.iterations < RECORDED

    @contextmanager
    def span(self, what: str) -> Iterator[None]:
        """The calling thread does `what` within this context."""
        on, start = self.on, time.perf_counter()
        yield
        if on:
            self.spans.append(Span(threading.current_thread().name, what, start, time.perf_counter()))

    def iterated(self) -> None:
        """An iteration has ended."""
        if self.on:
            self.iterations += 1
        self._before += 1

    def waiting(self) -> tuple[float, float]:
        """Seconds of an iteration that were spent waiting for data, and all; 0 where nothing was recorded."""
        steps = [span for span in self.spans if span.what != SAMPLE]
        if not (steps and self.iterations):
            return 0.0, 0.0
        waited = sum(span.end - span.start for span in steps if span.what == WAITING)
        return waited / self.iterations, (steps[-1].end - steps[0].start) / self.iterations

    def sentence(self) -> str:
        """The same in words."""
        waited, whole = self.waiting()
        if not whole:
            return f"Timeline: no iteration recorded, there were no more than {SKIPPED}"
        share = f"{waited / whole:.1%}"
        return f"Timeline: {waited * 1e3:.1f} of {whole * 1e3:.1f} ms an iteration waiting for data, {share}"
