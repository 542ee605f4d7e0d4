"""Does the whole job on drawn people, every step as a person would type it; `make demo` runs it.

Pictures, annotations, LMDB, prototxts, training, scores before and after, conversion, poses: no download and no GPU.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

from cpm_repro import command_line
from prototxt_import.files import InputError

EXAMPLE = """
python tools/walkthrough.py --out build/demo
python tools/walkthrough.py --out build/longer --pictures 3000 --iterations 6000
"""

TOOLS = Path(__file__).resolve().parent
CROP = 144  # px; the release trains on 368
NET = ["--stages", 3, "--widths", "16,8,32,24", "--filler-std", 0.05, "--crop-size", CROP]
PERSON = ["--target-dist", 0.5, "--sigma-center", 8]  # size in the crop / 200 px, and the centre map: as trained
AUGMENTATION = ["--max-rotate-degree", 20, "--sigma", 9]
# A narrow net bears a high rate, if clipping holds the first, steep iterations.
SCHEDULE = ["--base-lr", 0.0012, "--clip-gradients", 20, "--gamma", 0.2]
SEED = 1  # of the fillers
SHOWN = 4  # held-out pictures whose belief maps are drawn


def step(number: int, title: str, tool: str, *arguments: object) -> None:
    """Shows and runs one command; a failure ends the walkthrough with that command's exit code."""
    command = ["python", f"tools/{tool}.py", *map(str, arguments)]
    print(f"\n[{number}] {title}\n$ {command_line.as_typed(shlex.join(command))}", flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, str(TOOLS / f"{tool}.py"), *command[2:]], check=False).returncode
    if code:
        sys.exit(code)
    print(f"    {time.monotonic() - started:.1f} s", flush=True)


