"""The poses that are kept."""

from pathlib import Path

import numpy as np
import pytest

from cpm_repro.inference.protocol import Protocol
from cpm_repro.npz import write_npz
from cpm_repro.studies.pose_machine.machine import Settings
from cpm_repro.studies.pose_machine.poses import POSES, Asked, held_out_poses
from prototxt_import.files import InputError
from prototxt_import.formats import schema

ASKED = Asked(
    Path("train"),
    Path("held_out"),
    ("1", "2"),
    schema.TransformationParameter(),
    Protocol(32, 0.12, 4, (1.0,)),
    Settings(stages=2),
)
JOINTS = np.zeros((3, 14, 2))


def test_kept_poses_are_read(tmp_path):
    write_npz(tmp_path / POSES, {"stage1": JOINTS, "stage2": JOINTS + 1})
    found = held_out_poses(ASKED, tmp_path, 1)
    assert list(found) == [1, 2] and (found[2] == 1).all()


@pytest.mark.parametrize(
    "damaged",
    [
        {"stage1": JOINTS},
        {"stage1": JOINTS, "stage2": JOINTS, "x": JOINTS},
        {"stage1": JOINTS, "stage2": JOINTS[:2]},
        {"stage1": JOINTS[0], "stage2": JOINTS[0]},
    ],
)
def test_damaged_poses_are_refused(tmp_path, damaged):
    write_npz(tmp_path / POSES, damaged)
    with pytest.raises(InputError, match=r"poses.npz: expected the joints of 2 stages .* found again\), found"):
        held_out_poses(ASKED, tmp_path, 1)
