"""The fast engine against the exact one on photographs, with a trained network: maps and joints."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_repro.evaluation.ground_truth import read_people
from cpm_repro.inference.beliefs import estimate_beliefs
from cpm_repro.inference.crops import Person
from cpm_repro.inference.protocol import Protocol
from data_lmdb.records.reader import LmdbReader
from prototxt_import.net import load_net
from tests.bits import assert_same_bits
from tests.tool import run_tool

pytestmark = pytest.mark.filterwarnings("ignore:.*of the training not known")

PHOTOGRAPHS = 500
MAP_TOLERANCE = 2e-5  # of the largest value of a stage's maps


def tool(name: str, *arguments: object) -> None:
    result = run_tool(name, *arguments)
    assert result.returncode == 0, result.stderr


def trained(folder: Path, lspet: Path) -> tuple[Path, Path]:
    """Deploy prototxt and weights of a network after minutes of training on LSPET's images 1-2000."""
    tool("make_json", "lspet", lspet, "--out", folder / "lspet.json", "--validation", "2001-2500")
    storage = ("--images", lspet / "images", "--storage", "file")
    tool("make_lmdb", folder / "lspet.json", *storage, "--out", folder / "train")
    tool("make_lmdb", folder / "lspet.json", *storage, "--out", folder / "held_out", "--validation", "only")
    net = ["--stages", 3, "--widths", "64,32,128,64", "--filler", "msra", "--crop-size", 184, "--sigma", 9]
    solver = ["--base-lr", 0.0004, "--clip-gradients", 20, "--batch-size", 4, "--max-iter", 250, "--random-seed", 1]
    tool("make_prototxt", "mpi", "--lmdb", folder / "train", "--out", folder / "models", *net, *solver)
    tool("train", "--solver", folder / "models/solver.prototxt")
    return folder / "models/deploy.prototxt", folder / "models/cpm_iter_250.caffemodel"


def people(lmdb: Path) -> list[Person]:
    with LmdbReader(lmdb) as reader:
        return [person for person, _ in read_people(reader, PHOTOGRAPHS)]


def assert_engines_agree(deploy: Path, weights: Path, asked: list[Person]) -> None:
    """Maps of every stage within the tolerance, the last stage's joints the same."""
    nets = [load_net(deploy, weights, engine=engine) for engine in ("exact", "fast")]
    both = [estimate_beliefs(asked, net, Protocol.for_net(net, scales=(1.0,))) for net in nets]
    farthest = 0.0
    for person, exact, fast in zip(asked, *both, strict=True):
        for ours, right in zip(fast.stages, exact.stages, strict=True):
            farthest = max(farthest, float(np.abs(ours - right).max() / np.abs(right).max()))
        assert_same_bits(fast.pose().joints, exact.pose().joints, f"joints of {person.where}")
    print(f"{len(asked)} people: maps within {farthest:.1e} of their largest value")
    assert farthest <= MAP_TOLERANCE


@pytest.mark.slow
def test_on_500_photographs(lspet, tmp_path):
    threads = torch.get_num_threads()
    deploy, weights = trained(tmp_path, lspet)
    asked = people(tmp_path / "held_out")
    assert len(asked) == PHOTOGRAPHS
    assert_engines_agree(deploy, weights, asked)
    torch.set_num_threads(threads)
