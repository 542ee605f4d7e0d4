"""Shared blobs and their multipliers."""

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

X = 'input: "x" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 } '


def shared(*params, type_name="Convolution"):
    """A chain of convolutions, each with that `param` of its weight."""
    layers, bottom = "", "x"
    for index, param in enumerate(params):
        layers += (
            f'layer {{ name: "{index}" type: "{type_name}" bottom: "{bottom}" top: "{index}" param {{ {param} }} '
            "convolution_param { num_output: 2 kernel_size: 1 bias_term: false } } "
        )
        bottom = str(index)
    return Net(parse_net(X + layers, "n"))


@pytest.mark.parametrize(
    ("params", "multipliers"),
    [
        (('name: "w"', 'name: "w" lr_mult: 3 decay_mult: 0.5'), (3, 0.5)),
        (('name: "w" lr_mult: 3 decay_mult: 0.5', 'name: "w"'), (3, 0.5)),
        (('name: "w" lr_mult: 3', 'name: "w" decay_mult: 2', 'name: "w" lr_mult: 3'), (3, 2)),
        (('name: "w" lr_mult: 0', 'name: "w"'), (0, 1)),
    ],
)
def test_multipliers_come_from_whichever_layer_gives_them(params, multipliers):
    net = shared(*params)
    (blob,) = net.learnable
    assert (blob.layer, blob.lr_mult, blob.decay_mult) == ("0", *multipliers)
    assert blob.parameter.requires_grad == (multipliers[0] != 0)
    assert net.layers["0"].weight is net.layers["1"].weight is blob.parameter


@pytest.mark.parametrize("field", ["lr_mult", "decay_mult"])
def test_two_different_ones_are_refused(field):
    with pytest.raises(InputError, match=f"layer '2' .*param 'w' with {field} 0, as an earlier layer has it, found 1"):
        shared('name: "w"', f'name: "w" {field}: 0', f'name: "w" {field}: 1')


def test_batch_norms_do_not_share_their_statistics():
    """Caffe drops three `param`, as old nets had to have, with their names, and writes its own."""
    param = " ".join(f'param {{ name: "{name}" lr_mult: 0 }}' for name in "mvf")
    layers = f'layer {{ name: "a" type: "BatchNorm" bottom: "x" top: "a" {param} }} '
    layers += f'layer {{ name: "b" type: "BatchNorm" bottom: "a" top: "b" {param} }}'
    net = Net(parse_net(X + layers, "n"), "TRAIN")
    assert net.layers["a"].mean is not net.layers["b"].mean and len(net.learnable) == 6
    assert [list(layer.param) for layer in net.to_caffemodel().layer if layer.type == "BatchNorm"] == [
        [type(net.layers["a"].spec.param[0])(lr_mult=0)] * 3
    ] * 2
    with pytest.raises(InputError, match=r"layer 'a' \(BatchNorm\): expected lr_mult 0 in param 0, .* found 1"):
        Net(parse_net(X + 'layer { name: "a" type: "BatchNorm" bottom: "x" top: "a" param { lr_mult: 1 } }', "n"))


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_param_propagate_down_ends_a_gradient_and_the_blob_keeps_its_rate(engine):
    fill = 'weight_filler { type: "gaussian" std: 1 }'
    text = (
        'input: "x" input_shape { dim: 2 dim: 3 } layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" '
        f"param {{ param_propagate_down: false decay_mult: 3 }} param {{ param_propagate_down: true }} "
        f"inner_product_param {{ num_output: 2 {fill} }} }}"
    )
    net = Net(parse_net(text, "n"), "TRAIN", engine, seed=1)
    net({"x": torch.ones(2, 3)})["ip"].sum().backward()
    weight, bias = net.learnable
    assert (weight.lr_mult, weight.decay_mult, bias.lr_mult) == (1, 3, 1)
    assert weight.parameter.grad is None and bias.parameter.grad.tolist() == [2, 2]
    shared = text.replace("param_propagate_down: false", 'name: "w" param_propagate_down: false')
    with pytest.raises(InputError, match=r"'ip' .*: expected no param_propagate_down: false of a shared param"):
        Net(parse_net(shared, "n"))
