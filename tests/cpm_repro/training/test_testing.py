"""Tests while training on drawn rows: whose weights are tested, when, and what is said; the smoothed loss."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels.exact.blas import dot
from cpm_kernels.exact.profiles import Profile
from cpm_repro.training.loop import Hook, Training, solve
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from cpm_repro.training.testing import SmoothedLoss, Tested, loss_value
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import write_rows

ROWS = """
layer { name: "rows" type: "HDF5Data" top: "x" top: "y"
        hdf5_data_param { source: "files.txt" batch_size: 2 } }
"""
IP = """
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
        inner_product_param { num_output: 2 %s weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "only" type: "Dropout" bottom: "ip" top: "ip" include { phase: TRAIN } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "y" top: "loss" loss_weight: 0.5 }
layer { name: "twice" type: "Power" bottom: "ip" top: "twice" power_param { scale: 2 } include { phase: TEST } }
"""
SOLVER = """
train_net: "train.prototxt" test_net: "test.prototxt" test_iter: 3 base_lr: 0.1 lr_policy: "fixed" max_iter: 4
snapshot_prefix: "s" random_seed: 4 average_loss: 2
"""


@pytest.fixture
def solver(tmp_path: Path):
    """Writes a solver with fields more, its nets and four rows; returns its path."""
    random = np.random.default_rng(3)
    write_rows(tmp_path / "rows.h5", x=random.standard_normal((4, 5)), y=random.standard_normal((4, 2)))
    (tmp_path / "files.txt").write_text("rows.h5")
    (tmp_path / "train.prototxt").write_text(ROWS + IP % "")

    def write(fields: str, more: str = "") -> Path:
        (tmp_path / "test.prototxt").write_text(ROWS.replace("batch_size: 2", "batch_size: 4") + IP % more)
        (tmp_path / "solver.prototxt").write_text(f"{SOLVER} {fields}")
        return tmp_path / "solver.prototxt"

    return write


class Watching(Hook):
    """What was tested after which iteration."""

    def __init__(self, stop_in_test: bool = False) -> None:
        self.tested: dict[int, Tested] = {}
        self._stop_in_test = stop_in_test

    def before_test(self, training: Training, number: int) -> None:
        self.stops = self._stop_in_test

    def after_test(self, training: Training, tested: Tested) -> None:
        self.tested[training.solver.iteration] = tested


@pytest.mark.parametrize(
    ("fields", "when"),
    [("test_interval: 2", [0, 2, 4]), ("test_interval: 3 test_initialization: false", [3]), ("test_interval: 9", [0])],
)
def test_when_there_are_tests(solver, fields: str, when: list[int]) -> None:
    watching = Watching()
    with prepare(solver(fields), Options()) as training:
        solve(training, [watching])
    assert list(watching.tested) == when


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_training_nets_weights_are_tested(solver, engine: str) -> None:
    with prepare(solver("test_interval: 2"), Options(engine=engine)) as training:
        training.step()
        own = training.tests[0].net.layer("ip").weight.detach().numpy().copy()
        trained, bias = (getattr(training.net.layer("ip"), name).detach().numpy() for name in ("weight", "bias"))
        tested = training.test(0)
        assert tested is not None and not np.array_equal(own, trained)
        assert_same_bits(training.tests[0].net.layer("ip").weight.detach().numpy(), trained)
        batch = {name: blob.numpy().astype(np.float64) for name, blob in training.tests[0].data.next_batch().items()}
    assert tested.ignored == ["only"] and [name for name, _ in tested.means] == ["loss", *["twice"] * 8]
    loss = ((batch["x"] @ trained.T.astype(np.float64) + bias - batch["y"]) ** 2).sum() / 4 / 2
    assert float(tested.means[0][1]) == pytest.approx(loss, rel=1e-5) and tested.loss == pytest.approx(
        loss / 2, rel=1e-5
    )


def test_a_stop_in_a_test_ends_the_run(solver) -> None:
    with prepare(solver("test_interval: 2"), Options()) as training:
        solve(training, [Watching(stop_in_test=True)])
        assert training.solver.iteration == 0


def test_the_log_tells_of_tests(solver, tmp_path: Path) -> None:
    train(solver("test_interval: 3 display: 2 test_compute_loss: true"), Options())
    lines = [line.partition("] ")[2] for line in (tmp_path / "s.log").read_text().splitlines()]
    begun = lines.index("Iteration 3, Testing net (#0)")
    assert lines[begun + 1] == "Ignoring source layer only" and lines[begun + 2].startswith("Test loss: ")
    assert lines[begun + 3].startswith("    Test net output #0: loss = ") and " (* 0.5 = " in lines[begun + 3]
    assert lines[begun + 4].startswith("    Test net output #1: twice = ") and " (*" not in lines[begun + 4]
    assert "Creating test net (#0) specified by test_net file: test.prototxt" in lines
    assert [line.split(",")[0] for line in lines if ", loss = " in line] == [f"Iteration {n}" for n in (0, 2, 4)]


def test_blobs_of_another_shape_are_refused(solver) -> None:
    with pytest.raises(InputError, match=r"test\.prototxt: layer 'ip' .* as in the training net"):
        prepare(solver("test_interval: 1", more="bias_term: false"), Options())


def test_the_smoothed_loss_changes_by_what_is_replaced() -> None:
    losses = np.random.default_rng(1).uniform(50, 150, 12).astype(np.float32)
    smoothed, expected = SmoothedLoss(3), np.float32(0)
    for index, loss in enumerate(losses):
        smoothed.add(loss)
        if index < 3:
            expected = (expected * np.float32(index) + loss) / np.float32(index + 1)
        else:
            expected += (loss - losses[index - 3]) / np.float32(3)
        assert_same_bits(smoothed.value, expected)
    again = SmoothedLoss(3)
    again.restore(smoothed.state())
    for one in (smoothed, again):
        one.add(77)
    assert_same_bits(again.value, smoothed.value)


@pytest.mark.parametrize("state", [[1], [1, 5, 2], [1, 0, 2, 2, 2, 2], [1, np.nan, 2]])
def test_a_strange_state_of_it_is_refused(state: list[float]) -> None:
    with pytest.raises(InputError, match="average_loss 3"):
        SmoothedLoss(3).restore(np.array(state, np.float32))


def test_the_loss_of_many_values_is_that_familys_dot() -> None:
    """A loss_weight counts every value of a top, by BLAS's dot with ones of that weight."""
    values = np.random.default_rng(0).standard_normal((1, 1, 37, 53)).astype(np.float32)
    text = 'input: "x" input_dim: 1 input_dim: 1 input_dim: 37 input_dim: 53\n'
    text += 'layer { name: "p" type: "Power" bottom: "x" top: "p" loss_weight: 0.3 }'
    found = []
    for family in ("cooperlake", "haswell", "nehalem"):
        net = Net(parse_net(text, "n"), "TRAIN", f"exact:{family}", seed=0)
        found.append(loss_value(net, net({"x": torch.from_numpy(values)})))
        assert found[-1] == dot(values, np.full(values.size, 0.3, np.float32), Profile(family))
    assert len(set(found)) > 1, "a case that tells families apart"
