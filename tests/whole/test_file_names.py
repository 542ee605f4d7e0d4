"""Every tool works where names of files and folders are not ASCII, and not even UTF-8."""

from pathlib import Path

import pytest

from tests.annotated_people import write_people
from tests.tool import run_tool

NAME = "ü \udcff\udce4"
"""A name of bytes that are no text."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("names") / NAME
    folder.mkdir()
    return write_people(folder)


def done(*command: object) -> None:
    result = run_tool(str(command[0]), *command[1:])
    assert result.returncode == 0, result.stderr


def test_the_whole_job(folder: Path):
    models, net = folder / NAME, folder / NAME / "deploy.prototxt"
    images = ["--images", folder / "first", "--images", folder / "second"]
    done("make_lmdb", folder / "x.json", *images, "--out", folder / "lmdb")
    done("inspect_lmdb", folder / "lmdb", "--json", folder / f"{NAME}.json")
    sizes = ["--stages", 2, "--widths", "4,4,4,4", "--crop-size", 64, "--batch-size", 2]
    done("make_prototxt", "mpi", "--lmdb", folder / "lmdb", "--out", models, *sizes, "--max-iter", 2, "--snapshot", 1)
    done("train", "--solver", models / "solver.prototxt", "--trace", folder / f"{NAME}.npz")
    done("train", "--solver", models / "solver.prototxt", "--snapshot", models / "cpm_iter_1.solverstate")
    assert NAME in (models / "cpm.log").read_text(errors="surrogateescape")
    done("plot_log", models / "cpm.log", "--out", folder / f"{NAME}.png")
    done("compare", folder / f"{NAME}.npz", folder / f"{NAME}.npz", "--html", folder / f"{NAME}.html")
    weights = models / "cpm_iter_2.caffemodel"
    for suffix in ("pt", "safetensors", "caffemodel.h5"):
        done("convert", "--prototxt", net, "--weights", weights, "--out", folder / f"{NAME}.{suffix}")
        back = ["--weights", folder / f"{NAME}.{suffix}", "--out", folder / "back.caffemodel"]
        done("convert", *back, *(["--prototxt", net] if suffix.endswith("h5") else []))
    given = ["--prototxt", net, "--weights", weights, "--scales", 1.0]
    (folder / f"{NAME}.jpg").write_bytes((folder / "first/0.png").read_bytes())
    place = ["--center", "20,20", "--scale", 0.2, "--out", folder / "poses"]
    done("demo", folder / f"{NAME}.jpg", *given, *place, "--html")
    done("evaluate", "lsp", *given, "--lmdb", folder / "lmdb", "--plot", folder / f"{NAME}.png")
    done("show_batch", "--prototxt", models / "train.prototxt", "--out", folder / f"{NAME}.png")
