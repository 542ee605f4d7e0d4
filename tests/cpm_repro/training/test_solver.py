"""Caffe's SGD: rates of every policy, where the rate stands, decay, clipping, and snapshots against Caffe's own."""

import h5py
import numpy as np
import pytest
import torch

from cpm_repro.training.snapshots import learned_net
from cpm_repro.training.solver import SGDSolver, check_solver, learning_rate
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.formats.solverstate import read_solverstate
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits

NET = """
input: "x" input_shape { dim: 1 dim: 3 }
input: "y" input_shape { dim: 1 dim: 2 }
layer { name: "f" type: "InnerProduct" bottom: "x" top: "f" param { lr_mult: 5 } param { lr_mult: 10 decay_mult: 0 }
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" } bias_filler { type: "constant" value: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "f" bottom: "y" top: "loss" }
"""


def solver_param(**fields):
    fields = {
        "net": "n",
        "base_lr": 0.1,
        "max_iter": 10,
        "lr_policy": "fixed",
        "momentum": 0.9,
        "snapshot_prefix": "s",
        **fields,
    }
    param = schema.SolverParameter(**fields)
    check_solver(param, "solver")
    return param


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({"lr_policy": "fixed"}, {0: 0.1, 99: 0.1}),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 4}, {3: 0.1, 4: 0.05, 8: 0.025}),
        ({"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [2, 5]}, {1: 0.1, 2: 0.05, 4: 0.05, 5: 0.025}),
        ({"lr_policy": "exp", "gamma": 0.9}, {0: 0.1, 3: 0.1 * 0.9**3}),
        ({"lr_policy": "inv", "gamma": 0.1, "power": 0.75}, {0: 0.1, 7: 0.1 * 1.7**-0.75}),
        ({"lr_policy": "poly", "power": 2}, {0: 0.1, 4: 0.1 * 0.6**2, 10: 0}),
        ({"lr_policy": "sigmoid", "gamma": -0.5, "stepsize": 4}, {4: 0.05, 6: 0.1 / (1 + np.exp(1.0))}),
        ({"lr_policy": "exp", "gamma": 1.5}, {0: 0.1, 300: np.inf, 5000: np.inf}),  # as C's pow
        ({"lr_policy": "step", "gamma": 10, "stepsize": 1}, {2: 10, 400: np.inf}),
        ({"lr_policy": "sigmoid", "gamma": 0.5, "stepsize": 4000}, {0: 0}),
    ],
)
def test_learning_rate_policies(fields, rates):
    param = solver_param(**fields)
    for iteration, rate in rates.items():
        value = learning_rate(param, iteration)
        assert value.dtype == np.float32 and float(value) == pytest.approx(rate, rel=1e-6)


def stepped(param, gradients):
    """The weight and history of `f` after updates with the given gradients, from weight 1."""
    net = Net(parse_net(NET, "n"), "TRAIN")
    weight = net.layer("f").weight
    with torch.no_grad():
        weight.fill_(1)
    solver = SGDSolver(param, net, None)
    for gradient in gradients:
        solver.clear_gradients()
        weight.grad = torch.full_like(weight, gradient)
        solver.apply_update()
    return float(weight[0, 0].detach()), float(solver.history[0][0, 0])


def test_the_rate_multiplies_inside_the_momentum():
    param = solver_param(lr_policy="multistep", gamma=0.1, stepvalue=[1])
    weight, history = stepped(param, [1.0, 1.0])
    first = 0.1 * 5 * 1
    second = 0.9 * first + 0.01 * 5 * 1
    assert history == pytest.approx(second) and weight == pytest.approx(1 - first - second)
    outside = 1 - first - 0.01 * 5 * (0.9 * 1 + 1)  # torch.optim.SGD: the new rate takes the old history along
    assert abs(weight - outside) > 0.1


def test_decay_iter_size_and_clipping():
    weight, history = stepped(solver_param(weight_decay=0.5), [1.0])
    assert history == pytest.approx(0.5 * (1 + 0.5)) and weight == pytest.approx(1 - history)
    assert stepped(solver_param(weight_decay=0.5, regularization_type="L1"), [3.0])[1] == pytest.approx(0.5 * 3.5)
    assert stepped(solver_param(iter_size=4), [1.0])[1] == pytest.approx(0.5 / 4)
    # six weights of gradient 1: norm sqrt(6), clipped to 1 before it is divided by iter_size
    assert stepped(solver_param(clip_gradients=1, iter_size=2), [1.0])[1] == pytest.approx(0.5 / 6**0.5 / 2)
    assert stepped(solver_param(clip_gradients=9), [1.0])[1] == pytest.approx(0.5)


