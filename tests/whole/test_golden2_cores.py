"""The exact engine's profiles against the original on other CPUs' kernels, to the last bit: single layers forward and
backward, a three-stage CPM, training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels.exact.blas import asum
from cpm_kernels.exact.profiles import Profile
from cpm_repro.training.setup import Options, prepare
from prototxt_import.net import load_net
from tests.bits import assert_same_bits
from tests.golden_cores import NETS, CoreRecord
from tests.prototxt_import.layer_zoo import prototxts, run_layer

ENGINES = {
    "cooperlake": "exact",
    "cooperlake_threads2": "exact:cooperlake-threads2",
    "skylakex": "exact:skylakex",
    "haswell": "exact:haswell",
    "zen": "exact:zen",
    "haswell_threads2": "exact:haswell-threads2",
    "sandybridge": "exact:sandybridge",
    "nehalem": "exact:nehalem",
}
"""By the name of the record."""

LIKE_ANOTHER = pytest.mark.slow  # what a record of its own adds little to


@pytest.fixture(params=[pytest.param(core, marks=LIKE_ANOTHER if core == "zen" else ()) for core in ENGINES])
def core(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def record(golden: Path, golden2: Path, core: str) -> CoreRecord:
    return CoreRecord(golden2.parent, core)


NOT_SAID = {"haswell_threads2": {"zoo2/reduction_all_asum/top"}}
"""What depends on where in memory a blob began: see test_a_blob_that_began_elsewhere."""


def test_a_blob_that_began_elsewhere(golden: Path, golden2: Path) -> None:
    """One run of Haswell had a blob 16 bytes from a vector's boundary: no thread, its place alone decided its asum."""
    record = CoreRecord(golden2.parent, "haswell_threads2")
    x = record.net_file("zoo2")["reduction_all_asum/x"]
    found = {offset: np.asarray(asum(x, Profile("haswell"), offset)) for offset in (0, 4, 8, 12)}
    wrong = [offset for offset, total in found.items() if record.wrong({"zoo2/reduction_all_asum/top": total})]
    assert wrong == [0, 8]


@pytest.mark.parametrize("prefix", NETS)
def test_layers(record: CoreRecord, core: str, prefix: str) -> None:
    """Outputs and all gradients of every layer type; of maps with 1 to 17 positions."""
    nets, names, compared = record.net_file(prefix), set(record.names(f"{prefix}/")), set()
    wrong = []
    for net in prototxts(nets):
        found = {f"{prefix}/{key}": values for key, values in run_layer(nets, net, ENGINES[core]).items()}
        found = {name: values for name, values in found.items() if name in names - NOT_SAID.get(core, set())}
        compared |= set(found)
        wrong += record.wrong(found)
    assert not wrong, f"{len(wrong)} of {len(compared)} arrays differ: {wrong[:8]}"
    # BatchNorm's averages have no gradient here; the original wrote zeros.
    missing = names - compared - NOT_SAID.get(core, set())
    assert missing <= {f"zoo/batchnorm_test/param{index}.diff" for index in range(3)}


def test_every_blob_of_a_cpm(record: CoreRecord, core: str, golden: Path) -> None:
    name = golden / "net/mini_cpm_deploy"
    net = load_net(name.with_suffix(".prototxt"), name.with_suffix(".caffemodel"), engine=ENGINES[core])
    data = torch.from_numpy(np.load(f"{name}_blobs.npz")["data"])
    with torch.no_grad():
        blobs = net({"data": data})
    names = [name for name in record.names("mini/") if name.removeprefix("mini/") in blobs]
    assert len(names) == 40
    wrong = record.wrong({name: blobs[name.removeprefix("mini/")].numpy() for name in names})
    assert not wrong, f"{len(wrong)} blobs differ: {wrong[:5]}"


ITERATIONS = [2, pytest.param(20, marks=pytest.mark.slow)]


@pytest.mark.parametrize("iterations", ITERATIONS)
def test_training(record: CoreRecord, core: str, golden: Path, iterations: int) -> None:
    """The replay's losses, its first update, and its parameters after 1, 2, 5 and 20 iterations."""
    names, compared, losses = set(record.names("replay/")), set(), []

    def compare(key: str, values: torch.Tensor) -> None:
        name = f"replay/{key}"
        if name in names:
            compared.add(name)
            record.compare(name, values.detach().numpy())

    with prepare(golden / "solver/replay_solver.prototxt", Options(engine=ENGINES[core])) as training:
        blobs = training.net.learnable
        for iteration in range(1, iterations + 1):
            training.solver.clear_gradients()
            outputs = training.forward_backward()
            losses.append([outputs[name] for name in sorted(outputs)])
            training.solver.apply_update()
            for blob, update in zip(blobs, training.solver.updates, strict=True):
                if iteration == 1:
                    compare(f"update1/{blob.layer}/{blob.index}", update)
                compare(f"iter{iteration}/{blob.layer}/{blob.index}", blob.parameter)
    expected = record.array("replay/loss")[:iterations]
    assert_same_bits(np.array(losses, np.float32)[: len(expected)], expected, "losses")
    assert len(compared) >= (3 if iterations == 2 else 4) * len(blobs)
