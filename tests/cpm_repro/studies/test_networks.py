"""What studies change in a net: which losses count, and who learns."""

import pytest

from cpm_repro.network.specification import cpm_deploy, cpm_train
from cpm_repro.network.stages import stage_blobs
from cpm_repro.studies.data import Data
from cpm_repro.studies.networks import (
    SIZES,
    frozen_before,
    one_label_set,
    only_losses,
    recipe,
    stage_of,
    transform,
    without_center_map,
)
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.graph import check_order
from prototxt_import.net import Net
from tests.cpm_repro.studies.tiny import SIZE


def net():
    return cpm_train(SIZE.cpm, "lmdb", 2, transform(SIZE))


@pytest.mark.parametrize(
    "layer, stage", [("conv7_stage1", 1), ("Mconv5_stage12", 12), ("image", None), ("_stage", None)]
)
def test_stages_by_name(layer, stage):
    assert stage_of(layer) == stage


@pytest.mark.parametrize("stages, unread", [([2], ["label_1st_lower"]), ([1], ["label_lower"]), ([1, 2], [])])
def test_only_some_losses(stages, unread):
    changed = only_losses(net(), stages)
    check_order(changed)
    assert [layer.name for layer in changed.layer if layer.type == "EuclideanLoss"] == [
        f"loss_stage{n}" for n in stages
    ]
    assert [list(layer.bottom) for layer in changed.layer if layer.type == "Silence"] == ([unread] if unread else [])


def test_earlier_stages_do_not_learn():
    changed = frozen_before(net(), 2)
    learn = {layer.name: [p.lr_mult for p in layer.param] for layer in changed.layer if layer.param}
    assert all(not any(rates) for name, rates in learn.items() if name.endswith("_stage1"))
    assert all(all(rates) for name, rates in learn.items() if not name.endswith("_stage1"))


def test_features_that_all_stages_share_are_the_firsts(photographs):
    changed = frozen_before(photographs.train, 2)
    rates = {layer.name: [p.lr_mult for p in layer.param] for layer in changed.layer if layer.type != "BatchNorm"}
    later = {name for name in rates if name.endswith("_stage2")}
    assert {name for name, own in rates.items() if any(own)} == {name for name in later if rates[name]}
    assert not any(rates["conv1"])


def test_photographs_are_learnt_by_the_small_nets(photographs):
    assert photographs.solver.type == "Adam"
    assert photographs.solver.lr_policy == "poly"
    assert photographs.solver.max_iter == SIZES["photographs"].iterations
    for changed in (only_losses(photographs.train, [2]), one_label_set(photographs.train)):
        check_order(changed)
    deploy = parse_net(format_prototxt(photographs.deploy), "n")
    assert stage_blobs(Net(deploy, seed=1)) == ["conv10_stage1", "Mconv6_stage2"]


@pytest.fixture
def photographs(tmp_path):
    """A net of two stages of the size for photographs."""
    data = Data("photographs", tmp_path, tmp_path, "a digest", "a digest")
    return recipe("of two stages", SIZES["photographs"], data, seed=1, stages=2)


def test_one_set_of_labels():
    changed = one_label_set(net())
    check_order(changed)
    assert {tuple(layer.bottom)[1] for layer in changed.layer if layer.type == "EuclideanLoss"} == {"label_lower"}
    assert [list(layer.bottom) for layer in changed.layer if layer.type == "Silence"] == [["label_1st_lower"]]


def test_nobody_says_whose_pose_is_meant():
    text = format_prototxt(without_center_map(cpm_deploy(SIZE.cpm, (32, 32))))
    assert stage_blobs(Net(parse_net(text, "n"), seed=1)) == ["conv7_stage1", "Mconv5_stage2"]
    for changed in (without_center_map(net()), without_center_map(cpm_deploy(SIZE.cpm))):
        assert [list(layer.bottom) for layer in changed.layer if "center_map" in layer.bottom] == [["center_map"]]
        assert not any("pool_center_lower" in [*layer.bottom, *layer.top] for layer in changed.layer)


def test_the_papers_size_is_the_releases():
    asked = transform(SIZES["paper"])
    assert (asked.crop_size_x, asked.target_dist, SIZES["paper"].cpm.stages) == (368, pytest.approx(1.171), 6)
