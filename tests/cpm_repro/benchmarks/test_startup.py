"""Commands are real processes: a stamp where their line comes, their processor time, their imports and steps."""

from types import SimpleNamespace

import pytest

from cpm_repro.benchmarks import startup
from cpm_repro.benchmarks.charts import startup_figure
from cpm_repro.benchmarks.startup import Command
from prototxt_import.files import InputError

TALKS = """
import os, sys, time
print("a line")
print("the pose")
while not os.path.exists(sys.argv[1]):
    time.sleep(0.005)
"""


def test_the_awaited_line_has_a_stamp(tmp_path, monkeypatch):
    """The command goes on until the line has it."""
    stamps = []

    def clock() -> float:
        stamps.append(float(len(stamps)))
        if len(stamps) == 2:
            (tmp_path / "stamped").touch()
        return stamps[-1]

    with monkeypatch.context() as patched:
        patched.setattr(startup, "time", SimpleNamespace(perf_counter=clock))
        started = startup.start(Command(["-c", TALKS, str(tmp_path / "stamped")], "the pose"))
    assert (started.awaited, started.ended) == (1, 2) and started.processor > 0
    until_end = startup.start(Command(["-c", "pass"], None))
    assert 0 < until_end.awaited == until_end.ended


def test_a_command_that_fails_is_told():
    with pytest.raises(InputError, match="expected exit code 0, found: no such thing"):
        startup.start(Command(["-c", "import sys; sys.exit('no such thing')"], None))
    with pytest.raises(InputError, match="expected the pose, found: another"):
        startup.start(Command(["-c", "print('another')"], "the pose"))


def test_imports_by_package():
    found = startup.imports(Command(["-c", "import cpm_kernels, html.parser"], None))
    assert found["cpm_kernels"] > 0 and found["others"] > 0 and "torch" not in found


def test_steps_of_what_is_no_module(tmp_path):
    assert startup.steps(Command(["-c", "pass"], None), tmp_path) == {}


def test_words_and_picture():
    row = {"awaited": [2.0, 1.0, 3.0], "ended": [4.0, 4.0, 4.0], "processor": [5.0, 5.0, 5.0]}
    rows = {
        "import torch": {**row, "imports": {"torch": 1.5}, "steps": {}},
        "cpm demo": {**row, "imports": {"torch": 1.5, "scipy": 0.25}, "steps": {"maps drawn": 0.125}},
    }
    text = startup.text({"commands": rows})
    assert "| 2 (1 to 3) | 4 (4 to 4) | 5 (5 to 5) |" in " ".join(text.split())
    assert "scipy" in text and "maps drawn" in text
    assert [bar.get_width() for bar in startup_figure({"commands": rows}, "title").axes[0].patches] == [2, 2]


@pytest.mark.slow
def test_all_of_it():
    report = startup.measure(1)["commands"]
    assert list(report) == ["import torch", "cpm --help", "cpm demo", "cpm train"]
    assert "torch" not in report["cpm --help"]["imports"]
    assert {"nets run (with plans and spectra)", "maps averaged", "maps drawn"} <= set(report["cpm demo"]["steps"])
    assert {"backward", "samples waited for"} <= set(report["cpm train"]["steps"])
    assert "matplotlib" not in report["cpm demo"]["imports"]
