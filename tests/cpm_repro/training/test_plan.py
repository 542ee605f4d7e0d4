"""What a solver says of its net: inside it or in a file, in which state, and the weights to start from."""

from pathlib import Path

import pytest
import torch

from cpm_repro.benchmarks.data import drawn_record
from cpm_repro.training.plan import read_plan
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from data_lmdb.records.record import encode
from data_lmdb.records.writer import write_lmdb
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel, write_caffemodel
from prototxt_import.formats.solverstate import read_solverstate

NET = """
name: "tiny"
layer { name: "data" type: "CPMData" top: "data" top: "label"
  cpm_transform_param { stride: 8 crop_size_x: 64 crop_size_y: 64 target_dist: 0.3 }
  cpmdata_param { source: "lmdb" batch_size: 1 backend: LMDB } }
layer { name: "maps" type: "Slice" bottom: "label" top: "lower" top: "upper" slice_param { slice_point: 15 } }
layer { name: "unused" type: "Silence" bottom: "upper" }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 3 kernel_size: 8 stride: 8 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" include { stage: "deep" min_level: 2 }
  convolution_param { num_output: 2 kernel_size: 1 } }
layer { name: "unused" type: "Silence" bottom: "conv2" include { stage: "deep" min_level: 2 } }
layer { name: "shallow" type: "Silence" bottom: "conv1" exclude { stage: "deep" } }
layer { name: "out" type: "Convolution" bottom: "conv1" top: "out"
  convolution_param { num_output: 15 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "out" bottom: "lower" }
"""
SOLVER = """
base_lr: 0.0001 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.0005 display: 1 max_iter: 1 random_seed: 1
snapshot_prefix: "o" solver_mode: CPU
"""


@pytest.fixture
def solver(tmp_path: Path):
    """Writes net.prototxt and solver.prototxt with a field more, beside an LMDB, and returns the solver's path."""
    write_lmdb(tmp_path / "lmdb", [encode(drawn_record(index)) for index in range(2)])
    (tmp_path / "net.prototxt").write_text(NET)

    def write(more: str, net: str = 'net: "net.prototxt"') -> Path:
        (tmp_path / "solver.prototxt").write_text(f"{SOLVER} {net} {more}")
        return tmp_path / "solver.prototxt"

    return write


def layers_of(path: Path) -> set[str]:
    """The learned layers that a training run writes."""
    return {layer.name for layer in read_caffemodel(train(path, Options())).layer if layer.blobs}


def test_a_loss_without_a_top_trains(solver, tmp_path: Path) -> None:
    """It counts as the loss and is no output."""
    assert layers_of(solver("")) == {"conv1", "out"}
    log = (tmp_path / "o.log").read_text()
    assert "Iteration 0, loss = " in log and "loss = 0\n" not in log and "Train net output" not in log
    written = read_caffemodel(tmp_path / "o_iter_1.caffemodel").layer[-1]
    assert (list(written.top), list(written.loss_weight)) == ([], [1])


@pytest.mark.parametrize("field", ["net_param", "train_net_param"])
def test_the_net_may_stand_in_the_solver(solver, field: str) -> None:
    path = solver("", f"{field} {{ {NET} }}")
    plan = read_plan(path)
    assert (plan.net.where, plan.net.folder, plan.net.source) == (f"{path}: {field}", path.parent, field)
    assert layers_of(path) == {"conv1", "out"}


def test_train_state_chooses_layers(solver) -> None:
    deep = {"conv1", "conv2", "out"}
    assert layers_of(solver('train_state { stage: "deep" level: 2 }')) == deep
    assert "conv2" not in {layer.name for layer in prepared(solver('train_state { stage: "deep" level: 1 }'))}
    net = f'net_param {{ state {{ stage: "deep" level: 1 }} {NET} }}'
    assert "conv2" in {layer.name for layer in prepared(solver("train_state { level: 3 }", net))}
    assert "conv2" in {layer.name for layer in prepared(solver(""), stages=("deep",), level=2)}


def prepared(path: Path, **options):
    """The layers of the run's net."""
    with prepare(path, Options(**options)) as training:
        return list(training.net.param.layer)


def test_the_solver_names_the_weights_to_start_from(solver, tmp_path: Path) -> None:
    """In Caffe's words: several, after commas or each in a field; --weights comes before, --snapshot leaves them."""
    with prepare(solver(""), Options()) as training:
        stored = {layer.name: layer for layer in training.net.to_caffemodel().layer}
    for name, layer, value in (("a", "conv1", 1), ("b", "out", 2), ("c", "out", 3)):
        for blob in stored[layer].blobs:
            blob.data[:] = [value] * len(blob.data)
        write_caffemodel(tmp_path / f"{name}.caffemodel", schema.NetParameter(layer=[stored[layer]]))
    path = solver('weights: "a.caffemodel, b.caffemodel" weights: "c.caffemodel"')
    with prepare(path, Options()) as training:
        assert (training.net.layer("conv1").weight == 1).all() and (training.net.layer("out").weight == 3).all()
    with prepare(path, Options(weights=tmp_path / "b.caffemodel")) as training:
        assert (training.net.layer("conv1").weight != 1).all() and (training.net.layer("out").weight == 2).all()
    train(solver(""), Options())
    with prepare(path, Options(snapshot=tmp_path / "o_iter_1.solverstate")) as training:
        assert not torch.equal(training.net.layer("conv1").weight, torch.ones(3, 4, 8, 8))
    for wrong in ("none.caffemodel", "net.prototxt"):
        with pytest.raises(InputError, match=wrong):
            prepare(solver(f'weights: "{wrong}"'), Options())


