"""README, CONTRIBUTING and docs/: every command parses, every path and link is there, and the commands work."""

import argparse
import re
import runpy
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.tool import ROOT, TOOLS, run_command

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
NEEDS_FILES = "needs-files"
"""After ```sh: these commands need more than `make demo`'s files, or many minutes; they are parsed only."""
FAILS = "exit-code-1"
OTHERS_OPTIONS = {"--nnodes", "--nproc-per-node", "--no-python", "--fmad=false"}  # torchrun's, NVRTC's
FOLDERS = ("cpm_repro/", "data_lmdb/", "docs/", "kernels/", "prototxt_import/", "tests/", "tools/")
MOST_LINES = 120  # of the README

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def blocks(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What stands after ```sh, and the block's command lines without comments."""
    for words, text in re.findall(
        r"^```sh *(.*?)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    ):
        lines = [line.partition("  #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
        yield words, [line for line in lines if line]


def inline(path: Path) -> list[str]:
    """What stands in single backticks, outside of blocks."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]


@cache
def parser(tool: str) -> argparse.ArgumentParser:
    return runpy.run_path(str(ROOT / "tools" / f"{tool}.py"))["arguments_parser"]()


def all_options(of: argparse.ArgumentParser) -> Iterator[str]:
    for action in of._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from all_options(inner)


def tool_and_arguments(command: str) -> tuple[str, list[str]]:
    """The tool that a command line calls, and what it hands it."""
    words = shlex.split(command)
    if words[0] == "cpm":
        return words[1], words[2:]
    script = next((number for number, word in enumerate(words) if word.endswith(".py")), None)
    assert words[0] in ("python", "torchrun") and script is not None, f"no tool in: {command}"
    return Path(words[script]).stem, words[script + 1 :]


@page
def test_every_command_parses(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, commands in blocks(page):
        for command in commands:
            if command.startswith("make "):
                assert command.split()[1] in targets, command
                continue
            if command.startswith("pip install "):
                assert all((ROOT / word).exists() for word in command.split()[2:] if word[0] != "-"), command
                continue
            tool, arguments = tool_and_arguments(command)
            parser(tool).parse_args(arguments)


@page
def test_every_block_of_commands_says_so(page):
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)[::2]
    assert {fence.split(" ")[0] for fence in fences} <= {"sh", "python", "json"}
    assert {words for words, _ in blocks(page)} <= {"", NEEDS_FILES, FAILS}


@page
def test_jobs_and_options_in_the_text_are_there(page):
    options = {option for tool in TOOLS for option in all_options(parser(tool))} | OTHERS_OPTIONS | {"--version"}
    for code in inline(page):
        if code.startswith("cpm "):
            assert code.split()[1] in {*TOOLS, "<job>", "--help", "--version"}, code
        if code.startswith("--"):
            assert code.split()[0] in options, code


@page
def test_every_path_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in links if not (page.parent / link).exists()]
    named = [code for code in inline(page) if code.startswith(FOLDERS) and not re.search(r"[ <*{]", code)]
    missing += [path for path in named if not (ROOT / path).exists()]
    assert not missing


def test_the_readme_is_short_and_leads_everywhere():
    text = PAGES[0].read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    pages = [path.relative_to(ROOT) for path in PAGES[1:]]
    assert not [path for path in pages if f"({path})" not in text]


@pytest.mark.slow
@page
def test_every_command_works_after_make_demo(page, demo_project):
    for words, commands in blocks(page):
        for command in commands if words != NEEDS_FILES else []:
            assert run_command(command, demo_project) == (words == FAILS), command
