"""What every tool that writes is asked to write, in a folder where `prepare` put what they read."""

from collections.abc import Callable
from pathlib import Path

from tests.tool import run_tool

SIZES = ("--stages", 2, "--widths", "4,4,4,4", "--crop-size", 64, "--filler-std", 0.05, "--batch-size", 2)
SCHEDULE = ("--max-iter", 3, "--snapshot", 2, "--display", 1, "--random-seed", 3)

Command = list[object]


def prepare(folder: Path) -> None:
    """People, an LMDB, nets, weights, a log and dumps, in `folder`/in."""
    given = folder / "in"
    for tool, *arguments in (
        ("make_people", "--count", 4, "--validation-count", 1, "--out", given / "people"),
        (
            "make_json",
            "own",
            given / "people/people.csv",
            "--images",
            given / "people/images",
            "--out",
            given / "p.json",
        ),
        ("make_lmdb", given / "p.json", "--images", given / "people/images", "--out", given / "lmdb"),
        ("make_prototxt", "mpi", "--lmdb", given / "lmdb", "--out", given / "models", *SIZES, *SCHEDULE),
        ("train", "--solver", given / "models/solver.prototxt"),
        ("dump", "data", "--prototxt", given / "models/train.prototxt", "--samples", 1, "--out", given / "data.npz"),
        ("dump", "data", "--prototxt", given / "models/train.prototxt", "--samples", 1, "--srand", 2)
        + ("--out", given / "other.npz"),
    ):
        result = run_tool(tool, *arguments)
        assert result.returncode == 0, (tool, result.stderr)


def jobs(folder: Path) -> dict[str, Callable[[Path], Command]]:
    """By name, the command line that writes into a folder."""
    given = folder / "in"
    people, models = given / "people", given / "models"
    weights = models / "cpm_iter_3.caffemodel"
    net = ["--prototxt", models / "deploy.prototxt", "--weights", weights]
    solver = ["mpi", "--lmdb", given / "lmdb", *SIZES, *SCHEDULE]

    def convert(name: str) -> Callable[[Path], Command]:
        return lambda out: ["convert", *net, "--out", out / name]

    return {
        "make_people": lambda out: ["make_people", "--count", 3, "--validation-count", 1, "--out", out / "people"],
        "make_json": lambda out: (
            ["make_json", "own", people / "people.csv", "--images", people / "images"] + ["--out", out / "p.json"]
        ),
        "make_lmdb": lambda out: ["make_lmdb", given / "p.json", "--images", people / "images", "--out", out / "lmdb"],
        "make_prototxt": lambda out: ["make_prototxt", *solver, "--out", out / "models"],
        "train": lambda out: (
            ["train", "--solver", _solver(models, out), "--overwrite", "--trace", out / "t.npz"]
            + ["--held-out", given / "lmdb", "--preview", 1, "--deploy", models / "deploy.prototxt"]
        ),
        "train_hdf5": lambda out: ["train", "--solver", _solver(models, out, "snapshot_format: HDF5"), "--overwrite"],
        "dump_net": lambda out: ["dump", "net", *net, "--input", _input(given), "--out", out / "net.npz"],
        "dump_data": lambda out: (
            ["dump", "data", "--prototxt", models / "train.prototxt", "--samples", 1] + ["--out", out / "data.npz"]
        ),
        "compare": lambda out: (
            ["compare", given / "data.npz", given / "other.npz", "--html", out / "page.html"]
            + ["--json", out / "r.json"]
        ),
        "convert_pt": convert("n.pt"),
        "convert_safetensors": convert("n.safetensors"),
        "convert_onnx": convert("n.onnx"),
        "convert_h5": convert("n.caffemodel.h5"),
        "demo": lambda out: [
            "demo",
            people / "images/000000.jpg",
            *net,
            "--center",
            "60,60",
            "--scale",
            0.5,
            "--scales",
            1.0,
            "--out",
            out / "d",
        ],
        "evaluate": lambda out: (
            ["evaluate", "lsp", *net, "--lmdb", given / "lmdb", "--scales", 1.0, "--limit", 2]
            + ["--json", out / "r.json", "--plot", out / "r.png", "--poses", out / "p.png"]
            + ["--save-predictions", out / "p.npz"]
        ),
        "make_lmdb_files": lambda out: (
            ["make_lmdb", given / "p.json", "--images", people / "images", "--storage", "file", "--out", out / "lmdb"]
        ),
        "make_prototxt_small": lambda out: (
            ["make_prototxt", "small", "--lmdb", given / "lmdb", "--channels", "4,4", "--out", out / "models"]
        ),
        "convert_py": convert("n.py"),
        "convert_caffemodel": convert("n.caffemodel"),
        "demo_html": lambda out: (
            ["demo", people / "images/000000.jpg", *net, "--html", "--scale", 0.5, "--scales", 1.0, "--out", out / "d"]
        ),
        "evaluate_people": lambda out: (
            ["evaluate", "people", "--lmdb", given / "lmdb", "--limit", 1, "--json", out / "r.json"]
        ),
        "inspect_lmdb": lambda out: ["inspect_lmdb", given / "lmdb", "--json", out / "r.json"],
        "inspect_lmdb_show": lambda out: ["inspect_lmdb", given / "lmdb", "--show", "0", "--out", out / "r.png"],
        "show_net_json": lambda out: ["show_net", models / "deploy.prototxt", "--json", out / "net.json"],
        "show_batch": lambda out: ["show_batch", "--prototxt", models / "train.prototxt", "--out", out / "b.png"],
        "plot_log": lambda out: ["plot_log", models / "cpm.log", "--out", out / "loss.png"],
        "bench": lambda out: ["bench", "cluster", "--markdown", out / "r.md", "--plot", out / "r.png"],
        "study": lambda out: (  # its report: what it trains was there before, see faults/study.py
            ["study", "stages", "--train", given / "lmdb", "--held-out", given / "lmdb"]
            + ["--iterations", 1, "--seeds", 1, "--threads", 1, "--out", out / "s"]
        ),
        "show_net": lambda out: ["show_net", models / "train.prototxt", "--out", out / "net.svg"],
    }


def _solver(models: Path, out: Path, *more: str) -> Path:
    """The solver of `models`, whose snapshots go to `out`."""
    text = (models / "solver.prototxt").read_text()
    text = text.replace('net: "', f'net: "{models}/').replace('snapshot_prefix: "cpm"', f'snapshot_prefix: "{out}/run"')
    path = models / f"solver_{out.name}.prototxt"
    path.write_text("\n".join([text, *more, ""]))
    return path


def _input(given: Path) -> Path:
    """An input of the deploy net."""
    import numpy as np

    path = given / "input.npz"
    if not path.exists():
        np.savez(path, data=np.random.default_rng(0).random((1, 4, 64, 64), np.float32))
    return path
