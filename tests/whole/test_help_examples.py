"""The command lines that --help ends with: their options are there, and after `make demo` they work as typed."""

import argparse
import runpy
import shlex
from collections.abc import Iterator

import pytest

from cpm_repro.command_line import DATA_SET_NEEDED
from tests.tool import ROOT, run_command
from tests.tool import TOOLS as ALL_TOOLS

TOOLS = [tool for tool in ALL_TOOLS if tool != "caffe_dump"]  # it needs pycaffe
ONLY_PARSED = {"bench", "card", "walkthrough"}  # two run for many minutes, the last is `make demo` itself
EXIT_CODES = {"compare": 1}  # its example finds the differences that there are


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


@pytest.mark.slow
@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool not in ONLY_PARSED])
def test_every_example_works_after_make_demo(tool, demo_project):
    commands = dict.fromkeys(line for parser in parsers(tool) for line in examples(parser)[0])
    for command in commands:
        expected = EXIT_CODES.get(tool, 0)
        assert run_command(command, demo_project) == expected, command
