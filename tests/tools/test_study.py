"""`cpm study`: on LMDBs that are given, and what it refuses."""

from tests.cpm_repro.studies.tiny import setting
from tests.tool import run_tool


def test_on_given_people(tmp_path):
    people = setting(tmp_path).data
    given = ["--train", people.train, "--held-out", people.held_out, "--people", 2]
    done = run_tool("study", "gradients", *given, "--iterations", 1, "--seeds", 1, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "gradients: figure 5" in done.stdout and "**" in done.stdout
    report = (tmp_path / "out" / "gradients" / "report.md").read_text()
    assert "train, judged by held_out; crops of 144 px; 1 iterations of 4 samples" in report


def test_people_are_given_whole(tmp_path):
    done = run_tool("study", "stages", "--train", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2 and "--train, --held-out: expected both LMDBs or none, found one" in done.stderr
    done = run_tool("study", "stages", "--train", tmp_path, "--held-out", tmp_path, "--out", tmp_path / "out")
    assert done.returncode == 2 and f"{tmp_path}: expected an LMDB, found none" in done.stderr
