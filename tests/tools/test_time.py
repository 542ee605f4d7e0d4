"""tools/time.py: `caffe time`'s lines; the times are those of this machine."""

import re
from pathlib import Path

import pytest

from tests.tool import run_tool
from tests.whole.phases import copied, said


def without_numbers(line: str) -> str:
    """Times and the loss of weights that no seed gave are any."""
    return re.sub(r"(-?\d+(\.\d+)?(e[-+]\d+)?)(?= ms\.|$)", "N", line)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_lines_are_the_originals(golden: Path, golden2: Path, tmp_path: Path, engine: str) -> None:
    command = "--model cpm_train_val.prototxt --iterations 2 --phase TEST --engine"
    done = run_tool("time", *command.split(), engine, cwd=copied(golden, golden2, tmp_path))
    assert done.returncode == 0, done.stderr
    expected = said((golden2 / "caffe_tools/time_cpm.log").read_text())
    assert [without_numbers(line) for line in said(done.stdout)] == [without_numbers(line) for line in expected]
