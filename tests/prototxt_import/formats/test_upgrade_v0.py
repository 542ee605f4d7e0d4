"""V0 nets become V2 nets: every flat field finds its message, padding layers go into the layers above them."""

import pytest

from prototxt_import.files import InputError
from prototxt_import.formats.own_fields import values
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

INPUT = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12\n'


def v0(name, type_name, bottom, top, fields=""):
    return f'layers {{ layer {{ name: "{name}" type: "{type_name}" {fields} }} bottom: "{bottom}" top: "{top}" }}\n'


def test_a_convolution():
    net = parse_net(
        INPUT
        + v0(
            "conv1",
            "conv",
            "data",
            "conv1",
            "num_output: 4 kernelsize: 3 stride: 2 group: 1 biasterm: false weight_filler { type: 'gaussian' std: 0.1 }"
            " blobs_lr: 1. blobs_lr: 2. weight_decay: 1. weight_decay: 0.",
        ),
        "net",
    )
    layer = net.layer[1]
    assert (layer.name, layer.type, list(layer.bottom), list(layer.top)) == (
        "conv1",
        "Convolution",
        ["data"],
        ["conv1"],
    )
    p = layer.convolution_param
    assert (p.num_output, list(p.kernel_size), list(p.stride), p.bias_term) == (4, [3], [2], False)
    assert p.weight_filler.type == "gaussian"
    assert [(spec.lr_mult, spec.decay_mult) for spec in layer.param] == [(1, 1), (2, 0)]


def test_padding_goes_into_the_layers_above():
    net = parse_net(
        INPUT
        + v0("pad", "padding", "data", "pad", "pad: 2")
        + v0("conv", "conv", "pad", "conv", "num_output: 4 kernelsize: 5 pad: 1")
        + v0("pool", "pool", "pad", "pool", "kernelsize: 3 stride: 2 pool: AVE"),
        "net",
    )
    conv, pool = net.layer[1:]
    assert list(conv.bottom) == list(pool.bottom) == ["data"]
    assert list(conv.convolution_param.pad) == [2] and list(pool.pooling_param.pad) == [2]
    assert pool.pooling_param.pool == pool.pooling_param.AVE and not net.layers


def test_other_types():
    net = parse_net(
        INPUT
        + v0("norm", "lrn", "data", "norm", "local_size: 3 alpha: 0.5")
        + v0("fc", "innerproduct", "norm", "fc", "num_output: 5")
        + v0("prob", "softmax", "fc", "prob"),
        "net",
    )
    assert [layer.type for layer in net.layer] == ["Input", "LRN", "InnerProduct", "Softmax"]
    assert net.layer[1].lrn_param.local_size == 3 and net.layer[2].inner_product_param.num_output == 5


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (v0("a", "", "data", "a"), 'such as "conv" or "pool", found none'),
        (v0("a", "relu", "data", "a", "kernelsize: 3"), "no field 'kernelsize'"),
        (v0("p", "padding", "data", "p", "pad: 1") + v0("a", "relu", "p", "a"), "found 'p' below it"),
    ],
)
def test_what_v0_did_not_have_is_refused_by_name(layers, found):
    with pytest.raises(InputError, match=found) as refusal:
        parse_net(INPUT + layers, "net")
    assert "net: layer 'a'" in str(refusal.value)


def test_a_fork_s_type_is_for_a_class_of_one_s_own():
    more = "num_output: 2 kernelsize: 3 weight_filler { type: 'gaussian' std: 0.5 } blobs_lr: 1 blobs_lr: 2"
    net = parse_net(INPUT + v0("a", "konv", "data", "a", more), "net")
    layer = net.layer[1]
    assert layer.type == "konv" and [spec.lr_mult for spec in layer.param] == [1, 2]
    assert {field.name: values(field.text, "a") for field in layer.own_param} == {
        "num_output": 2,
        "kernelsize": 3,
        "weight_filler": {"type": "gaussian", "std": 0.5},
    }
    with pytest.raises(InputError, match=r"layer 'a': expected a known type, found 'konv' \(a class of your own"):
        Net(net)
