"""Every way to run a network gives the same maps, every way to train it the same losses and weights."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cpm_repro.array_comparison import compare_arrays
from cpm_repro.benchmarks import networks, train
from cpm_repro.benchmarks.networks import Workload
from cpm_repro.benchmarks.plain_torch import PlainTorch, plain_sgd
from cpm_repro.network.specification import Widths
from cpm_repro.training.solver import SGDSolver
from prototxt_import.deployment import Variant
from prototxt_import.files import InputError
from tests.foreign_nets import LENET_V1, conv, data, pool, relu

SLOW = (networks.COMPILED,)  # it calls the C++ compiler
QUICK = {name: way for name, way in networks.PEERS["cpu"].items() if name not in SLOW}
CLOSE = {networks.OPENVINO: 0.05}  # bfloat16, where the machine has it
TINY = Workload("cpm", 1, size=72, batch=2, stages=2)


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(networks, "WIDTHS", Widths(5, 3, 7, 6))


@pytest.fixture
def tiny():
    with networks.weights_of(TINY) as weights, networks.case_of(TINY, weights) as case:
        yield case


def test_all_ways_give_the_same_maps(tiny):
    ways = {"exact engine": lambda case: networks.run_engine(case, "exact"), **QUICK}
    pipelines, missing = networks.opened(tiny, ways)
    assert set(pipelines) | set(missing) == set(ways) and {"torch", networks.CHANNELS_LAST} <= set(pipelines)
    expected = networks.run_engine(tiny, "fast")()
    assert expected.shape == (2, 15, 9, 9) and np.abs(expected).max() > 0.01
    for name, pipeline in pipelines.items():
        assert pipeline() == 2, name
        assert compare_arrays(expected, pipeline.result).share_of_largest < CLOSE.get(name, 2e-5), name


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_compiled_net_gives_them_too(tiny):
    expected = networks.run_engine(tiny, "fast")()
    assert compare_arrays(expected, networks.PEERS["cpu"][networks.COMPILED](tiny)()).share_of_largest < 2e-5


def test_half_precision_is_measured_too(tiny):
    half = networks.run_torch(tiny, torch.channels_last, dtype=torch.bfloat16)()
    assert 1e-5 < compare_arrays(networks.run_engine(tiny, "fast")(), half).share_of_largest < 0.05


def test_a_case_knows_its_work(tiny):
    assert (tiny.input, tiny.output, tiny.shape) == ("data", "Mconv5_stage2", (2, 4, 72, 72))
    convolutions = [layer for layer in tiny.net().layers.values() if layer.spec.type == "Convolution"]
    sizes = [tiny.net().blob_shapes[layer.spec.top[0]] for layer in convolutions]
    flop = sum(2 * layer.weight.numel() * s[0] * s[2] * s[3] for layer, s in zip(convolutions, sizes, strict=True))
    assert tiny.flop == flop and tiny.moved > tiny.weights.stat().st_size


def test_weights_serve_smaller_networks_of_the_same_name():
    with networks.weights_of(TINY) as weights:
        smaller = replace(TINY, stages=1, size=40, batch=1)
        with networks.case_of(smaller, weights) as case:
            assert networks.run_engine(case, "fast")().shape == (1, 15, 5, 5)
            folder = case.folder
        assert not folder.exists()
    assert not weights.exists()


def test_cpm_vgg_takes_size_batch_and_stages(monkeypatch):
    text = replace(TINY, net="vgg", stages=3).prototxt()
    assert text.count("dim: 72") == 2 and "dim: 2\n" in text and "Mconv7_stage3" in text and "stage4" not in text


def test_a_prototxt_of_ones_own_and_what_plain_torch_lacks(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(data(height=19) + conv("a", "data", 4, 3) + relu("a") + pool("b", "a", "kernel_size: 3 stride: 2"))
    outcomes = {}
    for text in (None, LENET_V1):
        path.write_text(text or path.read_text())
        own = Workload.of(str(path), 1, "cpu", "TEST", size=None)
        with networks.weights_of(own) as weights, networks.case_of(own, weights) as case:
            pipelines, missing = networks.opened(case, QUICK)
            expected = networks.run_engine(case, "fast")()
            outcomes[text] = missing
            for name, pipeline in pipelines.items():
                pipeline()
                assert compare_arrays(expected, pipeline.result).share_of_largest < CLOSE.get(name, 2e-5), name
    assert "torch" not in outcomes[None]
    assert "layer 'ip1'" in outcomes[LENET_V1]["torch"] and "found InnerProduct" in outcomes[LENET_V1]["torch"]
    with pytest.raises(InputError, match=r"net.prototxt: expected no stages beside"):
        Workload.of(str(path), 1, "cpu", "TEST", stages=3)


def test_what_is_not_installed_is_said(tiny):
    def lacking(case):
        raise ImportError("no such thing", name="thing")

    assert networks.opened(tiny, {"peer": lacking}) == ({}, {"peer": "thing is not installed"})


@pytest.fixture(params=["cpm", "vgg"])
def training(request):
    workload = replace(TINY, net=request.param, phase="TRAIN")
    with networks.weights_of(workload) as weights, networks.case_of(workload, weights) as case:
        yield case


def test_plain_torch_trains_as_the_engines_do(training, monkeypatch):
    monkeypatch.setattr(train, "LEARNING_RATE", 1e-6)
    ways = {engine: train.train_engine(training, engine) for engine in ("fast", "exact")}
    ways |= {name: make(training) for name, make in train.PEERS.items()}
    losses = {name: [float(run()[0]) for _ in range(3)] for name, run in ways.items()}
    first = losses["fast"]
    assert first[0] > first[2] > 0
    for name, found in losses.items():
        np.testing.assert_allclose(found, first, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("training", ["cpm"], indirect=True)
def test_one_update_of_plain_torch_is_the_solvers(training):
    """Torch's in float64: in float32 one of its maxima in a pooling may be another. CPM-VGG's losses alone are
    compared: of its many values before a ReLU one lies within a rounding of 0, and maps of 9 x 9 show that."""
    net, batch = training.net(), train.batch_of(training)
    twin, param = PlainTorch(net).double(), train.solver_of_release()
    param.base_lr = 1e-3  # so that the updates are large beside the weights' last bits
    solver, sgd = SGDSolver(param, net, training.folder), plain_sgd(twin, net, param)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net.loss(net(batch)).backward()
    solver.apply_update()
    maps = twin({name: values.double() for name, values in batch.items()})
    sum(maps[name] for name in net.loss_weights).backward()
    sgd.step()
    for blob in net.learnable:
        convolution, layer = twin.convolutions[blob.layer], net.layer(blob.layer)
        name = layer.blob_names[blob.index]
        start = before[f"layers.{blob.layer}.{name}"]
        after = (getattr(layer, name), (convolution.weight, convolution.bias)[blob.index])
        ours, theirs = (values.detach() - start for values in after)
        assert (ours - theirs).abs().max() < 1e-4 * ours.abs().max(), (blob.layer, name)


def test_training_batches_have_labels_of_all_stages(training):
    batch = train.batch_of(training)
    assert batch["data"].shape == (2, 4, 72, 72) and batch["label"].shape == (2, 30, 9, 9)
    assert 0.9 < batch["label"].max() <= 1 and training.flop == 3 * _forward_flop(training)


def _forward_flop(training) -> int:
    deploy = replace(training.workload, phase="TEST")
    with networks.case_of(deploy, training.weights) as case:
        return case.flop


def test_a_workload_with_a_variant_is_a_key() -> None:
    variant = Variant(stages=["a"], input_shapes={"data": (1, 4, 8, 8)})
    assert {Workload.of("net.prototxt", 1, "cpu", "TEST", variant): 1}
    assert Workload.of("cpm", 1, "cpu", "TEST", Variant()) == Workload("cpm", 1)
    with pytest.raises(InputError, match="--net cpm: expected no --phase, --stage"):
        Workload.of("cpm", 1, "cpu", "TEST", variant)
