"""Which machine trained: the profile of the exact engine whose losses (and first update) are those of a trace (`cpm
train --trace`), or whose losses are those of a Caffe's log (`--engine exact:auto` with `--solver`).

Every profile trains from the solver's start until a loss differs, so that most are out after an iteration or two.
"""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpm_kernels.exact.profiles import Profile
from cpm_repro.training.log import number, parse_log
from cpm_repro.training.loop import Hook, Step, Training, solve
from cpm_repro.training.setup import Options, prepare
from prototxt_import.exact.operations import Exact
from prototxt_import.files import InputError

from .dump_files import open_dump
from .layers.machines import MORE_THREADS, PROFILES
from .machines import Machine, Trial

MOST_ITERATIONS = 20
"""Losses of later iterations are not asked for: what differs has differed by then."""

Losses = Mapping[str, np.float32]
_UPDATE = "update1/"


@dataclass(frozen=True)
class _Recorded:
    """The losses by iteration, of the first ones: float32 from a trace, six digits from a log; a trace's first update
    by `<layer>/<i>`."""

    losses: Mapping[int, Losses]
    update: Mapping[str, np.ndarray]


def find_trainer(path: Path, solver: Path, weights: Path | None = None) -> Machine:
    """The profile whose training from `solver` (and `weights`) gives most of the arrays in the trace or log at `path`;
    InputError if that is neither, or a file of the training is wrong."""
    recorded = _read(path)
    trials = {profile: _trained(recorded, solver, weights, profile) for profile in PROFILES}
    if not any(_fits(trial) for trial in trials.values()):
        furthest = max(trial.equal for trial in trials.values())
        families = dict.fromkeys(profile.family for profile, trial in trials.items() if trial.equal == furthest)
        more = [Profile(family, threads) for family in families for threads in MORE_THREADS] if furthest else []
        trials |= {profile: _trained(recorded, solver, weights, profile) for profile in more}
    best = max(trials.values(), key=lambda trial: (_fits(trial), trial.equal, -trial.max_ulp))
    alike = [trial.profile for trial in trials.values() if _fits(best) and _fits(trial) and trial is not best]
    return Machine(
        best.profile,
        _fits(best),
        alike,
        list(trials.values()),
        best.first,
        unit="losses and updates" if recorded.update else "losses",
    )


def _fits(trial: Trial) -> bool:
    return trial.equal == trial.tried > 0


def _read(path: Path) -> _Recorded:
    rows = dict(_trace_rows(path) if zipfile.is_zipfile(path) else _log_rows(path))
    rows = {iteration: row for iteration, row in rows.items() if iteration <= MOST_ITERATIONS}
    if not rows:
        raise InputError(f"{path}: expected losses of the first {MOST_ITERATIONS} iterations, found none")
    return _Recorded(rows, _first_update(path) if zipfile.is_zipfile(path) else {})


def _first_update(path: Path) -> dict[str, np.ndarray]:
    with open_dump(path) as trace:
        names = [name for name in trace.names if name.startswith(_UPDATE)]
        return {name.removeprefix(_UPDATE): trace.read(name) for name in names}


def _trace_rows(path: Path) -> Iterator[tuple[int, Losses]]:
    with open_dump(path) as trace:
        if "loss" not in trace.names:
            raise InputError(f"{path}: expected a training trace, which has an array loss, found none")
        losses = trace.read("loss")
    if losses.ndim != 2 or losses.dtype != np.float32:
        shape = "×".join(map(str, losses.shape))
        raise InputError(f"{path}: loss: expected float32 (iterations, losses), found {losses.dtype} ({shape})")
    for iteration, row in enumerate(losses):
        yield iteration, {f"#{place}": value for place, value in enumerate(row)}


def _log_rows(path: Path) -> Iterator[tuple[int, Losses]]:
    log = parse_log(path)
    curves = {"loss": log.loss, **{f"output {name}": values for name, values in log.losses.items()}}
    for place, iteration in enumerate(log.iterations):
        row = {name: np.float32(values[place]) for name, values in curves.items() if not np.isnan(values[place])}
        if row:
            yield int(iteration), row


class _Watch(Hook):
    """Holds each recorded iteration's losses against the run's; stops after the last one, or one that differs."""

    def __init__(self, recorded: _Recorded, trial: Trial) -> None:
        self._recorded, self._trial, self._last = recorded, trial, max(recorded.losses)

    def after_step(self, training: Training, step: Step, stopped: bool) -> None:
        row = None if self.stops else self._recorded.losses.get(step.iteration)
        if row is not None:
            names = tuple(row)
            made = _losses(training, step)
            found = np.array([made.get(name, np.nan) for name in names], np.float32)
            self._trial.take(f"iteration {step.iteration}", found, np.array([row[name] for name in names], np.float32))
        if step.iteration == 0:
            self._take_update(training)
        self.stops = bool(self._trial.first) or step.iteration >= self._last

    def _take_update(self, training: Training) -> None:
        for blob, update in zip(training.net.learnable, training.solver.updates, strict=True):
            key = f"{blob.layer}/{blob.index}"
            if key in self._recorded.update:
                self._trial.take(_UPDATE + key, update.detach().numpy(), self._recorded.update[key])


def _losses(training: Training, step: Step) -> Losses:
    """An iteration's losses by the names that a trace and a log have for them."""
    losses = [step.outputs[name] for name in training.net.loss_weights if name in step.outputs]
    shown = {"loss": training.smoothed.value, **{f"output {name}": value for name, value in step.values}}
    return {
        **{f"#{place}": np.float32(value) for place, value in enumerate(losses)},
        **{name: np.float32(float(number(value))) for name, value in shown.items()},
    }


def _trained(recorded: _Recorded, solver: Path, weights: Path | None, profile: Profile) -> Trial:
    trial = Trial(profile)
    with prepare(solver, Options(engine=Exact(profile), weights=weights)) as training:
        solve(training, [_Watch(recorded, trial)])
    return trial
