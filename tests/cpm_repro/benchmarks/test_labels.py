"""NumPy and torch make the label maps and centre maps that the kernels make."""

import numpy as np
import pytest

from cpm_kernels.samples.labels import centre_map, label_maps
from cpm_repro.benchmarks import labels as benchmark_labels
from cpm_repro.benchmarks import measure
from tests.bits import assert_same_bits


@pytest.mark.parametrize("people", [1, 4])
@pytest.mark.parametrize("crop", [72, 104])
def test_all_ways_make_the_same_maps(crop, people):
    joints, centre = benchmark_labels.people_in(crop, people)
    assert {1, 2} >= set(joints[..., 2].ravel()) and joints.shape == (people, 14, 3)
    made = {name: run() for name, run in benchmark_labels.pipelines(crop, people).items()}
    labels, centres = made["cpm-repro"]
    assert_same_bits(labels, label_maps(joints, (crop, crop), 8, 7), "labels")
    assert_same_bits(centres, centre_map(centre, (crop, crop), 21), "centre map")
    for name, (their_labels, their_centres) in made.items():
        # At the edge of a peak, where the exponent is 4.6052, rounding decides between 0 and 0.01.
        off = np.abs(their_labels - labels) > 1e-6
        assert off.mean() < 1e-3, name
        assert np.mean(np.abs(their_centres - centres) > 1e-6) < 1e-3, name


@pytest.mark.slow
def test_the_report_adds_up(monkeypatch):
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0)
    monkeypatch.setattr(benchmark_labels, "CROP_SIZES", (72, 104))
    report = benchmark_labels.measure(2)
    assert report["bytes"] == 4 * (30 * 46 * 46 + 368 * 368)
    assert set(report["ratios"]) == {"NumPy", "torch"} and report["same_bits"]["cpm-repro"] == 1
    assert max(report["differences"].values()) < 0.02
    assert [row["people"] for row in report["people"]] == [1, 3, 10]
    text = benchmark_labels.text(report)
    assert "3 people of 14 parts" in text and "| 104" in text and "100.0%" in text
