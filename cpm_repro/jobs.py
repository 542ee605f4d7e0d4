"""The jobs of the command `cpm`: every tool of tools/ is one, as `cpm train --solver S`.

Installed, tools/ is the package `cpm_repro.tools`. A tool is imported when its job is asked for: a list of all jobs
needs the first line of each file only.
"""

import argparse
import ast
import importlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cpm_repro import __version__, command_line

CAFFE_DUMP = "caffe_dump"
"""The one tool that runs in another Python, where Caffe is: asked for this job, `cpm` says where the file lies."""

EXAMPLE = """
cpm demo --help
cpm make_people --count 200 --out people
python2.7 $(cpm caffe_dump) net --prototxt deploy.prototxt --weights cpm.caffemodel --input input.npz --out theirs.npz
"""


def tools() -> dict[str, Path]:
    """The file of every job, by name."""
    package = importlib.util.find_spec("cpm_repro.tools")
    if package is None or not package.submodule_search_locations:
        raise ImportError("cpm_repro was installed without its tools: run `pip install -e .` or `pip install .` again")
    (folder,) = package.submodule_search_locations
    return {path.stem: path for path in sorted(Path(folder).glob("*.py")) if path.stem != "__init__"}


def first_line(tool: Path) -> str:
    """What a tool is for: the first line of its docstring, read without running the file."""
    return (ast.get_docstring(ast.parse(tool.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def arguments_parser() -> argparse.ArgumentParser:
    jobs = tools()
    listed = "\n".join(f"  {name:<15}{first_line(path)}" for name, path in jobs.items())
    parser = command_line.parser(f"Convolutional Pose Machines, one job a command:\n\n{listed}", EXAMPLE)
    parser.add_argument("job", metavar="JOB", choices=tuple(jobs), help="one of these; `cpm JOB --help` explains it")
    parser.add_argument("--version", action="version", version=f"cpm {__version__}")
    return parser


def run(arguments: Sequence[str]) -> NoReturn:
    """Hands what follows the job's name on to the tool; leaves with the tool's exit code."""
    sys.argv = ["cpm", *arguments]
    job = arguments_parser().parse_args(arguments[:1]).job
    if job == CAFFE_DUMP:
        print(tools()[CAFFE_DUMP])
        sys.exit(0)
    sys.argv = [f"cpm {job}", *arguments[1:]]
    tool = importlib.import_module(f"cpm_repro.tools.{job}")
    command_line.run(tool.main, tool.arguments_parser())
