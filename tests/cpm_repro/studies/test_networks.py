"""What studies change in a net: which losses count, and who learns."""

import pytest

from cpm_repro.network.specification import cpm_train
from cpm_repro.studies.networks import SIZES, frozen_before, only_losses, stage_of, transform
from prototxt_import.graph import check_order
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


def test_the_papers_size_is_the_releases():
    asked = transform(SIZES["paper"])
    assert (asked.crop_size_x, asked.target_dist, SIZES["paper"].cpm.stages) == (368, pytest.approx(1.171), 6)
