"""Losses over the iterations, smoothed without a false start, and scores beside them."""

import dataclasses

import numpy as np

from cpm_repro.figures import runs, sheet
from cpm_repro.training.log import Log
from tests.cpm_repro.figures.test_poses import a_log

RATE_CHANGES = ["learning rate\nchanges"]


def test_loss_figure_has_a_curve_per_stage(tmp_path):
    figure = runs.loss_figure(a_log(), smooth=4)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == [*(f"stage {stage}" for stage in range(1, 7)), "as logged\n(lines: means of 4)", *RATE_CHANGES]
    assert np.isnan(figure.axes[0].get_lines()[1].get_ydata()[:3]).all()
    sheet.save(figure, tmp_path / "loss.png")


def test_a_rate_that_falls_all_the_time_has_no_steps():
    iterations = np.arange(30)
    falling = Log(iterations, 1.0 / (1 + iterations), {}, np.linspace(1, 0.5, 30))
    labels = [text.get_text() for text in runs.loss_figure(falling).axes[0].get_legend().get_texts()]
    assert labels == ["loss"]
    stepping = dataclasses.replace(falling, rates=np.repeat([1, 0.5], 15))
    labels = [text.get_text() for text in runs.loss_figure(stepping).axes[0].get_legend().get_texts()]
    assert labels == ["loss", *RATE_CHANGES]


def test_scores_are_drawn_beside_the_losses(tmp_path):
    log = dataclasses.replace(a_log(), scores={"PCK@0.2": {10: 12.5, 20: 40.0}})
    figure = runs.loss_figure(log)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[-1] == "PCK@0.2" and figure.axes[1].get_ylim() == (0, 100)
    np.testing.assert_array_equal(figure.axes[1].get_lines()[0].get_xydata(), [[10, 12.5], [20, 40]])
    sheet.save(figure, tmp_path / "loss.png")


def test_smoothing_is_a_trailing_mean():
    values = np.array([1.0, 3.0, np.nan, 5.0, 9.0])
    np.testing.assert_allclose(runs.smoothed(values, 1), values)
    np.testing.assert_allclose(runs.smoothed(values, 2), [np.nan, 2, 3, 5, 7])
    np.testing.assert_allclose(runs.smoothed(values, 99), [1, 2, 2, 3, 4.5])
    assert np.isnan(runs.smoothed(np.full(3, np.nan), 2)).all()
