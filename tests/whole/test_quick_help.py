"""Every --help answers at once: under a second of CPU, and without torch, which alone takes two."""

import subprocess
import sys

import pytest

from tests.tool import ROOT, TOOLS

MOST_SECONDS = 1.0
PROGRAM = """
import resource, runpy, sys
tool, *sys.argv = sys.argv[1:]
try:
    runpy.run_path(tool, run_name="__main__")
except SystemExit as ended:
    assert not ended.code, ended.code
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, *({"torch", "matplotlib"} & set(sys.modules)))
"""


def cost(*command: object) -> tuple[float, list[str]]:
    """Seconds of CPU, and which heavy packages were imported."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, command)], capture_output=True, text=True, check=False, cwd="/"
    )
    assert ended.returncode == 0, ended.stderr
    seconds, *heavy = ended.stdout.splitlines()[-1].split()
    return float(seconds), heavy


@pytest.mark.parametrize("tool", TOOLS)
def test_every_help_is_quick(tool):
    path = ROOT / "tools" / f"{tool}.py"
    seconds, heavy = cost(path, path, "--help")
    assert heavy == []
    assert seconds < MOST_SECONDS


def test_the_list_of_all_jobs_is_quick():
    path = ROOT / "cpm_repro/__main__.py"
    seconds, heavy = cost(path, path, "--help")
    assert heavy == [] and seconds < MOST_SECONDS / 2
