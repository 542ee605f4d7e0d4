"""The command `cpm`: its jobs are the tools, with the same parser, the same help and the same exit codes."""

import ast
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import cpm_repro
from cpm_repro import jobs
from cpm_repro.__main__ import main
from tests.tool import ROOT, TOOLS, run_tool

INTERRUPTED = """
import os, signal, sys
module = sys.argv[1]
signal.signal(signal.SIGINT, signal.default_int_handler)
class Slow:
    def find_spec(self, name, *more):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Slow())
sys.argv = ["cpm", "plot_log", "nothing.log", "--out", "nothing.png"]
from cpm_repro import __main__
__main__.main()
"""
pytestmark = pytest.mark.usefixtures("ctrl_c")


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    """`cpm <arguments>`: exit code, stdout and stderr."""
    with mock.patch.object(sys, "argv", ["cpm", *arguments]), pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code or 0, *capsys.readouterr()


def test_every_tool_is_a_job():
    assert sorted(jobs.tools()) == TOOLS
    assert all(path.samefile(ROOT / "tools" / path.name) for path in jobs.tools().values())


def test_help_lists_the_jobs_with_a_line_each(capsys):
    code, shown, _ = run(capsys, "--help")
    assert code == 0
    for name, path in jobs.tools().items():
        (line,) = [line for line in shown.splitlines() if line.startswith(f"  {name} ")]
        assert line.removeprefix(f"  {name} ").strip() == jobs.first_line(path)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tools_first_line_is_a_sentence(tool):
    line = jobs.first_line(ROOT / "tools" / f"{tool}.py")
    assert line.endswith(".") and len(line) <= 120, line


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != jobs.CAFFE_DUMP])
def test_a_jobs_help_is_the_tools_own(tool, capsys):
    code, shown, _ = run(capsys, tool, "--help")
    own = run_tool(tool, "--help").stdout
    assert code == 0 and shown.startswith(f"usage: cpm {tool} ")
    assert f"  cpm {tool} " in shown and "tools/" not in shown.partition("example:")[2]
    options = [line.split()[0] for line in own.splitlines() if line.startswith("  -")]
    assert options == [line.split()[0] for line in shown.splitlines() if line.startswith("  -")]


def test_several_processes_start_the_command(capsys):
    assert "  torchrun --no-python --nproc-per-node 2 cpm train --solver" in run(capsys, "train", "--help")[1]


def test_exit_codes_and_sentences_are_the_tools(tmp_path, capsys):
    code, shown, said = run(capsys, "convert", "--weights", str(tmp_path / "no.pt"), "--out", str(tmp_path / "x.pt"))
    assert (code, shown) == (2, "") and said.startswith(f"cpm convert: {tmp_path}/no.pt: ") and said.count("\n") == 1
    assert run(capsys, "make_people", "--count", "2", "--out", str(tmp_path / "people"))[0] == 0
    assert (tmp_path / "people/people.csv").exists()
    code, _, said = run(capsys, "train")
    assert code == 2 and "cpm train: error: the following arguments are required: --solver" in said


def test_what_is_no_job(capsys):
    code, _, said = run(capsys, "fly")
    assert code == 2 and "cpm: error: argument JOB: invalid choice: 'fly'" in said
    code, _, said = run(capsys)
    assert code == 2 and "cpm: error: the following arguments are required: JOB" in said


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"cpm {cpm_repro.__version__}\n", "")


def test_where_the_script_for_caffe_lies(capsys):
    code, shown, _ = run(capsys, "caffe_dump", "net", "--help")
    assert code == 0 and Path(shown.strip()).samefile(ROOT / "tools/caffe_dump.py")
    ast.parse(Path(shown.strip()).read_text())


def test_as_a_module():
    shown = subprocess.run([sys.executable, "-m", "cpm_repro", "--version"], capture_output=True, text=True, cwd="/")
    assert shown.stdout == f"cpm {cpm_repro.__version__}\n"


def test_ctrl_c_while_something_is_imported_ends_the_command_without_a_word():
    for module in ("cpm_repro.command_line", "cpm_repro.tools.plot_log", "cpm_repro.figures"):
        command = [sys.executable, "-c", INTERRUPTED, module]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", ""), module
