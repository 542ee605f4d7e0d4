"""Shapes, parameters, work and receptive fields of nets, against the paper's numbers and against gradients."""

import json

import numpy as np
import pytest
import torch

from cpm_repro.network import summary
from cpm_repro.network.receptive_field import receptive_fields
from cpm_repro.network.specification import CPM, PRESETS, cpm_deploy, person_deploy, vgg_deploy
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net
from tests.foreign_nets import conv, data, foreign_net, layer, pool, relu


def net_of(message):
    return Net(parse_net(format_prototxt(message), "n"))


@pytest.fixture(scope="module")
def cpm():
    """The paper's net: (layers, stages)."""
    net = net_of(cpm_deploy(PRESETS["mpi"]))
    layers = summary.summarize_layers(net)
    return layers, summary.summarize_stages(net, layers)


def test_the_releases_net_has_351_gflop_and_31_million_parameters(cpm):
    layers, _ = cpm
    assert sum(layer.parameters for layer in layers) == 31_219_866
    assert sum(layer.flop for layer in layers) / 1e9 == pytest.approx(350.9, abs=0.05)
    assert summary.total_line(layers) == "88 layers, 31,219,866 parameters, 350.9 GFLOP"


def test_what_the_stages_see(cpm):
    layers, stages = cpm
    assert [summary.field_text(stage.on_image) for stage in stages] == [
        f"{167 + 240 * t}x{167 + 240 * t}" for t in range(6)
    ]
    assert [summary.field_text(stage.on_maps) for stage in stages[1:]] == ["31x31"] * 5
    assert {summary.stride_text(stage.on_image) for stage in stages} == {"8"}
    said = summary.paper_comparison(stages)
    assert "stage 1 on the image: 167x167, the paper says 160x160, with 2x2 pooling" in said
    assert "stage 2 on the maps of stage 1: 31x31, as in the paper" in said
    by_name = {layer.name: layer for layer in layers}
    assert by_name["conv1_stage3"].stage == 3 and by_name["pool_center_lower"].stage == 1
    assert by_name["concat_stage3"].bottoms == ["conv1_stage3", "Mconv5_stage2", "pool_center_lower"]
    assert by_name["relu1_stage1"].in_place and not by_name["conv1_stage1"].in_place


def test_with_2x2_pooling_they_are_the_papers():
    net = cpm_deploy(CPM(stages=2))
    for spec in net.layer:
        if spec.type == "Pooling" and spec.pooling_param.kernel_size == [3]:
            spec.pooling_param.kernel_size[:] = [2]
    net = net_of(net)
    said = summary.paper_comparison(summary.summarize_stages(net, summary.summarize_layers(net)))
    assert said.count("as in the paper") == 3
    assert "160x160" in said and "400x400" in said


@pytest.mark.parametrize(("message", "first"), [(vgg_deploy(), 164), (person_deploy(), 148)])
def test_other_pose_machines_have_stages_too(message, first):
    net = net_of(message)
    stages = summary.summarize_stages(net, summary.summarize_layers(net))
    assert stages[0].on_image[0].size == first and summary.field_text(stages[1].on_maps) == "31x31"


def test_names_that_look_like_stages_make_no_pose_machine():
    net = Net(parse_net(data(1, 5, 5) + conv("conv_stage4", "data", 2, 3), "n"))
    assert summary.summarize_stages(net, summary.summarize_layers(net)) == []


def seen_by(net, blob, place):
    """The rows and columns of `data` that a unit of the blob depends on, by gradients."""
    x = torch.rand(net.input_shapes["data"], generator=torch.Generator().manual_seed(0)).requires_grad_()
    net({"data": x})[blob][(0, slice(None), *place)].sum().backward()
    rows, columns = np.nonzero(x.grad[0].abs().sum(0).numpy())
    return (rows.min(), rows.max()), (columns.min(), columns.max())


SMOOTH = (
    data(2, 61, 67)
    + conv("a", "data", 3, 5, "pad: 1 stride: 2")
    + pool("p", "a", "pool: AVE kernel_size: 3 stride: 2 pad: 1")
    + conv("b", "p", 3, 3, "dilation: 2 pad: 3")
    + layer("Convolution", "c", "p", "convolution_param { num_output: 3 kernel_h: 3 kernel_w: 1 pad_h: 2 pad_w: 1 }")
    + layer("Eltwise", "sum", "b c")
    + layer("LRN", "lrn", "sum", "lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL }")
    + layer("Deconvolution", "up", "sum", "convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 }")
    + conv("d", "up", 2, 3)
)


