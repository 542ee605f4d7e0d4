"""Scores a network: PCK of the people in an LMDB, per part, against what is annotated there."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from cpm_repro import command_line, figures
from cpm_repro.evaluation import (
    Pck,
    as_json,
    estimate_people,
    mean_pose,
    pck,
    pck_table,
    place_mean_pose,
    read_people,
)
from cpm_repro.inference import stage_blobs
from cpm_repro.testing_options import add_testing_options, network, size_options
from data_lmdb.reader import LmdbReader
from prototxt_import.files import replacing

EXAMPLE = """
python tools/evaluate.py lsp --prototxt deploy.prototxt --weights cpm.caffemodel --lmdb lmdb/validation
python tools/evaluate.py lsp --prototxt P --weights W --lmdb lmdb/validation --scales 1.0 --stages \\
    --baseline lmdb/train --json pck.json --plot pck.png
"""


SHEET = 18  # pictures on the sheet of --poses


def remembering(people: Iterable, pictures: list) -> Iterator:
    """The people as they come; the first pictures stay for the sheet."""
    for person, truth in people:
        if len(pictures) < SHEET:
            pictures.append(person.image)
        yield person, truth


def mean_pose_result(train_lmdb: Path, truths: list) -> Pck:
    """What the training people's mean pose scores on the test people."""
    with LmdbReader(train_lmdb) as reader:
        mean = mean_pose(truth for _, truth in tqdm(read_people(reader), total=len(reader), disable=None))
    return pck([place_mean_pose(mean, truth) for truth in truths], truths)


def evaluate(arguments: argparse.Namespace) -> tuple[dict[str, Pck], dict]:
    """The results by row label, and the settings that they were computed with."""
    net = network(arguments)
    sizes = size_options(arguments, net)
    count = len(stage_blobs(net))
    stages = list(range(1, count + 1)) if arguments.stages else [arguments.stage or count]
    with LmdbReader(arguments.lmdb) as reader:
        total = min(len(reader), arguments.limit or len(reader))
        people = tqdm(read_people(reader, total), total=total, unit="person", disable=None)
        pictures: list = []
        truths, poses = estimate_people(remembering(people, pictures), net, stages, scales=arguments.scales, **sizes)
    if arguments.poses:
        figures.save(figures.contact_sheet(pictures, poses[stages[-1]][: len(pictures)]), arguments.poses)
    results = {f"stage {stage}": pck(poses[stage], truths) for stage in stages}
    if arguments.baseline:
        results["mean pose"] = mean_pose_result(arguments.baseline, truths)
    return results, {"scales": list(arguments.scales), **sizes}


def main(arguments: argparse.Namespace) -> int:
    for picture in filter(None, (arguments.plot, arguments.poses)):
        figures.check_format(picture)
    results, settings = evaluate(arguments)
    print(pck_table(results))
    judged = next(iter(results.values()))
    print(f"{judged.people} people, {judged.counts.sum()} joints; {judged.left_out} people left out: torso missing")
    print("; ".join(f"{name} {value}" for name, value in settings.items()))
    if arguments.json:
        report = {"benchmark": arguments.benchmark, "metric": "PCK", "settings": settings}
        report["results"] = {label: as_json(result) for label, result in results.items()}
        with replacing(arguments.json) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        figures.save(figures.pck_figure(results, "PCK, person-centric"), arguments.plot)
    return 0


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="{lsp}")
    lsp = command_line.add_subparser(
        benchmarks, "lsp", "Leeds Sports Pose: person-centric PCK of 14 parts, by the annotation's torso", EXAMPLE
    )
    lsp.add_argument("--lmdb", metavar="DIR", type=Path, required=True, help="the people to be judged on")
    lsp.add_argument("--limit", metavar="N", type=command_line.positive_integer, help="only the first N people")
    which = lsp.add_mutually_exclusive_group()
    which.add_argument(
        "--stage", metavar="T", type=command_line.positive_integer, help="judge this stage (default: the last)"
    )
    which.add_argument("--stages", action="store_true", help="judge every stage, a row for each")
    lsp.add_argument(
        "--baseline",
        metavar="DIR",
        type=Path,
        help="LMDB of training people: also judge their mean pose, placed by the annotated centre and scale",
    )
    lsp.add_argument("--json", metavar="R.json", type=Path, help="write PCK at all thresholds, per part")
    lsp.add_argument("--plot", metavar="R.png", type=Path, help="draw PCK over the threshold")
    lsp.add_argument("--poses", metavar="R.png", type=Path, help=f"draw the poses of the first {SHEET} people")
    add_testing_options(lsp)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
