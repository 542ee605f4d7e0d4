"""The command lines that --help ends with: their options are there, and after `make demo` they work as typed."""

import argparse
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cpm_repro.command_line import DATA_SET_NEEDED
from tests.tool import ROOT
from tests.tool import TOOLS as ALL_TOOLS

TOOLS = [tool for tool in ALL_TOOLS if tool != "caffe_dump"]  # it needs pycaffe
ONLY_PARSED = {"bench", "walkthrough"}  # the first measures for many minutes, the second is `make demo` itself
EXIT_CODES = {"compare": 1}  # its example finds the differences that there are
ITERATIONS = {20: 750, 40: 1500}  # of the test's demo, and those that the examples name


def parsers(tool: str) -> Iterator[argparse.ArgumentParser]:
    """The tool's own and its subcommands'."""
    parser = runpy.run_path(str(ROOT / "tools" / f"{tool}.py"))["arguments_parser"]()
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def examples(parser: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Command lines that work after `make demo`, and those that need a data set's own files."""
    assert parser.epilog.startswith("example:\n"), parser.prog
    lines = [line.strip() for line in parser.epilog.replace("\\\n", " ").splitlines()[1:]]
    split = lines.index(DATA_SET_NEEDED) if DATA_SET_NEEDED in lines else len(lines)
    return lines[:split], lines[split + 1 :]


@pytest.mark.parametrize("tool", TOOLS)
def test_the_options_of_every_example_are_there(tool):
    tools_own, *_ = parsers(tool)
    for parser in parsers(tool):
        commands = [shlex.split(line) for lines in examples(parser) for line in lines]
        own = [command[2:] for command in commands if command[:2] == ["python", f"tools/{tool}.py"]]
        assert own, f"{parser.prog}: expected an example of its own"
        for arguments in own:
            tools_own.parse_args(arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tools/ and what `make demo` leaves, after few iterations."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "tools", folder / "tools")
    last = max(ITERATIONS)
    run(f"python tools/walkthrough.py --out build/demo --iterations {last}", folder)
    models = folder / "build/demo/models"
    for iteration, named in ITERATIONS.items():
        for suffix in ("caffemodel", "solverstate", "solverstate.npz"):
            shutil.copy(models / f"people_iter_{iteration}.{suffix}", models / f"people_iter_{named}.{suffix}")
    return folder


def run(command: str, folder: Path) -> int:
    """As a shell does it in an environment with this Python; returns the exit code, 0 or 1."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True)
    assert ended.returncode in (0, 1), f"{command}\n{ended.stderr.decode()[-3000:]}"
    assert b"Traceback" not in ended.stderr, f"{command}\n{ended.stderr.decode()[-3000:]}"
    return ended.returncode


@pytest.mark.slow
@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool not in ONLY_PARSED])
def test_every_example_works_after_make_demo(tool, project):
    commands = dict.fromkeys(line for parser in parsers(tool) for line in examples(parser)[0])
    for command in commands:
        expected = EXIT_CODES.get(tool, 0)
        assert run(command, project) == expected, command
