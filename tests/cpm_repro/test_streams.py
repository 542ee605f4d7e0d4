"""A tool whose stdout or stderr is closed, full, narrow or gone ends as it should, and never with a traceback."""

import os
import subprocess
import sys

import pytest

from tests.tool import ROOT

PROGRAM = """
import sys
from cpm_repro import command_line

def main(arguments):
    opened = open(sys.argv[1])
    print({text})
    return 3 * (opened.fileno() < 3)

sys.exit(command_line.run(main, command_line.parser("", ""), []))
"""


def run(redirection, text="'a line'", **environment):
    """The program in a shell; its exit code, stdout and stderr."""
    command = [sys.executable, "-c", PROGRAM.format(text=text), os.devnull]
    ended = subprocess.run(
        ["bash", "-c", f'"$@" {redirection}', "bash", *command],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(closed):
    """No file of the tool gets their numbers, where a stray line would be written into it."""
    assert run(closed) == (0, b"" if ">&-" in closed and closed != "2>&-" else b"a line\n", b"")


def test_a_full_disk_behind_stdout():
    code, _, stderr = run("> /dev/full")
    assert code == 2 and stderr == b"-c: stdout: cannot be written: No space left on device\n"
    assert run("> /dev/full 2> /dev/full") == (2, b"", b"")


def test_a_full_disk_in_the_midst():
    code, _, stderr = run("> /dev/full", "'long' * 100000")
    assert code == 2 and stderr == b"-c: stdout: cannot be written: No space left on device\n"


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", b"\xc3\xa4 \xff \xe2\x86\x92\n"), ("latin-1", b"\xe4 \xff \\u2192\n")]
)
def test_every_text_comes_out(encoding, expected):
    """Names that are no text as the bytes they are; what an encoding lacks as an escape."""
    assert run("", r"'\xe4 \udcff \u2192'", PYTHONIOENCODING=encoding) == (0, expected, b"")
