"""A benchmark's results: what its text and its JSON say, and which names runs may have."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.pck import PAPER, flic_pck, pck
from cpm_repro.evaluation.pckh import pckh
from cpm_repro.evaluation.scoring import BENCHMARKS, results_by, runs_from_files, scores
from cpm_repro.npz import write_npz
from prototxt_import.files import InputError

RNG = np.random.default_rng(11)


def people_and_run(number_of_parts: int, count: int = 6):
    truths = [
        GroundTruth(RNG.uniform(0, 200, (number_of_parts, 2)), np.ones(number_of_parts, bool), (1.0, 1.0), 1.0)
        for _ in range(count)
    ]
    return truths, np.stack([truth.parts for truth in truths]) + RNG.normal(0, 20, (count, number_of_parts, 2))


def test_each_size_has_its_metric():
    truths, poses = people_and_run(9)
    heads = RNG.uniform(20, 60, len(truths))
    for size, expected in (
        ("annotated torso", pck(poses, truths)),
        ("predicted torso", flic_pck(poses, truths)),
        ("head size", pckh(poses, truths, heads)),
    ):
        np.testing.assert_array_equal(results_by(size, {"ours": poses}, truths, heads)["ours"].hits, expected.hits)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_text_and_json_hold_every_run(name):
    benchmark = BENCHMARKS[name]
    truths, poses = people_and_run(benchmark.number_of_parts)
    heads = np.full(len(truths), 40.0) if name == "mpii" else None
    clusters = np.array([1, 1, 2, 2, 2, 9]) if name == "mpii" else None
    scored = scores(name, {"ours": poses, "perfect": [truth.parts for truth in truths]}, truths, heads, clusters)
    text, report = scored.text(), json.loads(json.dumps(scored.as_json()))
    at = scored.first()[1]["ours"].at(benchmark.threshold)
    assert text.count("\nours ") == text.count("\nperfect ") == len(benchmark.sizes)
    assert all(label in text for label in PAPER[name])
    assert report["metric"] == benchmark.metric and report["paper"] == PAPER[name]
    total = scored.first()[1]["ours"].percent()[at]
    assert report["results"]["ours"]["rows"]["Total"][at] == round(total, 6)
    assert f"{total:10.2f}" in text
    assert report["results"]["perfect"]["auc"]["Total"] == 100
    assert ("results_by_annotated_torso" in report) == (name == "flic")
    if clusters is not None:
        assert list(report["clusters"]["ours"]) == ["1", "2", "9"]
        assert text.count("cluster 9") == 2


def test_the_papers_rows_are_for_its_people():
    """Not for drawn people, nor for another data set's."""
    truths, poses = people_and_run(14)
    assert scores("lsp", {"ours": poses}, [replace(truth, dataset="LEEDS") for truth in truths]).paper == PAPER["lsp"]
    assert not scores("lsp", {"ours": poses}, [replace(truth, dataset="OWN") for truth in truths]).paper
    assert not scores("lsp", {"ours": poses}, truths, observer=True).paper


def test_names_of_runs_are_their_own(tmp_path):
    truths, poses = people_and_run(14)
    write_npz(tmp_path / "p.npz", {"joints": poses})
    runs = runs_from_files([("a", tmp_path / "p.npz"), ("b", tmp_path / "p.npz")], truths)
    assert list(runs) == ["a", "b"]
    for names in (("a", "a"), ("mean pose",), ("stage 3",)):
        with pytest.raises(InputError, match="expected a name of its own"):
            runs_from_files([(name, tmp_path / "p.npz") for name in names], truths)
