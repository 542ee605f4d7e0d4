"""Which machine made a dump: found of all families and threads, and not found where it is something else."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels.exact.profiles import FAMILIES, Profile
from cpm_repro.compare.dump import dump_net
from cpm_repro.compare.dump_files import dump_of
from cpm_repro.compare.machines import Machine, find_machine
from cpm_repro.compare.order import NetworkOrder
from cpm_repro.npz import write_npz
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.tool import assert_refused, run_tool

NET = """input: "data" input_shape { dim: 1 dim: 6 dim: 27 dim: 31 }
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 43 kernel_size: 5
        weight_filler { type: "xavier" } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param { num_output: 15 kernel_size: 5
        weight_filler { type: "xavier" } } }
"""


def recorded(engine: str, **changes: float) -> dict[str, np.ndarray]:
    """What that machine makes of one picture."""
    net = Net(parse_net(NET, "n"), engine=engine, seed=1)
    with torch.no_grad():
        for name, factor in changes.items():
            net.layers[name].weight.mul_(factor)
    data = np.random.default_rng(0).standard_normal((1, 6, 27, 31)).astype(np.float32)
    return dump_net(net, {"data": data}, False)


def found(arrays: dict[str, np.ndarray]) -> Machine:
    net = Net(parse_net(NET, "n"), engine="exact", seed=1)
    machine = find_machine(dump_of("theirs", arrays), net, NetworkOrder(tuple(arrays), (), net.param))
    assert str(net.engine) == "exact" and all(str(layer.ops) == "exact" for layer in net.layers.values())
    return machine


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_machine_is_found(name: str, threads: int) -> None:
    machine = found(recorded(f"exact:{Profile(name, threads)}"))
    alike = {"haswell", "zen"} if name in ("haswell", "zen") else {name}
    assert machine.fits and machine.profile == Profile("haswell" if name == "zen" else name, threads)
    assert {other.family for other in machine.alike} <= alike
    trial = next(trial for trial in machine.trials if trial.profile == machine.profile)
    assert trial.equal == trial.tried == 2 and not trial.first


def test_more_threads_than_two() -> None:
    machine = found(recorded("exact:haswell-threads4"))
    assert machine.fits and machine.profile == Profile("haswell", 4)
    assert machine.verdict(True, 2).startswith("equal, all 2 blobs: OpenBLAS on Haswell or Zen, 4 threads")


def test_what_is_no_machine() -> None:
    """Rounded to float16, with other weights, or by another library."""
    half = {name: values.astype(np.float16).astype(np.float32) for name, values in recorded("exact").items()}
    for arrays in (half, recorded("exact", c1=1.001), recorded("fast")):
        machine = found(arrays)
        assert not machine.fits and machine.unmade == "c1"
        assert machine.verdict(False, 2).startswith("no machine that is known made this; the closest: OpenBLAS on")


def test_each_profile_has_a_line() -> None:
    lines = list(found(recorded("exact:haswell")).lines())
    assert any(line.split() == ["exact:haswell", "2", "of", "2", "blobs", "equal"] for line in lines)
    assert any(line.startswith("  exact:nehalem  ") and "0 of 1 blobs equal; first c1, " in line for line in lines)


def test_a_tool_says_so(tmp_path: Path) -> None:
    write_npz(tmp_path / "theirs.npz", recorded("exact:haswell"))
    (tmp_path / "net.prototxt").write_text(NET)
    command = ["compare", tmp_path / "theirs.npz", "--prototxt", tmp_path / "net.prototxt", "--seed", 1]
    result = run_tool(*command, "--engine", "exact:auto")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "equal, all 2 blobs: OpenBLAS on Haswell or Zen, one thread"
    result = run_tool(*command, "--engine", "exact")
    assert result.returncode == 1
    assert "another machine's BLAS: A was computed with OpenBLAS on Haswell or Zen, one thread" in result.stdout
    both = run_tool("compare", tmp_path / "theirs.npz", tmp_path / "theirs.npz", "--engine", "exact:auto")
    assert_refused(both, "--engine exact:auto: expected one dump and a net")
    dump = run_tool(
        "dump", "net", *command[2:], "--input", command[1], "--out", tmp_path / "x", "--engine", "exact:auto"
    )
    assert_refused(dump, "engine exact: expected one of cooperlake", "not 'auto'")


def test_what_every_machine_makes_tells_none() -> None:
    alike = [Profile(family) for family in FAMILIES]
    machine = Machine(alike[0], fits=True, alike=alike[1:], unit="losses")
    assert machine.verdict(True, 1) == "equal, 1 of 1 losses, by every machine that is known: they do not tell which"
    machine = Machine(alike[0], fits=True, alike=alike[2:], unit="losses")
    assert machine.verdict(True, 1).startswith("equal, all 1 losses: OpenBLAS on ")
