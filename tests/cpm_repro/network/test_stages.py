"""The belief maps of every stage, found by the blobs' names."""

from types import SimpleNamespace

import pytest

from cpm_repro.network.stages import stage_blobs
from prototxt_import.files import InputError


def named(names: str) -> SimpleNamespace:
    """A net with these blobs."""
    return SimpleNamespace(blob_names=names.split())


def test_stage_blobs_of_the_released_networks():
    cpm = "data image center_map pool_center_lower conv1_stage1 pool1_stage1 conv6_stage1 conv7_stage1 "
    cpm += "conv7_stage1_conv7_stage1_0_split_0 conv1_stage2 pool3_stage2 conv4_stage2 concat_stage2 "
    cpm += "Mconv1_stage2 Mconv5_stage2 conv1_stage3 concat_stage3 Mconv1_stage3 Mconv5_stage3"
    assert stage_blobs(named(cpm)) == ["conv7_stage1", "Mconv5_stage2", "Mconv5_stage3"]
    trained = cpm.replace("data ", "data label ") + " loss_stage1 loss_stage2 loss_stage3"
    assert stage_blobs(named(trained)) == stage_blobs(named(cpm))
    vgg = "data image center_map conv1_1 pool1_stage1 pool3_stage1 conv4_7_CPM "
    vgg += "conv4_7_CPM_conv4_7_CPM_0_split_0 conv5_1_CPM conv5_2_CPM "
    vgg += "conv5_2_CPM_split_0 concat_stage2 Mconv1_stage2 Mconv7_stage2 concat_stage3 Mconv7_stage3"
    assert stage_blobs(named(vgg)) == ["conv5_2_CPM", "Mconv7_stage2", "Mconv7_stage3"]
    assert stage_blobs(named("data conv4_7_CPM conv5_2_CPM")) == ["conv5_2_CPM"]


def test_nets_without_a_stage_are_named():
    with pytest.raises(InputError, match="found no blob for them"):
        stage_blobs(named("concat_stage2 Mconv5_stage2"))
    with pytest.raises(InputError, match=r"stages 1, 2, \.\.\., found blobs of stages \[1, 3\]"):
        stage_blobs(named("conv7_stage1 Mconv5_stage3"))
