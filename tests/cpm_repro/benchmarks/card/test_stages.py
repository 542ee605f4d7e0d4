"""A card run: jobs within their budgets, results as they come, and the whole path on the CPU."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cpm_repro.benchmarks.card import stages
from cpm_repro.benchmarks.card.report import found, markdown, short_table, succeeded
from cpm_repro.benchmarks.card.stages import Done, Job, Run, run_job, run_stage
from prototxt_import.files import InputError
from tests.tool import ROOT, running


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def run_of(folder: Path, seconds: float = 60) -> Run:
    return Run("cpu", folder, seconds, written=stages.write_json)


def test_results_are_written_after_every_job(tmp_path):
    (tmp_path / "two.json").write_text('{"a": 1}')
    jobs = [
        Job("stage", "one", python("raise ValueError('a number')"), 30),
        Job("stage", "two", python("print('fine')"), 30, tmp_path / "two.json"),
    ]
    written = []

    def write(run: Run) -> None:
        stages.write_json(run)
        written.append(json.loads((tmp_path / "report.json").read_text()))

    run = Run("cpu", tmp_path, 60, written=write)
    run_stage(run, jobs, side_by_side=2)
    assert [len(report["jobs"]) for report in written] == [1, 2]
    one, two = written[-1]["jobs"]
    assert (one["outcome"], one["why"]) == ("failed", "ValueError: a number")
    assert (two["outcome"], two["results"]) == ("passed", {"a": 1})
    assert (tmp_path / "jobs/stage_two.txt").read_text() == "fine\n" and not succeeded(run)


def test_a_job_and_its_children_end_with_its_budget(tmp_path):
    job = Job("stage", "slow", ["sh", "-c", "sleep 3000 & echo $!; wait"], 2)
    done = run_job(run_of(tmp_path, 3000), job)
    assert (done.outcome, done.why) == ("cut short", "its 2 s were over") and done.seconds < 1000
    pid = int((tmp_path / "jobs/stage_slow.txt").read_text())
    deadline = time.monotonic() + 600
    while running(pid):
        assert time.monotonic() < deadline, "the child goes on"
        time.sleep(0.05)


def test_what_has_no_time_left_is_not_started(tmp_path):
    run = run_of(tmp_path, seconds=stages.RESERVE)
    done = run_job(run, Job("stage", "late", python("1 / 0"), 30))
    assert (done.outcome, done.why) == ("skipped", "no time was left")


TESTS = """
import os, time, pytest

def test_good(): pass

def test_bad(): assert 1 == 2, "not equal"

@pytest.mark.skip(reason="no card")
def test_skipped(): pass

@pytest.fixture
def broken():
    yield
    raise RuntimeError("teardown")

def test_teardown(broken): pass

def test_slow(): time.sleep(60)
"""


@pytest.mark.slow
def test_every_test_is_a_line_as_soon_as_it_is_over(tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS)
    (job,) = stages.test_jobs(run_of(tmp_path), "gpu tests", [str(tmp_path / "test_some.py")], 25)
    command = [part for part in job.command if part not in ("-m", "gpu")]
    command.insert(1, "-m")
    done = run_job(run_of(tmp_path), Job(job.stage, job.name, command, 8, job.results))
    results = {result["test"].rpartition("::")[2]: (result["outcome"], result["why"]) for result in done.results}
    assert done.outcome == "cut short"
    assert results["test_good"] == ("passed", "") and results["test_skipped"] == ("skipped", "no card")
    assert results["test_bad"][0] == "failed" and "not equal" in results["test_bad"][1]
    assert [r["outcome"] for r in done.results if "teardown" in r["test"]] == ["passed", "failed"]
    assert "test_slow" not in results and found(done).startswith("2 passed, 2 failed, 1 skipped (its ")


def test_a_file_that_cannot_be_imported_is_a_failure(tmp_path):
    (tmp_path / "test_missing.py").write_text("import a_package_that_is_not_there")
    (job,) = stages.test_jobs(run_of(tmp_path), "gpu tests", [str(tmp_path / "test_missing.py")], 60)
    done = run_job(run_of(tmp_path), job)
    assert done.outcome == "failed" and "a_package_that_is_not_there" in done.results[0]["why"]


def test_all_files_with_gpu_tests_are_found(request):
    """Those among the tests of this run."""
    files = stages.test_files()
    assert files.index("tests/kernels/exact/test_cuda.py") < files.index("tests/prototxt_import/test_cuda_graphs.py")
    marked = {item.path for item in request.session.items if item.get_closest_marker("gpu")}
    assert {path.relative_to(ROOT).as_posix() for path in marked} <= set(files)


def test_the_report_in_words(tmp_path):
    run = run_of(tmp_path)
    missing = [{"package": "lmdb", "needed by": "records"}]
    machine = {"card": "NVIDIA H9", "packages": {"torch": "2.11"}, "missing": missing}
    rates = {"fast engine": {"median": 812.0}, "torch": {"median": 400.0}}
    card = {"kernels": 2e5, "pipeline": 9e3, "share_of_copy_bandwidth": 0.5, "pipeline_limited_by": "the upload"}
    failed = {"test": "t.py::test_a", "outcome": "failed", "seconds": 1, "why": "AssertionError: bits"}
    run.done = [
        Done("environment", "machine", "passed", 3.0, "", machine),
        Done("gpu tests", "t.py", "failed", 9.0, "", [failed, {**failed, "outcome": "passed"}]),
        Done("golden replays", "all", "skipped", 0.0, "no golden files"),
        Done("benchmarks", "infer", "passed", 30.0, "", {"pipelines": rates, "differences": {"torch": 1e-6}}),
        Done("benchmarks", "exact", "passed", 30.0, "", {"forward": {"pipelines": rates}}),
        Done("benchmarks", "data", "passed", 30.0, "", {"one_thread": rates, "card": card}),
    ]
    text = markdown(run)
    assert text.startswith("# NVIDIA H9\n") and short_table(run) in text
    for said in (
        "missing: lmdb",
        "1 passed, 1 failed",
        "no golden files",
        "fast engine: 812 images/s; torch: 400",
        "* `t.py::test_a`: AssertionError: bits",
        "the kernels on the card: 200000 samples/s",
        "missing: needed by records",
    ):
        assert said in text, said


def test_a_checkout_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="expected a checkout of the project, found no tests"):
        stages.check_checkout(tmp_path)


@pytest.mark.slow
def test_make_card_on_the_cpu(tmp_path):
    """All of it: every stage, every file, in time."""
    command = ["make", "card", "DEVICE=cpu", "MINUTES=4", f"CARD={tmp_path / 'card'}"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    print(made.stdout, made.stderr)
    assert made.returncode == 0, made.stderr
    report = json.loads((tmp_path / "card/report.json").read_text())
    assert report["seconds"] < 240
    outcomes = {(job["stage"], job["name"]): job["outcome"] for job in report["jobs"]}
    assert set(outcomes) >= {("benchmarks", name) for name in stages.BENCHMARKS}
    assert {stage for stage, _ in outcomes} >= {"environment", "gpu tests", "golden replays", "benchmarks"}
    assert all((tmp_path / f"card/{name}.png").exists() for name in stages.BENCHMARKS)
    assert "# cpu" in (tmp_path / "card/report.md").read_text() and "| benchmarks" in made.stdout