def trained_solver(folder, net_path):
    param = solver_param(lr_policy="step", gamma=0.333, stepsize=8, snapshot_prefix="again")
    return SGDSolver(param, load_net(net_path, phase="TRAIN"), folder)


def test_snapshots_are_caffes(golden, tmp_path):
    folder = golden / "solver"
    solver = trained_solver(folder, folder / "replay_train.prototxt")
    solver.restore(folder / "replay_iter_20.solverstate")
    assert solver.iteration == 20
    solver.folder = tmp_path
    model, state = solver.snapshot()
    assert (model.name, state.name) == ("again_iter_20.caffemodel", "again_iter_20.solverstate")
    expected = read_solverstate(folder / "replay_iter_20.solverstate")
    expected.learned_net = "again_iter_20.caffemodel"
    assert read_solverstate(state) == expected
    weights = read_caffemodel(folder / "replay_iter_20.caffemodel")
    weights.layer[0].cpmdata_param.source = "../transform/mpi16_lmdb"  # the original ran in another folder
    assert read_caffemodel(model) == weights


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "."])
def test_weights_under_a_name_that_no_file_can_have(tmp_path, name):
    with pytest.raises(InputError, match=r"s\.solverstate: learned_net: expected the weights '.*', found no such file"):
        learned_net(schema.SolverState(learned_net=name), tmp_path / "s.solverstate", tmp_path)


def test_a_snapshot_of_another_net_or_without_weights_is_refused(golden, tmp_path):
    folder = golden / "solver"
    solver = trained_solver(folder, folder / "replay_itersize_train.prototxt")
    with pytest.raises(InputError, match="history: expected 32 blobs, found 44"):
        solver.restore(folder / "replay_iter_10.solverstate")
    alone = tmp_path / "replay_iter_10.solverstate"
    alone.write_bytes((folder / alone.name).read_bytes())
    solver = trained_solver(tmp_path, folder / "replay_train.prototxt")
    with pytest.raises(InputError, match=r"learned_net: expected the weights 'replay_iter_10\.caffemodel'"):
        solver.restore(alone)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "LARS"}, "type: expected one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam, found 'LARS'"),
        ({"type": "AdaGrad"}, "momentum: expected none with AdaGrad, found 0.9"),
        ({"type": "RMSProp"}, "momentum: expected none with RMSProp, found 0.9"),
        ({"type": "RMSProp", "momentum": 0, "rms_decay": 1}, "rms_decay: expected 0 or more and less than 1, found 1"),
        ({"lr_policy": "steps"}, "lr_policy: expected one of fixed, step"),
        ({"lr_policy": "step", "gamma": 0.1}, "the field stepsize"),
        ({"lr_policy": "multistep", "gamma": 0.1}, "the field stepvalue"),
        ({"iter_size": 0}, "iter_size: expected 1 or more"),
        ({"regularization_type": "L3"}, "regularization_type"),
    ],
)
def test_solvers_that_cannot_run_are_refused(fields, said):
    with pytest.raises(InputError, match=said):
        solver_param(**fields)


def test_a_solver_without_test_nets_never_tests():
    """As in Caffe, whatever its test_interval says."""
    assert solver_param(test_interval=5).test_interval == 5


def test_a_snapshot_needs_a_prefix():
    param = schema.SolverParameter(net="n", base_lr=0.1, lr_policy="fixed", snapshot=2)
    with pytest.raises(InputError, match="the field snapshot_prefix"):
        check_solver(param, "solver")


