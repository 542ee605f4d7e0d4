"""Held-out people beside their annotation: two pictures each, of the part of the picture that they are in."""

import numpy as np

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.held_out import Look
from cpm_repro.figures.held_out import held_out_figure


def test_each_person_has_two_pictures_and_joints_far_away_are_at_the_edge():
    picture = np.full((300, 400, 3), 90, np.uint8)
    parts = np.random.default_rng(0).uniform(150, 200, (14, 2))
    truth = GroundTruth(parts, np.ones(14, bool), (180.0, 160.0), 0.5)
    figure = held_out_figure(Look([picture] * 2, [truth] * 2, np.stack([parts + 3, parts * 0 - 500])))
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == ["annotated", "found"] * 2
    for axes in shown:
        (width, height) = axes.get_xlim()[1] + 0.5, axes.get_ylim()[0] + 0.5
        assert (width, height) == (130, 130)
        dots = np.concatenate([dots.get_offsets() for dots in axes.collections])
        assert (dots >= 0).all() and (dots < 130).all()
    first = np.concatenate([dots.get_offsets() for dots in shown[0].collections])
    np.testing.assert_allclose(first, parts - [115, 95])
