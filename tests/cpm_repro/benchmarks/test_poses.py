"""The plain loop through a folder of pictures finds the joints that the protocol finds."""

import numpy as np
from torch import Tensor, inference_mode

import cpm_repro
from cpm_repro.benchmarks import poses
from cpm_repro.inference.beliefs import estimate_poses
from cpm_repro.inference.crops import Person, read_upright
from cpm_repro.inference.protocol import Protocol
from cpm_repro.network.stages import stage_blobs
from data_lmdb.images import MAX_PIXELS


def test_the_loop_finds_what_the_protocol_finds() -> None:
    net = cpm_repro.load("lsp-small")
    protocol, blob = Protocol.for_net(net, scales=(0.9, 1.1)), stage_blobs(net)[-1]

    def maps(data: Tensor) -> Tensor:
        found: Tensor = net({"data": data})[blob]
        return found

    with poses.folder_of(1) as (file,):
        person = Person(read_upright(file.path, MAX_PIXELS), file.center, file.scale)
        ((pose,),) = estimate_poses([person], net, protocol)
        with inference_mode():
            joints = poses.plain_joints(file, maps, protocol)
    apart = np.linalg.norm(joints - pose.joints, axis=1)
    assert np.median(apart) < 3 and (apart < 12).mean() > 0.7, apart


def test_the_folder_holds_what_was_drawn() -> None:
    with poses.folder_of(3) as files:
        assert [file.path.name for file in files] == ["0.jpg", "1.jpg", "2.jpg"]
        assert all(file.path.stat().st_size > 10_000 and 0 < file.scale < 5 for file in files)
    assert not files[0].path.exists()
