"""In a process with the shim preloaded: jobs with one of their writes failing, again and again.

`python -m tests.whole.faults.driver FOLDER MOST JOB...`: up to MOST faults of each job, spread over its calls, with one
error after the other. What is wrong with what a fault left is printed, a line for each, and how many faults there were.
"""

import ctypes
import errno
import os
import re
import sys
import traceback
from pathlib import Path

from tests.tool import Result, run_tool
from tests.whole.faults.jobs import Command, jobs

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EXDEV)
GROWING = (".log", ".csv")
KEPT = re.compile(r"\.partial|run_iter_1\.")  # what the next run goes on from: an LMDB's records, a whole snapshot

Files = dict[str, bytes]


def files(folder: Path) -> Files:
    """Every file below, by its place."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def wrong(result: Result, before: Files, after: Files, number: int) -> list[str]:
    """What is not as it should be after a fault."""
    found = []
    last = result.stderr.strip().rpartition("\n")[2]
    if result.returncode != (0 if last.endswith("the run goes on without it") else 2):
        found.append(f"exit code {result.returncode}")
    if "Traceback" in result.stderr or os.strerror(number) not in last:
        found.append(f"said {result.stderr[-300:]!r}")
    for name, content in before.items():
        kept = after.get(name, b"")
        if kept != content and not (name.endswith(GROWING) and kept.startswith(content)):
            found.append(f"lost {name}")
    strangers = {name for name in after.keys() - before.keys() if not KEPT.search(name)}
    return found + [f"left {name}" for name in sorted(strangers)]


def spread(calls: int, most: int) -> list[int]:
    """Up to `most` of the calls 1 to `calls`, the first and the last among them."""
    if calls <= most:
        return list(range(1, calls + 1))
    return [1 + round(index * (calls - 1) / (most - 1)) for index in range(most)]


def run(command: Command) -> Result:
    """The tool's result, or its traceback."""
    try:
        return run_tool(str(command[0]), *command[1:])
    except BaseException:
        return Result(1, "", traceback.format_exc())


def check(shim: ctypes.CDLL, command: Command, out: Path, job: str, most: int) -> int:
    """The faults of one job; their number."""
    out.mkdir(parents=True, exist_ok=True)
    os.environ["FAULT_UNDER"] = str(out)
    for _ in range(2):  # the second time over what is there, as with the faults
        shim.arm(0, 0)
        result = run(command)
        assert result.returncode in (0, 1), result.stderr  # 1: compare found differences
    faults = spread(shim.counted(), most)
    for place, call in enumerate(faults):
        number, before = ERRORS[place % len(ERRORS)], files(out)
        shim.arm(call, number)
        result = run(command)
        shim.arm(0, 0)
        for sentence in wrong(result, before, files(out), number):
            print(f"{job}, call {call}, {os.strerror(number)}: {sentence}", flush=True)
    return len(faults)


def main(folder: Path, most: int, names: list[str]) -> None:
    shim = ctypes.CDLL(os.environ["LD_PRELOAD"])
    commands = jobs(folder)
    done = sum(check(shim, commands[name](folder / "out" / name), folder / "out" / name, name, most) for name in names)
    print(f"{done} faults")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
