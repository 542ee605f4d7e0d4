"""The paper's plots show the curves they should: data, labels, references, and the same bytes each time."""

import numpy as np
import pytest

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.misses import Misses
from cpm_repro.evaluation.pck import PAPER, THRESHOLDS, pck
from cpm_repro.figures import curves as curve_figures
from cpm_repro.figures import sheet

RNG = np.random.default_rng(0)


def a_result(spread: float, number_of_parts: int = 14):
    parts = number_of_parts
    truths = [GroundTruth(RNG.uniform(0, 200, (parts, 2)), np.ones(parts, bool), (1.0, 1.0), 1.0) for _ in range(5)]
    return pck([truth.parts + RNG.normal(0, spread, (parts, 2)) for truth in truths], truths)


@pytest.mark.parametrize(("benchmark", "parts"), [("lsp", 14), ("flic", 9)])
def test_a_panel_for_each_row_with_every_run(tmp_path, benchmark, parts):
    results = {"ours": a_result(9, parts), "theirs": a_result(40, parts)}
    figure = curve_figures.rate_figure(results, "PCK", 0.2, "annotated torso", PAPER[benchmark])
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["Total", *(name for name in results["ours"].rows() if name != "Total")]
    for name, axes in panels.items():
        known = [rates[name] for rates in PAPER[benchmark].values() if name in rates]
        curves, marks = [line for line in axes.lines if len(line.get_xdata()) == len(THRESHOLDS)], axes.lines[3:]
        for line, result in zip(curves, results.values(), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), result.rows()[name])
        assert [float(mark.get_ydata()[0]) for mark in marks] == known
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [text.split(" (")[0] for text in texts] == [*results, *PAPER[benchmark]]
    total = results["ours"].percent()
    assert f"({total[20]:.1f} at 0.2, AUC {results['ours'].area(total):.1f})" in texts[0]
    sheet.save(figure, tmp_path / "a.png")


def test_stages_and_what_they_are_compared_with():
    stages = {f"stage {stage}": a_result(60 / stage) for stage in (1, 2, 3)}
    others = {"mean pose": a_result(99)}
    figure = curve_figures.stage_figure(stages, others, "PCK", 0.2, "annotated torso")
    (axes,) = figure.axes
    drawn = {line.get_label().split(" (")[0]: line for line in axes.lines}
    for name, result in (stages | others).items():
        np.testing.assert_array_equal(drawn[name].get_ydata(), result.percent())
    assert drawn["mean pose"].get_linestyle() == "--" and drawn["stage 2"].get_linestyle() == "-"
    assert len({str(drawn[name].get_color()) for name in stages}) == 3


def test_clusters_side_by_side():
    clusters = {run: {-3: a_result(20), 7: a_result(10), 40: a_result(30)} for run in ("ours", "theirs")}
    upper, lower = curve_figures.cluster_figure(clusters, "PCKh@0.5", 0.5).axes
    for line, results in zip(upper.lines, clusters.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), [result.percent()[-1] for result in results.values()])
    assert [text.get_text() for text in lower.get_xticklabels()] == ["-3", "7", "40"]
    assert [bar.get_height() for bar in lower.patches] == [result.people for result in clusters["ours"].values()]


def test_what_joints_were_taken_for():
    """Bars that stand on each other, up to all judged joints."""
    found = {run: Misses(np.random.default_rng(seed).integers(1, 9, (14, 5))) for seed, run in enumerate("ab")}
    panels = curve_figures.misses_figure(found, "misses").axes
    for axes, each in zip(panels, found.values(), strict=True):
        shares = np.array([[bar.get_height() for bar in bars] for bars in axes.containers])
        np.testing.assert_allclose(shares.T, list(each.rows().values()))
        np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in axes.containers[-1]], 100)


def test_rates_over_the_receptive_field():
    """A curve through the means, a dot for each seed, and the person's height."""
    joints = {"right wrist": {43: [10.0, 20.0], 91: [50.0, 40.0]}, "left wrist": {43: [5.0, 7.0], 91: [30.0, 50.0]}}
    (axes,) = curve_figures.field_figure(joints, "PCK@0.2", 100).axes
    lines = {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}
    assert list(lines) == [*joints, "the person's height"]
    for name, rates in joints.items():
        assert list(lines[name].get_xdata()) == [43, 91]
        assert list(lines[name].get_ydata()) == [np.mean(seeds) for seeds in rates.values()]
    dots = [(x, y) for line in axes.lines if line.get_marker() == "o" for x, y in line.get_xydata()]
    assert sorted(dots) == sorted((f, y) for rates in joints.values() for f, seeds in rates.items() for y in seeds)
    assert list(lines["the person's height"].get_xdata()) == [100, 100]


def test_the_same_results_give_the_same_bytes(tmp_path):
    results = {"ours": a_result(9)}
    for name in ("a.svg", "b.svg"):
        sheet.save(curve_figures.rate_figure(results, "PCK", 0.2, "torso"), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
