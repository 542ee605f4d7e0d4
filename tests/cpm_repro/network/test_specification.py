"""The nets of the release, layer by layer."""

import pytest

from cpm_repro.network.specification import (
    CPM,
    PRESETS,
    Widths,
    cpm_deploy,
    cpm_train,
    person_deploy,
    release_solver,
    release_transform,
    vgg_deploy,
    vgg_train,
)
from prototxt_import.formats.prototxt import format_prototxt, parse_net, read_net, read_solver
from prototxt_import.net import Net


def built(param):
    """The net as it reads back from its own prototxt text."""
    return parse_net(format_prototxt(param), "built")


@pytest.mark.parametrize("preset", ["mpi", "leeds"])
def test_cpm_equals_the_releases_layer_by_layer(golden, preset):
    assert built(cpm_deploy(PRESETS[preset])) == read_net(golden / "net/cpm6_full_deploy.prototxt")


@pytest.mark.parametrize(
    ("name", "stages", "dropout"), [("replay", 3, 0), ("replay_dropout", 3, 0.5), ("replay_itersize", 2, 0)]
)
def test_training_nets_equal_the_originals(golden, name, stages, dropout):
    expected = read_net(golden / f"solver/{name}_train.prototxt")
    data = expected.layer[0]
    spec = CPM(14, stages, Widths(16, 8, 24, 12), filler_std=0.05, dropout=dropout)
    param = cpm_train(spec, data.cpmdata_param.source, data.cpmdata_param.batch_size, data.transform_param)
    assert built(param) == expected


@pytest.mark.parametrize(
    ("param", "parameters", "maps"),
    [
        (cpm_deploy(PRESETS["mpi"]), 31_219_866, (1, 15, 46, 46)),
        (cpm_deploy(PRESETS["flic"]), 21_323_816, (1, 10, 46, 46)),
        (vgg_deploy(), 29_852_058, (1, 15, 46, 46)),
        (person_deploy(), 25_714_372, (1, 1, 47, 82)),
    ],
)
def test_sizes(param, parameters, maps):
    net = Net(built(param))
    assert sum(parameter.numel() for parameter in net.parameters()) == parameters
    assert [net.blob_shapes[name] for name in net.output_names] == [maps]


def test_where_the_stages_take_their_bottoms_from():
    layers = {layer.name: layer for layer in built(cpm_deploy(PRESETS["mpi"])).layer}
    assert list(layers["conv1_stage2"].bottom) == ["image"]
    assert list(layers["concat_stage2"].bottom) == ["conv4_stage2", "conv7_stage1", "pool_center_lower"]
    for stage in (3, 4, 5, 6):
        assert list(layers[f"conv1_stage{stage}"].bottom) == ["pool3_stage2"]
        previous = f"Mconv5_stage{stage - 1}"
        assert list(layers[f"concat_stage{stage}"].bottom) == [f"conv1_stage{stage}", previous, "pool_center_lower"]
    layers = {layer.name: layer for layer in built(vgg_deploy()).layer}
    assert list(layers["concat_stage2"].bottom) == ["conv5_2_CPM", "conv4_7_CPM", "pool_center_lower"]
    layers = {layer.name: layer for layer in built(person_deploy()).layer}
    assert list(layers["concat_stage3"].bottom) == ["Mconv7_stage2", "conv5_2_CPM"]


def test_vgg_is_trained_as_its_deploy_net_with_a_loss_per_stage():
    deploy, train = vgg_deploy(stages=3), vgg_train(3, "records", 2, release_transform())
    losses = {layer.name: list(layer.bottom) for layer in train.layer if layer.type == "EuclideanLoss"}
    assert losses == {
        "loss_stage1": ["conv5_2_CPM", "label_1st_lower"],
        "loss_stage2": ["Mconv7_stage2", "label_lower"],
        "loss_stage3": ["Mconv7_stage3", "label_lower"],
    }
    others = [layer for layer in train.layer if layer.name not in {*losses, "data", "vec_label"}]
    assert others == list(deploy.layer)


def test_the_releases_solver(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text(format_prototxt(release_solver("train.prototxt", "cpm")))
    solver = read_solver(path)
    assert (solver.lr_policy, solver.stepsize, solver.max_iter) == ("step", 136106, 600000)
    assert solver.base_lr == pytest.approx(8e-5) and solver.weight_decay == pytest.approx(5e-4)
    assert release_transform().target_dist == pytest.approx(1.171)
