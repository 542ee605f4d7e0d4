"""The testing protocol's options: which network is meant."""

import argparse

from cpm_repro.convert.weights import save_pt
from cpm_repro.inference.options import add_testing_options, network, protocol
from prototxt_import.engine import make_engine
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

TEXT = """input: "data" input_shape { dim: 1 dim: 4 dim: 64 dim: 64 }
layer { name: "conv1_stage1" type: "Convolution" bottom: "data" top: "conv1_stage1" convolution_param { num_output: 4
        kernel_size: 8 stride: 8 weight_filler { type: "xavier" } } }
"""


def arguments(*typed):
    parser = argparse.ArgumentParser()
    add_testing_options(parser)
    parsed = parser.parse_args(typed)
    parsed.engine = make_engine(parsed.engine)
    return parsed


def test_weights_that_have_their_net_need_no_prototxt(tmp_path):
    net = Net(parse_net(TEXT, "n"), seed=1)
    net.trained = {"target_dist": 0.25, "sigma_center": 7.0}
    save_pt(tmp_path / "n.pt", net, TEXT)
    typed = arguments("--weights", str(tmp_path / "n.pt"))
    found = network(typed)
    assert not found.training and found.trained == net.trained
    assert (protocol(typed, found).target_dist, protocol(typed, found).sigma) == (0.25, 7)
    typed.target_dist, typed.sigma_center = 0.5, 9.0
    assert (protocol(typed, found).target_dist, protocol(typed, found).sigma) == (0.5, 9)
