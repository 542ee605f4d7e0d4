"""`cpm study`: on LMDBs that are given, and what it refuses."""

import subprocess
import sys

import numpy as np
import pytest

from cpm_repro.npz import write_npz
from cpm_repro.studies.study import sole_study
from data_lmdb.records.writer import write_lmdb
from tests.cpm_repro.studies.tiny import setting
from tests.tool import ROOT, assert_refused, run_tool


def test_on_given_people(tmp_path):
    people = setting(tmp_path).data
    given = ["--train", people.train, "--held-out", people.held_out, "--people", 2]
    done = run_tool("study", "gradients", *given, "--iterations", 1, "--seeds", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "gradients: figure 5" in done.stdout and "**" in done.stdout
    report = (tmp_path / "out" / "gradients" / "report.md").read_text()
    assert "train, judged by held_out; crops of 144 px; 1 iterations of 4 samples" in report
    recorded = next((tmp_path / "out").glob("trainings/*/gradients_1.npz"))
    write_npz(recorded, {"conv1_stage1/std": np.zeros(1)})
    damaged = run_tool("study", "gradients", *given, "--iterations", 1, "--seeds", 1, "--out", tmp_path / "out")
    assert_refused(damaged, f"{recorded}: expected the gradients of", "found 1 other arrays")


def test_people_are_given_whole(tmp_path):
    done = run_tool("study", "stages", "--train", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2 and "--train, --held-out: expected both LMDBs or none, found one" in done.stderr
    done = run_tool("study", "stages", "--train", tmp_path, "--held-out", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2 and f"{tmp_path}: expected an LMDB folder" in done.stderr


def test_options_that_nothing_reads_are_refused(tmp_path):
    more, out = ("--more", tmp_path), ("--out", tmp_path / "out")
    assert_refused(run_tool("study", "stages", *more, *out), "--more: expected the study data or all", "found stages")
    assert_refused(run_tool("study", "data", *more, *out), "--more: expected --train and --held-out", "drawn people")
    clusters = ("--clusters", tmp_path)
    assert_refused(run_tool("study", "training", *clusters, *out), "--clusters: expected the study viewpoint or all")
    stages = run_tool("study", "stages", "--stages", 2, *out)
    assert_refused(stages, "--stages: expected the studies training, data, center_map or all, which read it")
    assert_refused(run_tool("study", "data", "--levels", "parts,whole", *out), "--levels: expected the studies pose_ma")
    unknown = run_tool("study", "pose_machine", "--levels", "whole", *out)
    assert unknown.returncode == 2 and "--levels: expected parts, and then any of pairs and whole" in unknown.stderr
    for option, most in (("--seeds", 1000), ("--stages", 100)):
        refused = run_tool("study", "stages", option, most + 1, *out)
        assert refused.returncode == 2 and f"{option}: expected a number of at least 1" in refused.stderr
    assert not (tmp_path / "out").exists()


def test_one_study_at_a_time_in_a_folder(tmp_path):
    with sole_study(tmp_path):
        refused = run_tool("study", "stages", "--out", tmp_path)
    assert_refused(refused, f"{tmp_path}: expected a folder in which no other study runs, found one that does")


def test_what_is_wrong_with_the_people_is_said_before_anything_is_trained(tmp_path):
    people = setting(tmp_path).data
    write_lmdb(tmp_path / "junk", [b"no record"])
    (tmp_path / "clusters.txt").write_text("1\n")
    given = ["--train", people.train, "--held-out", people.held_out, "--out", tmp_path / "out"]
    assert_refused(run_tool("study", "stages", *given, "--held-out", tmp_path / "junk"), "junk: record 0000000")
    assert_refused(run_tool("study", "data", *given, "--more", tmp_path / "junk"), "junk: record 0000000")
    labels = ["--clusters", tmp_path / "clusters.txt", "--ground-truth", tmp_path / "no.mat"]
    assert_refused(run_tool("study", "viewpoint", *given, *labels), "no.mat: cannot be read")
    assert_refused(run_tool("study", "viewpoint", *given, *labels[:2]), "expected drawn people, or", "clusters.txt")
    assert not (tmp_path / "out" / "trainings").exists()


@pytest.mark.slow
def test_a_study_goes_on_when_nobody_reads_it(tmp_path):
    people, out = setting(tmp_path).data, tmp_path / "out"
    given = ["--train", people.train, "--held-out", people.held_out, "--iterations", "1", "--seeds", "1", "--out", out]
    command = [sys.executable, ROOT / "tools/study.py", "gradients", *given]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith(f"stdout took no more lines (No space left on device): the reports are in {out}\n")
    assert (out / "gradients/report.md").exists()
