"""Ways through a folder of pictures find the same people; the loop's crops and its way back are the protocol's."""

import numpy as np
import torch
from torch import Tensor

from cpm_repro.benchmarks import poses
from cpm_repro.inference.protocol import Protocol


def test_the_loop_brings_maps_back_to_the_picture() -> None:
    """Of a net that believes in the centre map, the peak is the person's centre."""

    def centred(data: Tensor) -> Tensor:
        part = torch.nn.functional.avg_pool2d(data[:, 3:], 8)
        return torch.cat([part, 1 - part], 1)

    with poses.folder_of(1) as files:
        for file in files:
            joints = poses.plain_joints(file, centred, Protocol(184, 0.6))
            assert joints.shape == (1, 2) and np.abs(joints - file.center).max() < 8


def test_the_folder_holds_what_was_drawn() -> None:
    with poses.folder_of(3) as files:
        assert [file.path.name for file in files] == ["0.jpg", "1.jpg", "2.jpg"]
        assert all(file.path.stat().st_size > 10_000 and 0 < file.scale < 5 for file in files)
    assert not files[0].path.exists()
