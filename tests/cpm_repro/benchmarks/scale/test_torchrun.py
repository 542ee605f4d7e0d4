"""The commands are real ones: they train, in one process and in two."""

import sys

import pytest

from cpm_repro.benchmarks.data import lmdb_of
from cpm_repro.benchmarks.scale import torchrun
from cpm_repro.network.specification import Widths
from prototxt_import.files import InputError


def test_two_processes_are_torchruns(tmp_path):
    solver = torchrun.write_prototxts(tmp_path, tmp_path / "lmdb", 2, Widths(4, 3, 5, 4), 8)
    assert "crop_size_x: 184" in (tmp_path / "train.prototxt").read_text() and "display: 1" in solver.read_text()
    alone, two = torchrun.command(solver, 1, 2), torchrun.command(solver, 2, 1)
    assert alone[:4] == [sys.executable, "-m", "cpm_repro", "train"] and alone[-2:] == ["--threads", "2"]
    assert "torch.distributed.run" in two and two[two.index("--nproc-per-node") + 1] == "2"


def test_a_command_that_fails_is_told(tmp_path):
    with pytest.raises(InputError, match="expected exit code 0, found 3"):
        torchrun._speeds([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path / "run.csv", 60)
    told = "import sys; sys.exit('cpm train: the net: no layers\\n' + 'torchrun has much to say\\n' * 40)"
    with pytest.raises(InputError, match="found 1: cpm train: the net: no layers"):
        torchrun._speeds([sys.executable, "-c", told], tmp_path / "run.csv", 60)
    with pytest.raises(InputError, match="expected to end within 0 s"):
        torchrun._speeds([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "run.csv", 0.05)


@pytest.mark.slow
def test_it_trains(tmp_path):
    with lmdb_of(None) as lmdb:
        rows = torchrun.measure(tmp_path, lmdb, 1, 300, short=True)
    assert [(row["processes"], row["threads"]) for row in rows] == [(1, 1), (1, 2), (2, 1)]
    assert rows[0]["efficiency"] == 1 and all(len(row["rates"].rounds) >= 5 for row in rows)
