"""The sequence of predictors, trained stage by stage on maps of people whom they were not trained on (stacking).

A stage's predictor is trained on the maps of the stage before. Were those of a predictor that knows the person, they
would be better than any held-out person's, and the later stages would trust them too much. So people are dealt into
folds, and `PoseMachine.maps(stage, without)` is what a stage believes of the people of the folds in `without` (with
none: of the held-out people), where neither its predictor nor any before it knows a label of those folds:

* its predictor is trained on the other folds; a person of fold g is shown to it with maps(stage - 1, without + {g});
* the people asked for are shown to it with maps(stage - 1, without).

Stage t of T is trained for each choice of at most T - t folds: with 3 stages and 3 folds 7 + 4 + 1 times. The maps are
kept in files, so that a machine that was stopped goes on; forests are not kept.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpm_repro.npz import read_npz, write_npz
from prototxt_import.files import InputError, require

from .features import context_features, image_features
from .forest import beliefs, fit_forest
from .levels import NAMES, PARTS, Level, draw_positions, ideal_beliefs, level
from .people import TrainingPeople, folds_of

Maps = dict[str, NDArray[np.float32]]
"""By level: belief maps, float32 (n, G+1, rows, columns), background last."""
AT_ONCE = 32  # crops whose features are in memory together


@dataclass(frozen=True)
class Settings:
    """stages; levels: of `levels.NAMES`, the first `parts`; folds; copies: crops of each training person; positions: of
    each crop that a predictor is trained on; trees of each forest; smallest_leaf: positions in it; seed: of the crops'
    dice, folds, positions and forests."""

    stages: int = 3
    levels: tuple[str, ...] = (PARTS,)
    folds: int = 3
    copies: int = 2
    positions: int = 48
    trees: int = 16
    smallest_leaf: int = 25
    seed: int = 1

    def check(self) -> None:
        """InputError for settings that there cannot be."""
        if not self.levels or self.levels[0] != PARTS or not set(self.levels) <= set(NAMES):
            raise InputError(f"levels: expected parts, then any of {', '.join(NAMES[1:])}, found {self.levels}")
        if not 1 <= self.stages <= self.folds:
            raise InputError(
                f"stages: expected 1 to {self.folds}, the number of folds (the last stage needs one fold more than "
                f"there are stages before it), found {self.stages}"
            )


class PoseMachine:
    """One machine: people to train on, the cells (n, rows, columns, channels) of those held out, a folder for the maps.

    jobs: threads; the maps do not depend on their number. told: called after each predictor that was trained or read.
    """

    def __init__(
        self,
        people: TrainingPeople,
        held_out_cells: NDArray[np.float32],
        settings: Settings,
        folder: Path,
        jobs: int = 1,
        told: Callable[[str], None] = lambda what: None,
    ):
        settings.check()
        self.people, self.settings, self.folder = people, settings, Path(folder)
        self._held_out, self._jobs, self._told = held_out_cells, jobs, told
        self._folds = folds_of(people.pictures, settings.folds, settings.seed)
        self._levels = [level(name, people.parts.shape[1]) for name in settings.levels]
        self._known: dict[tuple[int, frozenset[int]], Maps] = {}

    @property
    def predictors(self) -> int:
        """How many predictors (of all levels together) the last stage needs."""
        return len(list(self._choices()))

    def _choices(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        for stage in range(1, self.settings.stages + 1):
            for size in range(self.settings.stages - stage + 1):
                yield from ((stage, without) for without in combinations(range(self.settings.folds), size))

    def stage_maps(self) -> list[NDArray[np.float32]]:
        """Each stage's belief maps of the parts, float32 (n, P+1, rows, columns), of the held-out people."""
        return [self.maps(stage, frozenset())[PARTS] for stage in range(1, self.settings.stages + 1)]

    def asked(self, without: frozenset[int]) -> NDArray[np.int64]:
        """The crops that `maps` is about, as indices of those who train; with no folds: none of them."""
        return np.flatnonzero(np.isin(self._folds, list(without)))

    def maps(self, stage: int, without: frozenset[int]) -> Maps:
        """What stage `stage` (from 1) believes of the crops `asked(without)`, in their order; see the module."""
        key = stage, without
        if key not in self._known:
            name = f"stage{stage}" + "".join(f"_without{fold}" for fold in sorted(without))
            file = self.folder / f"{name}.npz"
            if not file.exists():
                write_npz(file, self._train_and_ask(stage, without))
            self._known[key] = self._read(file, len(self.asked(without) if without else self._held_out))
            self._told(name)
        return self._known[key]

    def _read(self, file: Path, crops: int) -> Maps:
        """InputError for a file that somebody damaged."""
        stored = read_npz(file)
        size = self._held_out.shape[1:3]
        shapes = {one.name: (crops, len(one.groups) + 1, *size) for one in self._levels}
        found = {name: maps.shape for name, maps in stored.items()}
        require(file, found == shapes, f"maps of {shapes} (without the file they are made again)", found)
        return {name: maps.astype(np.float32) for name, maps in stored.items()}

    def _train_and_ask(self, stage: int, without: frozenset[int]) -> Maps:
        trained = np.flatnonzero(~np.isin(self._folds, list(without)))
        seen = self._seen(stage, without, trained)
        cells = self.people.cells[self.asked(without)] if without else self._held_out
        before = self.maps(stage - 1, without) if stage > 1 else {}
        found = {}
        for number, one in enumerate(self._levels):
            seed = [self.settings.seed, stage, number, *sorted(without)]
            forest = self._fit(one, trained, seen, seed)
            found[one.name] = self._ask(one, forest, cells, before)
        return found

    def _seen(self, stage: int, without: frozenset[int], trained: NDArray[np.int64]) -> Maps:
        """The maps of the stage before that a predictor is trained with, of the crops `trained`."""
        if stage == 1:
            return {}
        seen: Maps = {}
        for fold in sorted(set(range(self.settings.folds)) - without):
            asked = without | {fold}
            own = self._folds[self.asked(asked)] == fold
            for name, maps in self.maps(stage - 1, asked).items():
                if name not in seen:
                    seen[name] = np.empty((len(trained), *maps.shape[1:]), np.float32)
                seen[name][self._folds[trained] == fold] = maps[own]
        return seen

    def _fit(self, one: Level, trained: NDArray[np.int64], seen: Maps, seed: list[int]) -> Any:
        people, settings = self.people, self.settings
        size = people.cells.shape[1], people.cells.shape[2]
        rows, classes = [], []
        for start in range(0, len(trained), AT_ONCE):
            crops = trained[start : start + AT_ONCE]
            points = one.points(people.parts[crops])
            features = _features(one, people.cells[crops], _slice(seen, start))
            ideal = ideal_beliefs(points, size, people.stride, people.sigma)
            for crop, own_features, own_ideal in zip(crops, features, ideal, strict=True):
                rng = np.random.default_rng([settings.seed, int(crop), NAMES.index(one.name)])
                places, drawn = draw_positions(own_ideal, settings.positions, rng).T
                rows.append(own_features.reshape(size[0] * size[1], -1)[places])
                classes.append(drawn)
        seed_of_forest = int(np.random.SeedSequence(seed).generate_state(1)[0])
        return fit_forest(
            np.concatenate(rows),
            np.concatenate(classes),
            settings.trees,
            settings.smallest_leaf,
            seed_of_forest,
            self._jobs,
        )

    def _ask(self, one: Level, forest: Any, cells: NDArray[np.float32], before: Maps) -> NDArray[np.float32]:
        """The maps of a level, (n, G+1, rows, columns), as they are kept: float16, of a forest's few values."""
        _, rows, columns, _ = cells.shape
        classes = len(one.groups) + 1

        def ask(start: int) -> NDArray[np.float16]:
            features = _features(one, cells[start : start + AT_ONCE], _slice(before, start))
            believed = beliefs(forest, features.reshape(-1, features.shape[-1]), classes)
            return believed.reshape(-1, rows, columns, classes).transpose(0, 3, 1, 2).astype(np.float16)

        with ThreadPoolExecutor(self._jobs) as workers:
            return np.concatenate(list(workers.map(ask, range(0, len(cells), AT_ONCE))))


def _slice(maps: Maps, start: int) -> Maps:
    return {name: array[start : start + AT_ONCE] for name, array in maps.items()}


def _features(one: Level, cells: NDArray[np.float32], before: Maps) -> NDArray[np.float32]:
    """(n, rows, columns, features): image features of the level's view, then the context of every level's maps."""
    return np.concatenate([image_features(cells, one.step), *map(context_features, before.values())], axis=3)
