"""The golden nets that are tested while they are trained, what their tests find, and the lines of Caffe's logs that
come in a fixed order."""

import re
import shutil
from pathlib import Path

import numpy as np

from cpm_repro.training.loop import Hook, Training
from cpm_repro.training.testing import Tested
from tests.tool import writable_copy


class Means(Hook):
    """The means of all tests, by test net."""

    def __init__(self) -> None:
        self.found: dict[int, list[list[np.float32]]] = {}

    def after_test(self, training: Training, tested: Tested) -> None:
        self.found.setdefault(tested.number, []).append([value for _, value in tested.means])


def copied(golden: Path, golden2: Path, to: Path) -> Path:
    """test_phase, where snapshots can be written, with the other tools' solvers."""
    writable_copy(golden2 / "test_phase", to / "test_phase", "*.log")
    for solver in (golden2 / "caffe_tools").glob("*_solver.prototxt"):
        shutil.copyfile(solver, to / "test_phase" / solver.name)
    (to / "transform").symlink_to((golden / "transform").resolve())
    return to / "test_phase"


def said(log: str) -> list[str]:
    """Caffe's lines in a log without glog's prefix, and without those of background threads, which come in no fixed
    order."""
    text = re.sub(r"(?m)^[IWEF]\d+ [\d:.]+ +\d+ ", "", log)
    lines = text[text.index("caffe.cpp:") :].splitlines()
    background = ("blocking_queue", "db_lmdb", "data_transformer.cpp:70", "cpm_repro")
    return [line for line in lines if not line.startswith(background)]
