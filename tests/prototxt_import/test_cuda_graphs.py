"""Passes replayed from CUDA graphs: when one is recorded, and that results are those of the net. On the CPU a stand-in
records the work itself and does it again; `gpu` tests record graphs."""

import gc
import weakref

import pytest
import torch
from google.protobuf import text_format

from prototxt_import import cuda_graphs
from prototxt_import.cuda_graphs import MOST, Replays, replayed
from prototxt_import.formats import schema
from prototxt_import.net import Net

NET = """
layer { name: "d" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 25 dim: 21 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 9 kernel_size: 5 pad: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "b" type: "Convolution" bottom: "p" top: "b" convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.1 } } }
"""  # noqa: E501


class StandIn:
    """Records as `cuda_graphs.record`: a replay works into the blobs that it returned."""

    def __init__(self):
        self.recorded = self.replayed = 0

    def __call__(self, work):
        made = work()
        self.recorded += 1

        def replay():
            self.replayed += 1
            with torch.no_grad():
                for name, blob in work().items():
                    made[name].copy_(blob)

        return replay, made


@pytest.fixture
def net(device):
    return Net(text_format.Parse(NET, schema.NetParameter()), seed=5).to(device)


@pytest.fixture
def record(device):
    return StandIn() if device == "cpu" else cuda_graphs.record


def noise(device, seed, size=(2, 3, 25, 21)):
    return {"data": torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(device)}


def assert_close(actual, expected):
    assert (actual - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_results_are_the_nets(net, device, record, mode):
    forward = Replays(net, record)
    kept = []
    for seed, size in enumerate([(2, 3, 25, 21), (1, 3, 17, 40)] * 4):
        inputs = noise(device, seed, size)
        with mode():
            kept.append((forward(inputs, ["b", "p"]), net(inputs)))
    for ours, expected in kept:  # later passes have not written into earlier results
        assert set(ours) == {"b", "p"}
        for name, blob in ours.items():
            assert_close(blob, expected[name])
    if device == "cpu":
        assert (record.recorded, record.replayed) == (2, 6), "the first pass of each shape is not recorded"


def test_weights_that_change_are_recorded_anew(net, device, record):
    forward = Replays(net, record)
    with torch.no_grad():
        for factor in (1, 2):
            net.layers["b"].weight.mul_(factor)
            for seed in range(3):
                inputs = noise(device, seed)
                assert_close(forward(inputs, ["b"])["b"], net(inputs)["b"])


def test_few_graphs_stay(net, device, record):
    forward = Replays(net, record)
    with torch.no_grad():
        for height in range(20, 20 + 2 * MOST):
            for seed in range(2):
                forward(noise(device, seed, (1, 3, height, 21)), ["b"])
    assert len(forward._recordings) == MOST


def test_who_is_replayed(net, monkeypatch):
    assert replayed(torch.nn.Identity()).__class__ is torch.nn.Identity
    monkeypatch.setattr(cuda_graphs, "_on_card", lambda net: True)
    assert isinstance(replayed(net), Replays) and replayed(net) is replayed(net)
    exact = Net(net.param, engine="exact")
    assert replayed(exact) is exact
    arg_max = 'layer { name: "m" type: "ArgMax" bottom: "b" top: "m" argmax_param { axis: 1 } }'
    other = Net(text_format.Parse(NET + arg_max, schema.NetParameter()))
    assert replayed(other) is other
    drop = NET + 'layer { name: "drop" type: "Dropout" bottom: "b" top: "b" }'
    testing, training = (Net(text_format.Parse(drop, schema.NetParameter()), phase) for phase in ("TEST", "TRAIN"))
    assert isinstance(replayed(testing), Replays)
    assert replayed(training) is training, "each pass of it draws other numbers"


def test_the_net_is_not_kept_alive(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "_on_card", lambda net: True)
    net = Net(text_format.Parse(NET, schema.NetParameter()), seed=5)
    replayed(net)._record = lambda work: (lambda: None, work())
    with torch.no_grad():
        for seed in range(3):
            replayed(net)(noise("cpu", seed), ["b"])
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
