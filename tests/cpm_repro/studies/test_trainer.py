"""Trainings of a study are kept, and go on after Ctrl-C with the result that they would have had."""

import os
import signal
from dataclasses import replace

import pytest

from cpm_repro.studies.networks import recipe
from cpm_repro.training.loop import Hook
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


def test_scores_are_kept(tmp_path):
    asked = setting(tmp_path)
    one = recipe("x", SIZE, asked.data, 1, 2)
    asked.trainer.train_all([one])
    first = asked.trainer.scores(one)
    asked.trainer.weights(one).unlink()
    again = asked.trainer.scores(one)
    assert list(first) == [1, 2] and first[2].people + first[2].left_out >= 3
    assert all((first[stage].hits == again[stage].hits).all() for stage in first)
