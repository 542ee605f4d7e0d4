"""Whole studies, tiny: report, numbers and figures are there, verdicts follow from them, nothing is trained twice."""

import json

import numpy as np
import pytest

from cpm_repro.studies import STUDIES
from cpm_repro.studies.study import DOES_NOT, HOLDS, UNDECIDED, Table, Verdict, run, table_lines
from tests.cpm_repro.studies.tiny import setting


@pytest.mark.parametrize(
    "differences, word",
    [([1.0], HOLDS), ([0.1, 3.0], HOLDS), ([-0.1, 3.0], UNDECIDED), ([0.0, -1.0], DOES_NOT), ([0.0], DOES_NOT)],
)
def test_verdicts_follow_from_every_seed(differences, word):
    assert Verdict("c", "r", differences).word == word


def test_tables_show_mean_and_spread():
    lines = table_lines(Table("t", ["a", "b"], {"x": [[1.0, 3.0], [0.00004, 0.00002]], "y": [[50.0], [np.nan]]}))
    assert lines[2:] == ["| x | 2.0 ± 1.0 | 3e-05 ± 1e-05 |", "| y | 50.0 | - |"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return setting(tmp_path_factory.mktemp("studies"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_leaves_report_numbers_and_figures(asked, name):
    path = run(STUDIES[name], asked)
    report, found = path.read_text(), json.loads((path.parent / "result.json").read_text())
    assert (
        report.startswith(f"# {name}: {STUDIES[name].where}") and "crops of 32 px; 6 iterations of 2 samples" in report
    )
    for verdict in found["verdicts"]:
        assert len(verdict["differences"]) == 1
        assert verdict["verdict"] == Verdict(verdict["claim"], verdict["rule"], verdict["differences"]).word
        assert f"* {verdict['claim']}: **{verdict['verdict']}**" in report
    for picture in path.parent.glob("*.png"):
        assert f"![{picture.name}]" in report and picture.stat().st_size > 5000
    assert len(list(path.parent.glob("*.png"))) >= 1
    if name == "training":
        assert {"(ii) stage 1, seed 1", "(ii) stage by stage, seed 1"} <= found["trainings"].keys()
    for folder in found["trainings"].values():
        left = {path.name for path in (asked.trainer.out / folder).iterdir()}
        assert {"train.prototxt", "deploy.prototxt", "solver.prototxt", "cpm.log", "cpm.csv"} <= left
    times = {p: p.stat().st_mtime_ns for p in asked.trainer.out.glob("trainings/*/*.caffemodel")}
    assert run(STUDIES[name], asked).read_text() == report
    assert times == {p: p.stat().st_mtime_ns for p in asked.trainer.out.glob("trainings/*/*.caffemodel")}