def prepare(out: Path, pictures: int, held_out: int, iterations: int) -> None:
    """Steps 1 to 4: pictures, annotations, LMDBs and prototxts."""
    people = out / "people"
    step(1, "Draw people", "make_people", "--count", pictures, "--validation-count", held_out, "--out", people)
    three = sorted((people / "images").iterdir())[:3]
    step(1, "and find them with the package's own networks", "demo", *three, "--html", "--out", out / "everybody")
    annotations = out / "people.json"
    table = people / "people.csv"
    step(2, "Annotations to JSON", "make_json", "own", table, "--images", people / "images", "--out", annotations)
    lmdb = [annotations, "--images", people / "images", "--out"]
    step(3, "JSON to LMDB, for training", "make_lmdb", *lmdb, out / "lmdb/train")
    only = ["--validation", "only", "--order", "sequential"]
    step(3, "and held out", "make_lmdb", *lmdb, out / "lmdb/held_out", *only)
    schedule = [*SCHEDULE, "--max-iter", iterations, "--stepsize", iterations * 3 // 4, "--batch-size", 4]
    logged = ["--snapshot", max(iterations // 2, 1), "--display", 25, "--snapshot-prefix", "people"]
    net = [*NET, *PERSON, *AUGMENTATION, *schedule, *logged, "--random-seed", SEED, "--lmdb", out / "lmdb/train"]
    step(4, "Prototxts of a narrow CPM", "make_prototxt", "mpi", *net, "--out", out / "models")
    batch = ["--prototxt", out / "models/train.prototxt", "--out", out / "batch.png"]
    step(4, "and what the data layer will feed it", "show_batch", *batch)


def train_and_score(out: Path, iterations: int) -> None:
    """Steps 5 to 7: scores before training, training, loss plot and scores after."""
    models = out / "models"
    score = ["lsp", "--prototxt", models / "deploy.prototxt", "--lmdb", out / "lmdb/held_out", "--scales", "1.0"]
    score += [*PERSON, "--stages", "--baseline", out / "lmdb/train"]
    step(5, "Train", "train", "--solver", models / "solver.prototxt", "--overwrite")
    step(6, "Plot the losses", "plot_log", models / "people.log", "--out", out / "loss.png", "--smooth", 5)
    weights = models / f"people_iter_{iterations}.caffemodel"
    for when, start in (("before", ["--seed", SEED]), ("after", ["--weights", weights])):
        files = ["--json", out / f"pck_{when}.json", "--plot", out / f"pck_{when}.png"]
        if when == "after":
            files += ["--poses", out / "poses_held_out.png"]
        step(7, f"Score {when} training", "evaluate", *score, *start, *files)


def convert_and_show(out: Path, iterations: int) -> None:
    """Steps 8 and 9: to PyTorch and back, and the poses and belief maps of single held-out people."""
    models = out / "models"
    prototxt, weights = models / "deploy.prototxt", models / f"people_iter_{iterations}.caffemodel"
    step(8, "To PyTorch", "convert", "--prototxt", prototxt, "--weights", weights, "--out", out / "people.pt")
    step(8, "and back", "convert", "--weights", out / "people.pt", "--out", out / "from_pt.caffemodel")
    network = ["--prototxt", prototxt, "--weights", weights, *PERSON, "--scales", 1.0]
    for image, center, scale in held_out_people(out):
        place = ["--center", center, "--scale", scale, "--out", out / "poses" / Path(image).stem]
        step(9, "Find a pose", "demo", out / "people/images" / image, *place, *network)


def held_out_people(out: Path) -> list[tuple[str, str, float]]:
    """(image, "x,y" in 0-based pixels, scale) of the first annotated person of some held-out pictures, those with
    several people first: there the centre map says whose pose is meant."""
    annotations = json.loads((out / "people.json").read_text())
    records = annotations["root"] if isinstance(annotations, dict) else annotations
    first = {record["img_paths"]: record for record in reversed(records) if record["isValidation"]}
    chosen = sorted(first.values(), key=lambda record: -record["numOtherPeople"])[:SHOWN]
    return [(r["img_paths"], f"{r['objpos'][0] - 1:.1f},{r['objpos'][1] - 1:.1f}", r["scale_provided"]) for r in chosen]


def report(out: Path) -> None:
    """The table before and after training, and the files to open."""
    before, after = (json.loads((out / f"pck_{when}.json").read_text())["results"] for when in ("before", "after"))
    at = 20  # of the thresholds 0.00, 0.01, …: 0.2 of the torso
    last = max(stage for stage in after if stage.startswith("stage"))
    rows = {"before training": before[last], **{f"after, {stage}": after[stage] for stage in after}}
    rows["mean pose"] = rows.pop("after, mean pose")
    names = list(after[last]["rows"])
    print(f"\n{'PCK@0.2, held-out':<18}" + "".join(f"{name:>10}" for name in names))
    for label, result in rows.items():
        print(f"{label:<18}" + "".join(f"{result['rows'][name][at]:>10.1f}" for name in names))
    print("\nOpen:")
    pictures = sorted((out / "poses").glob("*/*_stages.png"))
    described = [
        (out / "everybody", "pages to play with: what the package's own networks find"),
        (out / "poses_held_out.png", "poses found on held-out pictures"),
        *((picture, "belief maps of every stage beside the picture") for picture in pictures),
        (out / "batch.png", "what the data layer fed the network"),
        (out / "loss.png", "loss of every stage over the iterations"),
        (out / "pck_after.png", "PCK over the threshold, by stage"),
        (out / "models/people.log", "the log, in Caffe's words"),
        (out / "models", "prototxts, .caffemodel and .solverstate snapshots"),
        (out / "lmdb/train", "the LMDB"),
    ]
    for path, what in described:
        print(f"  {path}: {what}")


def main(arguments: argparse.Namespace) -> None:
    out = Path(arguments.out)
    if arguments.pictures <= arguments.held_out:
        raise InputError(
            f"--pictures: expected more than the {arguments.held_out} held out, found {arguments.pictures}"
        )
    started = time.monotonic()
    prepare(out, arguments.pictures, arguments.held_out, arguments.iterations)
    train_and_score(out, arguments.iterations)
    convert_and_show(out, arguments.iterations)
    report(out)
    print(f"\n{time.monotonic() - started:.0f} s in all")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    command_line.add_out(parser, "folder for everything")
    parser.add_argument("--pictures", metavar="N", type=int, default=1000, help="drawn pictures (1000)")
    parser.add_argument(
        "--held-out", metavar="N", type=command_line.positive_integer, default=100, help="of them (100)"
    )
    parser.add_argument("--iterations", metavar="N", type=command_line.positive_integer, default=1500, help="(1500)")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
