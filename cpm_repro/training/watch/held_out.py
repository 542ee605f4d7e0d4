"""People whom the net does not train on, looked at while it trains: their score now and then, their poses drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from prototxt_import.formats import schema

from ..loop import Hook, Step, Training

Say = Callable[[str], None]
"""Writes a sentence into the log."""


class HeldOutPeople(Protocol):
    """What shows a net's weights to held-out people; cpm_repro/evaluation/held_out.py finds their poses."""

    def score(self, weights: schema.NetParameter) -> Mapping[str, float]:
        """Scores in percent by name."""

    def draw(self, weights: schema.NetParameter, path: Path) -> None:
        """Some people's poses beside their annotation, as a picture at `path`."""


class Scores(Hook):
    """Scores the people every `every` iterations and when the run is over; of several processes the first does."""

    def __init__(
        self, people: HeldOutPeople, every: int, say: Say, write: Callable[[int, Mapping[str, float]], None]
    ) -> None:
        self._people, self._every, self._say, self._write = people, every, say, write

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        iteration = training.solver.iteration
        due = iteration % self._every == 0 or iteration == training.param.max_iter
        if training.share.rank or not due:
            return
        scores = self._people.score(training.net.to_caffemodel())
        self._write(iteration, scores)
        for name, value in scores.items():
            self._say(f"Held out, after {iteration} iterations: {name} = {value:.4g}")
