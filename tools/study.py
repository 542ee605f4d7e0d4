"""Repeats the paper's experiments, one command each: trainings, scores, figures, and whether the claim holds here.

Left in --out: report.md, result.json and figures in a folder for each study; every training with its prototxts and log
in trainings/. The same command goes on after Ctrl-C or a kill, and trains nothing twice.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line, streams
from prototxt_import.files import InputError, require

if TYPE_CHECKING:  # torch and matplotlib: imported once there is something to do, not for --help
    from cpm_repro.studies.data import Data
    from cpm_repro.studies.networks import Size
    from cpm_repro.training.watch.output import Screen

NAMES = ("stages", "training", "gradients", "receptive_field", "data", "center_map", "pose_machine", "viewpoint")
EXAMPLE = """
python tools/study.py stages --seeds 1 --iterations 40 --out build/study
python tools/study.py all --out build/study
python tools/study.py training --train build/demo/lmdb/train --held-out build/demo/lmdb/held_out --iterations 40 \\
    --seeds 1 --out build/study
"""


def main(arguments: argparse.Namespace) -> int:
    check_read(arguments)
    from cpm_repro.studies import STUDIES
    from cpm_repro.studies.networks import SIZES
    from cpm_repro.studies.study import Setting, run, sole_study
    from cpm_repro.studies.trainer import Trainer
    from cpm_repro.training.watch.output import Screen

    out = Path(arguments.out)
    size = SIZES[arguments.size]
    if arguments.iterations:
        size = replace(size, iterations=arguments.iterations)
    if arguments.levels:
        size = replace(size, pose_machine=replace(size.pose_machine, levels=arguments.levels))
    with sole_study(out):
        data = people(arguments, size, out)
        trainer = Trainer(out, data, arguments.device, arguments.engine, arguments.threads)
        screen = Screen()
        for name in possible(data, screen) if arguments.study == "all" else [arguments.study]:
            screen.write([f"{name}: {STUDIES[name].where}"])
            report = run(STUDIES[name], Setting(trainer, size, arguments.seeds, arguments.stages or 3))
            found = report.read_text(encoding="utf-8").splitlines()
            screen.write([*(line for line in found if line.startswith("* ")), str(report)])
    if screen.gone is not None:
        streams.last_words(f"stdout took no more lines ({screen.gone}): the reports are in {out}")
    return 0


READ_BY = {
    "more": ("data",),
    "clusters": ("viewpoint",),
    "ground_truth": ("viewpoint",),
    "stages": ("training", "data", "center_map"),
    "levels": ("pose_machine", "viewpoint"),
}
"""Options that some studies read alone."""
OF_GIVEN = ("more", "clusters", "ground_truth")
"""Those that say something of given people."""


def check_read(arguments: argparse.Namespace) -> None:
    """InputError for options that nothing would read."""
    for name, studies in READ_BY.items():
        option = f"--{name.replace('_', '-')}"
        if getattr(arguments, name):
            known = " or ".join([", ".join(studies), "all"])
            which = f"the stud{'y' if len(studies) == 1 else 'ies'} {known}, which read{'s' * (len(studies) == 1)} it"
            require(option, arguments.study in (*studies, "all"), which, arguments.study)
            given = arguments.train is not None or name not in OF_GIVEN
            require(option, given, "--train and --held-out beside it", "drawn people")


def possible(data: "Data", screen: "Screen") -> list[str]:
    """All studies that these people allow; says which one they do not."""
    from cpm_repro.studies import viewpoint

    try:
        viewpoint.check(data)
    except InputError as error:
        screen.write([f"left out: {error}"])
        return [name for name in NAMES if name != "viewpoint"]
    return list(NAMES)


def people(arguments: argparse.Namespace, size: "Size", out: Path) -> "Data":
    """Whom the studies train on: drawn people, or those of --train and --held-out."""
    from cpm_repro.studies.data import Drawing, drawn_people, given_people

    if arguments.train is None and arguments.held_out is None:
        return replace(drawn_people(out, Drawing(*size.drawn)), people=arguments.people)
    if arguments.train is None or arguments.held_out is None:
        raise InputError("--train, --held-out: expected both LMDBs or none, found one")
    labels = arguments.clusters, arguments.ground_truth
    return given_people(arguments.train, arguments.held_out, arguments.people, arguments.more, *labels)


@command_line.typed("parts, and then any of pairs and whole, with commas between them")
def levels(text: str) -> tuple[str, ...]:
    """An argparse type: levels of the pose machine's hierarchy."""
    found = tuple(text.split(","))
    if found not in (("parts",), ("parts", "pairs"), ("parts", "whole"), ("parts", "pairs", "whole")):
        raise ValueError(text)
    return found


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("study", choices=(*NAMES, "all"), help="which experiment of the paper")
    command_line.add_out(parser, "the folder of reports and trainings")
    _add_people(parser)
    _add_size(parser)
    command_line.add_device(parser)
    command_line.add_engine(parser)
    command_line.add_threads(parser)
    return parser


def _add_people(to: argparse.ArgumentParser) -> None:
    """Whom it trains on and is judged by."""
    to.add_argument("--train", metavar="LMDB", type=Path, help="train on these people (default: drawn ones)")
    to.add_argument(
        "--more",
        metavar="LMDB",
        type=Path,
        nargs="+",
        default=[],
        help="data: the second training set (default: parts)",
    )
    to.add_argument("--held-out", metavar="LMDB", type=Path, help="judge by these")
    to.add_argument(
        "--people", metavar="N", type=command_line.positive_integer, help="judge by the first N held-out people"
    )
    to.add_argument(
        "--clusters", metavar="F.txt", type=Path, help="viewpoint: each held-out person's cluster, a number a line"
    )
    to.add_argument(
        "--ground-truth", metavar="F.mat", type=Path, help="viewpoint: the held-out people's head boxes (PCKh)"
    )


def _add_size(to: argparse.ArgumentParser) -> None:
    """How large its trainings are, and how many."""
    to.add_argument(
        "--size",
        choices=("small", "photographs", "paper"),
        default="small",
        help="small: narrow nets, minutes on two cores; photographs: the package's small nets, which learn from "
        "photographs; paper: the release's (default: small)",
    )
    to.add_argument(
        "--iterations", metavar="N", type=command_line.positive_integer, help="of a training (default: the size's)"
    )
    to.add_argument(
        "--stages",
        metavar="N",
        type=command_line.stage_count,
        help="training, data, center_map: of their nets (default: 3)",
    )
    to.add_argument(
        "--levels",
        metavar="NAME,...",
        type=levels,
        help="pose_machine, viewpoint: levels of the pose machine's hierarchy, parts and then any of pairs, whole "
        "(default: parts; with --size paper all three)",
    )
    to.add_argument(
        "--seeds",
        metavar="N",
        type=command_line.seed_count,
        default=2,
        help="trainings of each kind (default: 2)",
    )


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
