"""Runs a tool of tools/ in this process, for starting Python and torch costs seconds; or a command as a shell does;
copies what is read-only, and says whether a process goes on.
"""

import contextlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TOOLS = sorted(path.stem for path in (ROOT / "tools").glob("*.py") if path.stem != "__init__")


class Result(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def run_tool(name: str, *arguments: object, cwd: Path | None = None) -> Result:
    """`python tools/<name>.py <arguments>`, in the folder `cwd`."""
    path = str(ROOT / "tools" / f"{name}.py")
    stdout, stderr = io.StringIO(), io.StringIO()
    before, ctrl_c = os.getcwd(), signal.getsignal(signal.SIGINT)
    os.chdir(cwd or before)
    try:
        with (
            mock.patch.object(sys, "argv", [path, *map(str, arguments)]),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            pytest.raises(SystemExit) as ended,
        ):
            runpy.run_path(path, run_name="__main__")
    finally:
        os.chdir(before)
        signal.signal(signal.SIGINT, ctrl_c)
    return Result(ended.value.code or 0, stdout.getvalue(), stderr.getvalue())


def writable_copy(folder: Path, to: Path, *left_out: str) -> None:
    """The folder, but for files of such names; the golden files may be read-only, their copies are not."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(*left_out), copy_function=shutil.copyfile)
    for copied in (to, *(path for path in to.rglob("*") if path.is_dir())):
        copied.chmod(0o755)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture in a file."""
    with Image.open(path) as picture:
        return picture.size


def assert_refused(result: Result, *said: str) -> None:
    """Exit code 2 and one sentence on stderr with all the words of `said`, without traceback."""
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1 and "Traceback" not in result.stderr, result.stderr
    for words in said:
        assert words in result.stderr, (words, result.stderr)


def run_command(command: str, folder: Path) -> int:
    """A command line as a shell runs it in an environment with this Python; its exit code, 0 or 1."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ended = subprocess.run(command, shell=True, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True)
    assert ended.returncode in (0, 1), f"{command}\n{ended.stderr.decode()[-3000:]}"
    assert b"Traceback" not in ended.stderr, f"{command}\n{ended.stderr.decode()[-3000:]}"
    return ended.returncode


def running(process: int | str) -> bool:
    """Whether there is such a process, and not only its exit code."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it may end at any moment
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")