@pytest.mark.parametrize("kind", ["Nesterov", "AdaDelta", "Adam"])
def test_histories_and_updates_of_blobs_that_are_not_trained(kind):
    """lr_mult 0 keeps a blob as it is, but its decay goes into the histories, as Caffe has it."""
    net = Net(parse_net(NET.replace("lr_mult: 5", "lr_mult: 0"), "n"), "TRAIN")
    weight = net.layer("f").weight
    with torch.no_grad():
        weight.fill_(1)
    solver = SGDSolver(solver_param(type=kind, weight_decay=0.5), net, None)
    assert len(solver.history) == (2 if kind == "Nesterov" else 4)
    solver.apply_update()
    assert (weight == 1).all() and all((update == 0).all() for update in solver.updates)
    assert (solver.history[0] > 0).all() == (kind != "Nesterov")


@pytest.mark.parametrize("kind", ["SGD", "AdaDelta", "Adam"])
def test_snapshots_in_hdf5_with_diffs(tmp_path, kind):
    param = solver_param(type=kind, snapshot_format="HDF5", snapshot_diff=True, snapshot_prefix="out/s")
    net = Net(parse_net(NET, "n"), "TRAIN", seed=1)
    solver = SGDSolver(param, net, tmp_path)
    for blob in net.learnable:
        blob.parameter.grad = torch.ones_like(blob.parameter)
    solver.apply_update()
    (tmp_path / "out").mkdir()
    model, state = solver.snapshot()
    assert (model.name, state.name) == ("s_iter_1.caffemodel.h5", "s_iter_1.solverstate.h5")
    with h5py.File(model) as file:
        assert_same_bits(file["diff/f/0"][()], solver.updates[0].numpy(), "diff")
        assert_same_bits(file["data/f/1"][()], net.layer("f").bias.detach().numpy(), "data")
    again = SGDSolver(param, Net(parse_net(NET, "n"), "TRAIN", seed=2), tmp_path)
    again.restore(state)
    assert again.iteration == 1
    for one, other in zip(again.history, solver.history, strict=True):
        assert_same_bits(one.numpy(), other.numpy(), "history")
    assert_same_bits(again.net.layer("f").weight.detach().numpy(), net.layer("f").weight.detach().numpy(), "weight")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base_lr": float("nan")}, "base_lr: expected a finite number, found nan"),
        ({"momentum": float("inf")}, "momentum: expected a finite number, found inf"),
        ({"clip_gradients": float("nan")}, "clip_gradients: expected a finite number"),
        ({"weight_decay": -0.5}, "weight_decay: expected 0 or more, found -0.5"),
        ({"base_lr": -0.1}, "base_lr: expected 0 or more, found -0.1"),
        ({"max_iter": -1}, "max_iter: expected 0 or more, found -1"),
        ({"lr_policy": "multistep", "gamma": 0.5, "stepvalue": [3, -2]}, "stepvalue: expected 0 or more, found -2"),
        ({"lr_policy": "exp", "gamma": -0.5}, "gamma: expected 0 or more, found -0.5"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(fields, said):
    with pytest.raises(InputError, match=f"solver: {said}"):
        solver_param(**fields)
    solver_param(clip_gradients=-1, random_seed=-1)


def test_the_step_goes_on_from_the_states(tmp_path):
    """Caffe's current_step is kept, not counted anew: of stepvalues that a resumed run says otherwise it takes one an
    iteration, beginning with that of the state's step; the policy fixed leaves it alone."""

    def run(folder, iterations, state=None, **fields):
        folder.mkdir(exist_ok=True)
        param = solver_param(snapshot_prefix="s", gamma=0.5, **fields)
        solver = SGDSolver(param, Net(parse_net(NET, "n"), "TRAIN"), folder)
        if state is not None:
            solver.restore(state)
        updates = [solver.apply_update() for _ in range(iterations)]
        _, written = solver.snapshot()
        return [float(u.rate) for u in updates], [u.stepped for u in updates], written

    rates, stepped, state = run(tmp_path, 4, lr_policy="multistep", stepvalue=[1, 1, 9])
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.025]) and stepped == [None, 1, 2, None]
    assert read_solverstate(state).current_step == 2
    rates, stepped, _ = run(tmp_path / "more", 3, state, lr_policy="multistep", stepvalue=[50, 60, 2, 3])
    assert rates == pytest.approx([0.0125, 0.00625, 0.00625]) and stepped == [3, 4, None]
    *_, state = run(tmp_path / "fixed", 1, state, lr_policy="fixed", stepvalue=[1, 2, 3, 4])
    assert read_solverstate(state).current_step == 2
