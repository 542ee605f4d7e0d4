"""Trains the recipes of a study, each once: what is there is kept, what was cut short goes on from its last snapshot.

A training's folder is `trainings/<digest>` below the study's: its prototxts, log, CSV, snapshots, and the scores of
held-out people. The same command continues a study that was killed, with the result that it would have had.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from tqdm import tqdm

from cpm_repro.evaluation.ground_truth import GroundTruth, read_people
from cpm_repro.evaluation.pck import THRESHOLDS, Pck, pck
from cpm_repro.evaluation.predictions import Predictions, estimate_people
from cpm_repro.inference.protocol import Protocol, net_boxsize
from cpm_repro.network.stages import stage_blobs
from cpm_repro.training.hooks import Interruption
from cpm_repro.training.loop import Hook, Step, Training
from cpm_repro.training.run import Watching, train
from cpm_repro.training.setup import Options
from data_lmdb.records.reader import LmdbReader
from prototxt_import.files import parse_json, read_bytes, require, write_text
from prototxt_import.net import load_net

from .data import Data
from .recipes import DEPLOY, SOLVER, Recipe

Stored = dict[str, Any]
"""A Pck's fields in JSON."""


@dataclass
class Trainer:
    """Trains into `out`; device, engine and threads as `cpm train` has them."""

    out: Path
    data: Data
    device: str = "cpu"
    engine: str = "fast"
    threads: int | None = None
    _bar: "tqdm[NoReturn] | None" = field(default=None, repr=False)

    def folder(self, recipe: Recipe) -> Path:
        """Where the recipe's files are, or will be: a folder of each engine's own."""
        engine = "" if str(self.engine) == "fast" else f"-{self.engine}".replace(":", "-")
        return self.out / "trainings" / (recipe.digest + engine)

    def weights(self, recipe: Recipe) -> Path:
        """The trained weights; there once it was trained."""
        return self.folder(recipe) / f"{recipe.solver.snapshot_prefix}_iter_{recipe.iterations}.caffemodel"

    def train_all(self, recipes: Sequence[Recipe]) -> None:
        """Trains all that is not there yet; one bar over all iterations, with the time left.

        KeyboardInterrupt after a Ctrl-C, with everything up to it kept.
        """
        every = {each.digest: each for recipe in recipes for each in recipe.lineage}
        with self._progress(every.values()):
            for recipe in every.values():
                if not self.weights(recipe).exists():
                    self._train(recipe)
                self._drop_snapshots(recipe)

    def scores(self, recipe: Recipe) -> dict[int, Pck]:
        """PCK of the held-out people by stage (from 1), each person looked at once at the training's size."""
        path = self.folder(recipe) / f"scores-{self.data.judged.replace(' ', '-')}-{self.data.people or 'all'}.json"
        if not path.exists():
            write_text(path, json.dumps(self._measured(recipe)))
        return _read_scores(path, recipe.stages)

    def last_score(self, recipe: Recipe) -> Pck:
        """PCK of the last stage."""
        scores = self.scores(recipe)
        return scores[max(scores)]

    def judged_by(self, data: Data) -> "Trainer":
        """The same trainings, judged by other people."""
        return replace(self, data=data)

    def _train(self, recipe: Recipe) -> None:
        folder = self.folder(recipe)
        recipe.write(folder)
        state = _last_state(folder)
        start = self.weights(recipe.start) if recipe.start and state is None else None
        options = Options(start, state, self.engine, self.device, threads=self.threads, overwrite=state is None)
        observers = [recipe.observe(folder)] if recipe.observe else []
        hooks, interruption = [_Ticks(self._bar), *observers], Interruption()
        train(folder / SOLVER, options, Watching(hooks=hooks, quiet=True, interruption=interruption))
        if interruption.stops:  # maybe in the last iteration, after which there was nothing to stop
            raise KeyboardInterrupt

    def _drop_snapshots(self, recipe: Recipe) -> None:
        """Those of the way; the weights at the end are what is wanted."""
        for path in self.folder(recipe).glob("*_iter_*"):
            if path != self.weights(recipe):
                path.unlink()

    def joints(self, recipe: Recipe) -> dict[int, np.ndarray]:
        """What each stage (from 1) finds of the held-out people: float64 (N, P, 2), 0-based px of the pictures."""
        _, found = self._asked(recipe)
        return {stage: poses.joints for stage, poses in found.items()}

    def _measured(self, recipe: Recipe) -> dict[int, Stored]:
        truths, found = self._asked(recipe)
        return {stage: _stored(pck(list(poses.joints), truths)) for stage, poses in found.items()}

    def _asked(self, recipe: Recipe) -> tuple[list[GroundTruth], dict[int, Predictions]]:
        """The held-out people, and what each stage finds."""
        net = load_net(self.folder(recipe) / DEPLOY, self.weights(recipe), engine=self.engine).to(self.device)
        sizes = next(layer.transform_param for layer in recipe.train.layer if layer.HasField("cpmdata_param"))
        protocol = Protocol(net_boxsize(net, DEPLOY), sizes.target_dist, sizes.sigma_center, (1.0,))
        stages = list(range(1, len(stage_blobs(net)) + 1))
        with LmdbReader(self.data.held_out) as reader:
            return estimate_people(read_people(reader, self.data.people), net, stages, protocol)

    @contextmanager
    def _progress(self, recipes: Iterable[Recipe]) -> Iterator[None]:
        recipes = list(recipes)
        done = sum(self._iterations_done(recipe) for recipe in recipes)
        total = sum(recipe.iterations for recipe in recipes)
        with tqdm(total=total, initial=done, unit="it", desc="training", disable=None) as bar:
            self._bar = bar
            try:
                yield
            finally:
                self._bar = None

    def _iterations_done(self, recipe: Recipe) -> int:
        if self.weights(recipe).exists():
            return recipe.iterations
        state = _last_state(self.folder(recipe))
        return _iteration(state) if state else 0


class _Ticks(Hook):
    """Moves the study's bar."""

    def __init__(self, bar: "tqdm[NoReturn] | None") -> None:
        self._bar = bar

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        if self._bar is not None:
            self._bar.update()


def _iteration(state: Path) -> int:
    return int(state.stem.rpartition("_")[2])


def _last_state(folder: Path) -> Path | None:
    """The solver state of the most iterations in a training's folder."""
    return max(folder.glob("*_iter_[0-9]*.solverstate"), key=_iteration, default=None)


def _stored(result: Pck) -> Stored:
    arrays = {name: getattr(result, name).tolist() for name in ("thresholds", "hits", "counts")}
    return {**arrays, "people": result.people, "left_out": result.left_out}


def _read_scores(path: Path, stages: int) -> dict[int, Pck]:
    """InputError for a file that somebody damaged."""
    content = read_bytes(path)
    try:
        found = {int(stage): _as_pck(stored) for stage, stored in parse_json(content, path).items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        found = {}
    expected = f"the scores of {stages} stages as a study writes them (without the file they are measured again)"
    require(path, list(found) == list(range(1, stages + 1)), expected, "something else")
    return found


def _as_pck(stored: Stored) -> Pck:
    """ValueError, KeyError or TypeError if it is none."""
    hits, counts = (np.array(stored[name], np.int64) for name in ("hits", "counts"))
    if hits.shape != (len(THRESHOLDS), len(counts)) or stored["thresholds"] != THRESHOLDS.tolist():
        raise ValueError(hits.shape)
    return Pck(THRESHOLDS, hits, counts, int(stored["people"]), int(stored["left_out"]))
