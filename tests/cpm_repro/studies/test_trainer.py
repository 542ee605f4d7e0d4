"""Trainings of a study are kept, and go on after Ctrl-C with the result that they would have had."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from cpm_repro.evaluation.pck import THRESHOLDS, Pck
from cpm_repro.studies.networks import recipe
from cpm_repro.studies.trainer import Trainer, _last_state, _stored
from cpm_repro.training.loop import Hook
from prototxt_import.files import InputError
from tests.cpm_repro.studies.tiny import SIZE, setting


class CtrlC(Hook):
    """A Ctrl-C in iteration 4 of the first run."""

    done = False

    def before_step(self, training):
        if training.solver.iteration == 4 and not CtrlC.done:
            CtrlC.done = True
            os.kill(os.getpid(), signal.SIGINT)


def watch(folder):
    return CtrlC()


class LastCtrlC(Hook):
    """A Ctrl-C when the last iteration is over."""

    def after_iterations(self, training, stopped):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_ctrl_c_after_the_last_iteration_ends_the_study_too(tmp_path, drawn):
    trainer = Trainer(tmp_path, drawn, threads=1)
    one = replace(recipe("x", SIZE, drawn, 1, 2), observe=lambda folder: LastCtrlC())
    with pytest.raises(KeyboardInterrupt):
        trainer.train_all([one])
    trainer.train_all([one])
    assert [path.name for path in trainer.folder(one).glob("*_iter_*")] == ["cpm_iter_6.caffemodel"]


def test_engines_keep_trainings_of_their_own(tmp_path, drawn):
    one, engines = recipe("x", SIZE, drawn, 1, 2), ("fast", "plain", "exact:haswell")
    folders = [Trainer(tmp_path, drawn, engine=engine).folder(one).name for engine in engines]
    assert folders == [one.digest, f"{one.digest}-plain", f"{one.digest}-exact-haswell"]


def test_after_ctrl_c_the_same_weights(tmp_path):
    asked = setting(tmp_path / "whole")
    whole = recipe("x", SIZE, asked.data, 1, 2)
    asked.trainer.train_all([whole])
    expected = asked.trainer.weights(whole).read_bytes()

    again = setting(tmp_path / "cut")
    cut = replace(recipe("x", SIZE, again.data, 1, 2), observe=watch)
    with pytest.raises(KeyboardInterrupt):
        again.trainer.train_all([cut])
    assert not again.trainer.weights(cut).exists()
    again.trainer.train_all([cut])
    assert CtrlC.done and again.trainer.weights(cut).read_bytes() == expected
    left = {path.name for path in again.trainer.folder(cut).glob("*_iter_*")}
    assert left == {"cpm_iter_6.caffemodel"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"1":', '"7":', 1),
        lambda text: text.replace("0.01", "0.011", 1),
        lambda text: text.replace('"hits": [[', '"hits": [[1], [', 1),
        lambda text: text.replace('"people"', '"peple"', 1),
        lambda text: "\udcff",
    ],
)
def test_damaged_scores_are_refused(tmp_path, drawn, damage):
    trainer = Trainer(tmp_path, drawn, threads=1)
    one = recipe("x", SIZE, drawn, 1, 2)
    scores = {stage: _stored(Pck(THRESHOLDS, np.zeros((51, 14), int), np.ones(14, int), 1, 0)) for stage in (1, 2)}
    name = f"scores-{drawn.judged.replace(' ', '-')}-all.json"
    file = trainer.folder(one) / name
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(scores))
    assert list(trainer.scores(one)) == [1, 2]
    file.write_text(damage(json.dumps(scores)), errors="surrogateescape")
    with pytest.raises(InputError, match=rf"{name}: expected the scores of 2 stages .* measured again\), found"):
        trainer.scores(one)


def test_a_run_goes_on_from_the_most_iterations_whatever_the_clock_says(tmp_path):
    for age, name in enumerate(["cpm_iter_10", "cpm_iter_9", "cpm_iter_100", "cpm_iter_2", "other", "x_iter_"]):
        (tmp_path / f"{name}.solverstate").touch()
        os.utime(tmp_path / f"{name}.solverstate", (age, age))
    assert _last_state(tmp_path).name == "cpm_iter_100.solverstate"


def test_scores_are_kept(tmp_path):
    asked = setting(tmp_path)
    one = recipe("x", SIZE, asked.data, 1, 2)
    asked.trainer.train_all([one])
    first = asked.trainer.scores(one)
    asked.trainer.weights(one).unlink()
    again = asked.trainer.scores(one)
    assert list(first) == [1, 2] and first[2].people + first[2].left_out >= 3
    assert all((first[stage].hits == again[stage].hits).all() for stage in first)
