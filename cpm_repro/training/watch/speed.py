"""How fast a run is, and when it will be over."""

import time
from collections.abc import Callable
from datetime import timedelta


class Speed:
    """Iterations per second, between one call of `since_last` and the next.

    batch: images of an iteration, all passes; clock: seconds, as time.monotonic.
    """

    def __init__(self, batch: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._batch, self._clock = batch, clock
        self._last: tuple[int, float] | None = None

    def since_last(self, iteration: int) -> float | None:
        """Iterations per second up to `iteration`, which is over; None the first time, when there is nothing to
        measure from."""
        now, last = self._clock(), self._last
        self._last = iteration, now
        if last is None or iteration <= last[0]:
            return None
        return (iteration - last[0]) / max(now - last[1], 1e-9)

    def sentence(self, speed: float, iterations_left: int) -> str:
        """`1.93 iterations/s, 7.72 images/s, 4:12:03 left`."""
        left = timedelta(seconds=round(iterations_left / speed))
        return f"{speed:.3g} iterations/s, {speed * self._batch:.3g} images/s, {left} left"