@pytest.mark.parametrize("blob", ["a", "p", "b", "c", "sum", "lrn"])
def test_fields_are_where_the_gradients_are(blob):
    net = Net(parse_net(SMOOTH, "n"))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    field = receptive_fields(net, "data")[blob]
    place = tuple(size // 2 for size in net.blob_shapes[blob][2:])
    for axis, (low, high), at in zip(field, seen_by(net, blob, place), place, strict=True):
        assert (at * axis.stride + axis.low, at * axis.stride + axis.high) == (low, high)


@pytest.mark.parametrize("blob", ["up", "d"])
def test_behind_a_deconvolution_no_unit_sees_more_than_its_field(blob):
    net = Net(parse_net(SMOOTH, "n"))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.1)
    field = receptive_fields(net, "data")[blob]
    middle = [size // 2 for size in net.blob_shapes[blob][2:]]
    seen = [seen_by(net, blob, (middle[0] + i, middle[1] + i)) for i in range(2)]
    for axis in range(2):
        sizes = [high - low + 1 for low, high in (extent[axis] for extent in seen)]
        assert max(sizes) <= field[axis].size <= max(sizes) + field[axis].stride * 2
        for i, extent in enumerate(seen):
            at = (middle[axis] + i) * field[axis].stride
            assert at + field[axis].low <= extent[axis][0] and extent[axis][1] <= at + field[axis].high


def test_what_sees_everything_or_is_no_map():
    net, _ = foreign_net("alexnet")
    fields = receptive_fields(net, "data")
    assert fields["fc6"] is None and fields["prob"] is None and summary.field_text(fields["fc6"]) == "all"
    net, _ = foreign_net("two_inputs")
    assert "weights" not in receptive_fields(net, "image")


def test_counts_of_a_small_net():
    text = data(4, 9, 7, batch=2) + conv("c", "data", 6, 3, "group: 2 stride: 2") + relu("c") + (
        layer("Deconvolution", "d", "c", "convolution_param { num_output: 3 kernel_size: 2 stride: 2 }")
        + layer("InnerProduct", "f", "d", "inner_product_param { num_output: 5 }")
    )  # fmt: skip
    layers = {made.name: made for made in summary.summarize_layers(Net(parse_net(text, "n")))}
    assert layers["c"].parameters == 6 * 2 * 9 + 6 and layers["c"].flop == 2 * (6 * 2 * 9) * 2 * 4 * 3
    assert layers["d"].parameters == 6 * 3 * 4 + 3 and layers["d"].flop == 2 * (6 * 3 * 4) * 2 * 4 * 3
    assert layers["f"].flop == 2 * (5 * 3 * 8 * 6) * 2
    assert layers["c"].window == "3x3/2 group 2" and layers["relu_c"].stage is None


def test_json_and_tables_hold_the_same(cpm):
    layers, stages = cpm
    values = json.loads(json.dumps(summary.as_json(layers, stages)))
    assert values["parameters"] == 31_219_866 and len(values["layers"]) == 88 and len(values["stages"]) == 6
    assert values["stages"][1]["field"] == [407, 407] and values["stages"][1]["field_on_maps"] == [31, 31]
    table = summary.layer_table(layers)
    assert len(table.splitlines()) == 89 and "conv4_stage2 + conv7_stage1 + pool_center_lower -> concat_stage2" in table
    assert len(summary.stage_table(stages).splitlines()) == 7


def test_weights_that_are_not_finite_are_counted():
    net = Net(parse_net(data(2, 5, 5) + conv("c", "data", 2, 3), "n"), seed=1)
    with torch.no_grad():
        net.layers["c"].weight[0, 0, 0, :2] = float("nan")
        net.layers["c"].bias.fill_(float("inf"))
    rows = summary.weight_table(net).splitlines()
    assert rows[1].split()[-1] == "2" and rows[2].split()[-4:] == ["-", "-", "-", "2"]
