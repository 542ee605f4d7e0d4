"""The small CPM: sizes, what its stages see, and that it can be trained and run."""

import pytest

from cpm_repro.network.receptive_field import receptive_fields
from cpm_repro.network.small import (
    PERSON,
    SmallCPM,
    small_deploy,
    small_person_deploy,
    small_person_train,
    small_train,
)
from cpm_repro.network.specification import release_transform
from cpm_repro.network.stages import stage_blobs
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net
from tests.tool import assert_refused, run_tool


def built(param):
    """The net as it reads back from its own prototxt text."""
    return parse_net(format_prototxt(param), "built")


@pytest.mark.parametrize("spec", [SmallCPM(), SmallCPM(parts=9, stages=2, features=32, stage=16)])
def test_every_stage_makes_maps_at_an_eighth(spec):
    net = Net(built(small_deploy(spec, (184, 168), batch=2)))
    blobs = stage_blobs(net)
    assert [net.blob_shapes[name] for name in blobs] == [(2, spec.parts + 1, 23, 21)] * spec.stages


def test_the_second_stage_sees_the_whole_person():
    net = Net(built(small_deploy(SmallCPM())))
    fields = receptive_fields(net, "image")
    sizes = [fields[name][0].size for name in stage_blobs(net)]
    assert sizes == [87, 231, 375]


def test_only_convolutions_that_make_maps_have_biases():
    for layer in small_deploy(SmallCPM()).layer:
        if layer.type == "Convolution":
            assert layer.convolution_param.bias_term == (layer.convolution_param.num_output == 15), layer.name


def test_training_and_testing_share_all_layers_with_weights():
    train = small_train(SmallCPM(), "lmdb", 4, release_transform())
    assert with_weights(train) == with_weights(small_deploy(SmallCPM()))
    assert [layer.type for layer in train.layer].count("EuclideanLoss") == 3


def test_every_stage_of_the_person_detector_learns_the_centre_map():
    """One map per stage, and neither the centre map nor a joint's label reaches a convolution."""
    deploy = small_person_deploy(PERSON, (184, 168))
    net = Net(built(deploy))
    blobs = stage_blobs(net)
    assert [net.blob_shapes[name] for name in blobs] == [(1, 1, 23, 21)] * 2
    train = small_person_train(PERSON, "lmdb", 4, release_transform())
    assert with_weights(train) == with_weights(deploy)
    losses = [list(layer.bottom) for layer in train.layer if layer.type == "EuclideanLoss"]
    assert losses == [[blob, "pool_center_lower"] for blob in blobs]
    assert [list(layer.bottom) for layer in train.layer if layer.type == "Concat"] == [["sum8", blobs[0]]]


def with_weights(net):
    """Its layers that have any."""
    return [layer for layer in net.layer if layer.type in ("Convolution", "BatchNorm", "Scale")]


def test_a_detector_may_learn_the_centres_of_everybody(tmp_path):
    for net in ("small-person", "person"):
        done = run_tool("make_prototxt", net, "--all-centers", "--out", tmp_path)
        assert done.returncode == 0, done.stderr
        assert "all_centers: true" in (tmp_path / "train.prototxt").read_text()
    assert_refused(run_tool("make_prototxt", "small", "--all-centers", "--out", tmp_path / "no"), "no --all-centers")
    assert not (tmp_path / "no").exists()


def test_the_channels_are_asked_for(tmp_path):
    done = run_tool("make_prototxt", "small", "--stages", "2", "--channels", "32,16", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    expected = small_deploy(SmallCPM(stages=2, features=32, stage=16))
    assert (tmp_path / "deploy.prototxt").read_text() == format_prototxt(expected)
    assert_refused(run_tool("make_prototxt", "mpi", "--channels", "32,16", "--out", tmp_path / "no"), "no --channels")