def test_snapshots_in_hdf5(solver, tmp_path: Path) -> None:
    assert train(solver("snapshot_format: HDF5"), Options()) == tmp_path / "o_iter_1.caffemodel.h5"
    assert read_solverstate(tmp_path / "o_iter_1.solverstate.h5").iter == 1


@pytest.mark.parametrize(
    ("more", "net", "said"),
    [
        ("", "", "expected one of net, train_net, net_param and train_net_param, found none"),
        ("", "net_param { layer { name: 'r' type: 'ReLU' bottom: 'x' } }", "net_param: layer 'r' .* bottom 'x'"),
        ("", "net_param { name: 'n' }", "net_param: expected a net, found no layer"),
        ("train_state { phase: TEST }", 'net: "net.prototxt"', "expected the phase TRAIN in training, found TEST"),
        ("debug_info: true", 'net: "net.prototxt"', r"debug_info: expected false \(--trace"),
        ("", 'train_net: "gone.prototxt"', "train_net: expected the file 'gone.prototxt' beside the solver"),
    ],
)
def test_what_cannot_be_trained_is_named(solver, more: str, net: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_plan(solver(more, net))
    assert "solver.prototxt" in str(error.value) or "net.prototxt" in str(error.value)


@pytest.mark.parametrize(
    ("more", "net", "said"),
    [
        ("", 'net: "net.prototxt" train_net: "net.prototxt"', "found net and train_net"),
        ("test_iter: 1", 'net: "net.prototxt"', "test_interval: expected 1 or more"),
        ("test_iter: 0 test_interval: 1", 'net: "net.prototxt"', "test_iter: expected 1 or more, found 0"),
        ('test_net: "net.prototxt"', 'train_net: "net.prototxt"', "test_iter: expected one for each of 1 .* found 0"),
        ('test_iter: 1 test_iter: 1 test_net: "net.prototxt"', 'train_net: "net.prototxt"', "each of 1 .* found 2"),
        ("test_interval: 1" + 101 * " test_iter: 1", 'net: "net.prototxt"', "expected at most 100, found 101"),
        ("test_iter: 1 test_state { } test_state { }", 'net: "net.prototxt"', "test_state: expected none or one"),
        (
            "test_iter: 1 test_interval: 1",
            'net: "net.prototxt"',
            "layer 'd.*expected another name or source.*by include",
        ),
    ],
)
def test_tests_that_do_not_fit_are_refused(solver, more: str, net: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare(solver(more, net), Options())


def test_the_nets_to_test_come_in_caffes_order(solver, tmp_path: Path) -> None:
    (tmp_path / "other.prototxt").write_text(NET)
    nets = f'test_net: "other.prototxt" test_net_param {{ {NET} }}'
    counts = "test_iter: 1 test_iter: 2 test_iter: 3 test_interval: 1"
    states = 'test_state { stage: "a" } test_state { level: 3 } test_state { }'
    plan = read_plan(solver(f"{nets} {counts} {states}"))
    assert [net.source for net in plan.tests] == [
        "test_net_param",
        "test_net file: other.prototxt",
        "net file: net.prototxt",
    ]
    assert [(list(net.param.state.stage), net.param.state.level) for net in plan.tests] == [
        (["a"], 0),
        ([], 3),
        ([], 0),
    ]
    assert {net.phase for net in plan.tests} == {"TEST"}


def test_a_torch_checkpoint_to_start_from(solver, tmp_path: Path) -> None:
    path = solver("")
    wanted = {"conv1.bias": torch.full((3,), 0.5), "conv1.weight": torch.rand(3, 4, 8, 8), "fc8.weight": torch.ones(2)}
    torch.save({"state_dict": {f"module.{name}": value for name, value in wanted.items()}}, tmp_path / "w.pth")
    with prepare(path, Options(weights=tmp_path / "w.pth", channel_order="rgb")) as training:
        assert torch.equal(training.net.layer("conv1").weight, wanted["conv1.weight"][:, [2, 1, 0, 3]])
        assert torch.equal(training.net.layer("conv1").bias, wanted["conv1.bias"])
        assert [line.partition("] ")[2] for line in training.started] == [
            f"Finetuning from {tmp_path / 'w.pth'}",
            "Ignoring source layer fc8",
        ]
    with pytest.raises(InputError, match=r"w\.pth: expected the colours' order"):
        prepare(path, Options(weights=tmp_path / "w.pth"))
