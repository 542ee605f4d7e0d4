"""In a process with the shim preloaded: a study with one of its writes failing, then the same again without.

`python -m tests.whole.faults.study FOLDER MOST`: up to MOST faults, spread over its writes. Whatever a fault left, the
study has to go on to the files that it would have had; what is wrong is printed, and how many faults there were.
"""

import ctypes
import os
import shutil
import sys
from pathlib import Path

from cpm_repro import exit_codes
from cpm_repro.studies import STUDIES
from cpm_repro.studies.study import run
from tests.cpm_repro.studies.tiny import setting
from tests.whole.faults.driver import ERRORS, GROWING, Files, files, spread


def code_of(out: Path) -> int:
    """The exit code of a study in that folder."""

    def work() -> None:
        run(STUDIES["stages"], setting(out))

    return exit_codes.code_of(work, "study")


def results(out: Path) -> Files:
    """What it left, without logs, which also tell of what went wrong."""
    return {name: content for name, content in files(out).items() if not name.endswith(GROWING)}


def main(folder: Path, most: int) -> None:
    shim, out = ctypes.CDLL(os.environ["LD_PRELOAD"]), folder / "study"
    os.environ["FAULT_UNDER"] = str(out)
    shim.arm(0, 0)
    code_of(out)
    expected, faults = results(out), spread(shim.counted(), most)
    for place, call in enumerate(faults):
        shutil.rmtree(out)
        shim.arm(call, ERRORS[place % len(ERRORS)])
        code = code_of(out)
        shim.arm(0, 0)
        if code not in (0, exit_codes.BAD_INPUT) or code_of(out) or results(out) != expected:
            found = results(out)
            differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
            print(f"call {call}: exit code {code}, {differ}", flush=True)
    print(f"{len(faults)} faults")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
