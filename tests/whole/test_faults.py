"""Every write of every tool may fail, with any error: a sentence, exit code 2, nothing lost and nothing left behind.

A library that is preloaded (faults/shim.c) lets one call fail after the other of those that write; faults/driver.py
looks at what each left, faults/study.py at what a study makes of it that goes on.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tool import ROOT
from tests.whole.faults.jobs import jobs, prepare

JOBS = list(jobs(Path("/")))
SEED = ["make_people", "make_json", "make_lmdb", "make_prototxt", "convert_h5", "plot_log"]
MOST = 100  # faults of a job


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the jobs read, and the shim."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("faults")
    source = ROOT / "tests/whole/faults/shim.c"
    subprocess.run([compiler, "-O1", "-fPIC", "-shared", "-o", folder / "shim.so", source, "-ldl"], check=True)
    prepare(folder)
    return folder


def faults_of(folder, most, names, module="driver"):
    """How many faults there were, and what was wrong with what they left."""
    environment = {**os.environ, "LD_PRELOAD": str(folder / "shim.so"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"tests.whole.faults.{module}", str(folder), str(most), *names]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    *wrong, count = ended.stdout.splitlines()
    return int(re.fullmatch(r"(\d+) faults", count)[1]), wrong


def test_a_few_faults_of_the_quick_tools(folder):
    count, wrong = faults_of(folder, 5, SEED)
    assert count == 5 * len(SEED) and not wrong


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_every_fault(folder, job):
    count, wrong = faults_of(folder, MOST, [job])
    assert count >= 5 and not wrong


@pytest.mark.slow
def test_a_study_goes_on_after_any_fault(folder):
    count, wrong = faults_of(folder, 25, [], "study")
    assert count == 25 and not wrong
