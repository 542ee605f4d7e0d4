"""Scores poses against annotated people: PCK for LSP and FLIC, PCKh for MPII, per part and in total; and who is found.

The poses come from a network, stage by stage, or from files; several runs share a table and a plot."""

import argparse
import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

import cpm_repro
from cpm_repro import command_line
from cpm_repro.inference.options import add_person_options, add_testing_options, network, protocol
from cpm_repro.models import zoo
from data_lmdb.counts import how_many
from prototxt_import.files import InputError, write_text

if TYPE_CHECKING:  # torch, SciPy and matplotlib: imported once there is something to do, not for --help
    import numpy as np

    from cpm_repro.evaluation import scoring
    from cpm_repro.evaluation.ground_truth import GroundTruth

LSP_EXAMPLE = """
python tools/evaluate.py lsp --lmdb build/demo/lmdb/held_out --prototxt build/demo/models/deploy.prototxt \\
    --weights build/demo/models/people_iter_1500.caffemodel --target-dist 0.5 --sigma-center 8 --scales 1.0 \\
    --stages --baseline build/demo/lmdb/train --plot build/stages.png --save-predictions build/poses.npz
python tools/evaluate.py lsp --lmdb build/demo/lmdb/held_out \\
    --predictions ours=build/poses.npz --json build/pck.json --plot build/pck.png
"""
FLIC_EXAMPLE = f"""
{command_line.DATA_SET_NEEDED}
python tools/evaluate.py flic --lmdb lmdb/flic_test --prototxt deploy.prototxt --weights cpm.caffemodel \\
    --predictions theirs=theirs.mat --plot flic.png
"""
MPII_EXAMPLE = f"""
{command_line.DATA_SET_NEEDED}
python tools/evaluate.py mpii --predictions tompson=mpii_val_tompson.mat --json pckh.json --plot pckh.png
python tools/evaluate.py mpii --lmdb lmdb/mpii_validation --ground-truth mpii_human_pose_v1_u12_1.mat \\
    --prototxt deploy.prototxt --weights cpm.caffemodel --stages
python tools/evaluate.py mpii --test-images mpii/images --ground-truth mpii_human_pose_v1_u12_1.mat \\
    --prototxt deploy.prototxt --weights cpm.caffemodel --save-predictions pred_keypoints_mpii.mat
"""
PEOPLE_EXAMPLE = """
python tools/evaluate.py people --lmdb build/demo/lmdb/held_out --limit 20
"""
SHEET = 18  # pictures on the sheet of --poses


def asks_for_network(arguments: argparse.Namespace) -> bool:
    return any(value is not None for value in (arguments.model, arguments.prototxt, arguments.weights, arguments.seed))


def check_arguments(arguments: argparse.Namespace) -> None:
    """What does not fit together, before anything is computed."""
    from cpm_repro.evaluation import predictions
    from cpm_repro.figures import sheet

    for picture in filter(None, (arguments.plot, arguments.poses, arguments.misses, arguments.plot_clusters)):
        sheet.check_format(picture)
    if arguments.save_predictions:
        predictions.check_suffix(arguments.save_predictions)
    if not asks_for_network(arguments):
        if not arguments.predictions:
            raise InputError(
                "expected a network (--model, or --prototxt and --weights) or --predictions, found neither"
            )
        if arguments.save_predictions:
            raise InputError(
                "--save-predictions: expected a network (--model, or --prototxt and --weights), found none"
            )
    if (arguments.worst or arguments.on_white) and not arguments.poses:
        raise InputError("--worst, --on-white: expected --poses R.png, found none")
    if arguments.plot_clusters and not arguments.clusters:
        raise InputError("--plot-clusters: expected --clusters, found none")
    if arguments.test_images:
        if not (asks_for_network(arguments) and arguments.ground_truth and arguments.save_predictions):
            raise InputError("--test-images: expected a network, --ground-truth and --save-predictions, found less")
    elif arguments.lmdb is None:
        if asks_for_network(arguments) or arguments.baseline or arguments.limit or arguments.poses:
            raise InputError("--lmdb: expected the people whose poses are wanted, found none")
    elif arguments.benchmark == "mpii" and arguments.ground_truth is None:
        raise InputError("--ground-truth: expected a .mat with MPII's head boxes, which no LMDB has, found none")


def annotated_people(arguments: argparse.Namespace) -> "tuple[list[GroundTruth], np.ndarray | None]":
    """The people who are judged, and for MPII their head sizes."""
    from cpm_repro.evaluation import pckh, scoring

    if arguments.lmdb is None:
        return pckh.read_validation_file(arguments.ground_truth or arguments.predictions[0][1])
    truths = scoring.read_truths(
        arguments.lmdb, scoring.BENCHMARKS[arguments.benchmark].number_of_parts, arguments.limit
    )
    return pckh.with_heads(arguments.ground_truth, truths) if arguments.benchmark == "mpii" else (truths, None)


def asked(people: Iterable, arguments: argparse.Namespace) -> Iterator:
    """The people as they come, as the protocol asks for them."""
    from cpm_repro.evaluation import scoring

    for person, truth in people:
        yield scoring.whole_picture(person) if arguments.whole_picture else person, truth


def runs_from_network(arguments: argparse.Namespace, truths: "list[GroundTruth]") -> "tuple[scoring.Runs, dict]":
    """The joints by stage, and the settings that they were computed with; writes --save-predictions."""
    from cpm_repro.evaluation import predictions, scoring
    from cpm_repro.evaluation.ground_truth import read_people
    from cpm_repro.inference.protocol import RELEASE_TARGET_DIST
    from cpm_repro.network.stages import stage_blobs
    from data_lmdb.records.reader import LmdbReader

    net = network(arguments)
    whole = arguments.whole_picture
    by = protocol(arguments, net, scoring.WHOLE_PICTURE_TARGET_DIST if whole else RELEASE_TARGET_DIST)
    count = len(stage_blobs(net))
    stages = list(range(1, count + 1)) if arguments.stages else [arguments.stage or count]
    with LmdbReader(arguments.lmdb) as reader:
        people = read_people(reader, len(truths), len(truths[0].parts))
        people = asked(tqdm(people, total=len(truths), unit="person", disable=None), arguments)
        _, found = predictions.estimate_people(people, net, stages, by)
    if arguments.save_predictions:
        places, one_based = [truth.place for truth in truths], arguments.benchmark == "mpii"
        predictions.write_predictions(arguments.save_predictions, found[stages[-1]], places, one_based)
    runs = {f"stage {stage}": found[stage].joints for stage in stages}
    return runs, {"scales": list(by.scales), "target_dist": by.target_dist, "sigma_center": by.sigma}


def evaluate(arguments: argparse.Namespace) -> "tuple[scoring.Scores, dict]":
    """The scores of all runs, and the network's settings."""
    from cpm_repro.evaluation import pckh, scoring

    truths, head_sizes = annotated_people(arguments)
    clusters = pckh.read_clusters(arguments.clusters, len(truths)) if arguments.clusters else None
    runs = scoring.runs_from_files(arguments.predictions, truths)
    if arguments.baseline:
        runs[scoring.MEAN_POSE] = scoring.mean_pose_run(arguments.baseline, truths, partial(tqdm, disable=None))
    shown = list(runs)[:1]
    settings: dict = {}
    if asks_for_network(arguments):
        stages, settings = runs_from_network(arguments, truths)
        runs, shown = stages | runs, list(stages)[-1:]
    observer = arguments.observer_centric
    scores = scoring.scores(arguments.benchmark, runs, truths, head_sizes, clusters, observer)
    if arguments.poses:
        draw_poses(arguments, truths, runs[shown[0]], scores.kinds[shown[0]])
    return scores, settings


def draw_poses(
    arguments: argparse.Namespace, truths: "list[GroundTruth]", joints: "np.ndarray", kinds: "np.ndarray"
) -> None:
    """--poses: the first people, or those who are found worst, as annotated and as found."""
    import numpy as np

    from cpm_repro.evaluation.ground_truth import read_people
    from cpm_repro.evaluation.held_out import Look
    from cpm_repro.evaluation.misses import worst
    from cpm_repro.figures import sheet
    from cpm_repro.figures.held_out import held_out_figure
    from data_lmdb.records.reader import LmdbReader

    chosen = worst(kinds, SHEET).tolist() if arguments.worst else list(range(min(SHEET, len(truths))))
    with LmdbReader(arguments.lmdb) as reader:
        people = enumerate(read_people(reader, max(chosen, default=-1) + 1, len(truths[0].parts)))
        pictures = {i: person.image.copy() for i, (person, _) in people if i in chosen}
    if arguments.on_white:
        pictures = {i: np.full_like(picture, 255) for i, picture in pictures.items()}
    look = Look([pictures[i] for i in chosen], [truths[i] for i in chosen], joints[chosen])
    sheet.save(held_out_figure(look), arguments.poses)


def plot(arguments: argparse.Namespace, scores: "scoring.Scores") -> None:
    """--plot: figure 6c with --stages, else 8, 9 or 12; --misses; --plot-clusters: figure 11."""
    from cpm_repro.figures import curves, sheet

    metric, threshold = scores.benchmark.metric, scores.benchmark.threshold
    size, results = scores.first()
    title = f"{metric}, {'observer' if arguments.observer_centric else 'person'}-centric"
    if arguments.plot and arguments.stages:
        stages = {name: result for name, result in results.items() if name.startswith("stage ")}
        others = {name: result for name, result in results.items() if name not in stages}
        sheet.save(curves.stage_figure(stages, others, f"{title}, total", threshold, size), arguments.plot)
    elif arguments.plot:
        sheet.save(curves.rate_figure(results, title, threshold, size, scores.paper), arguments.plot)
    if arguments.misses:
        drawn = curves.misses_figure(scores.misses, f"what joints were taken for, within {threshold:g} of the {size}")
        sheet.save(drawn, arguments.misses)
    if arguments.plot_clusters:
        title = f"{metric}@{threshold:g}, total, by viewpoint"
        sheet.save(curves.cluster_figure(scores.clusters, title, threshold), arguments.plot_clusters)


def predict_test_people(arguments: argparse.Namespace) -> None:
    """Write what MPII's server takes: the last stage's poses of the single people in the test images."""
    from cpm_repro.evaluation import mpii_release, predictions
    from cpm_repro.inference import beliefs

    people, images = mpii_release.read_asked_people(arguments.ground_truth)
    people, net = people[: arguments.limit], network(arguments)
    asked = mpii_release.asked_pictures(people, arguments.test_images)
    shown = iter(tqdm(asked, total=len(people), unit="person", disable=None))
    found = predictions.collect_poses(beliefs.estimate_poses(shown, net, protocol(arguments, net)))[0]
    to, places = arguments.save_predictions, [person.place for person in people]
    predictions.write_predictions(to, found, places, as_structs=True, images=images)
    whose = f"{how_many(len(people), 'person', 'people')} in {how_many(len(images), 'test image')}"
    print(f"{to}: poses of {whose}")


def find_annotated_people(arguments: argparse.Namespace) -> None:
    """How many of an LMDB's people a detector and a network find, as in `cpm demo`; the package's if none is named."""
    from cpm_repro.evaluation import detection
    from cpm_repro.inference.everybody import people_finder
    from cpm_repro.inference.options import person_detector
    from data_lmdb.records.reader import LmdbReader

    if not asks_for_network(arguments):
        arguments.model = zoo.DEFAULT
    net, detector = network(arguments), person_detector(arguments)
    detector = detector or cpm_repro.load(zoo.DETECTOR, engine=arguments.engine).to(arguments.device)
    asked = protocol(arguments, net)
    find = people_finder(detector, net, asked, arguments.scale, person_size=arguments.person_size)
    counts = detection.Detection(0, 0, 0, 0)
    with LmdbReader(arguments.lmdb) as reader:
        count = min(len(reader), arguments.limit or len(reader))
        pictures = detection.read_pictures(reader, count)
        for picture, truths in tqdm(pictures, total=count, unit="picture", disable=None):
            centers = [person.center for person in find(picture).people]
            hits = detection.matched(centers, truths)
            counts = counts.plus(len(truths), hits, len(centers) - hits)
    model = arguments.model or str(arguments.weights)
    detector_name = str(arguments.person_weights or zoo.DETECTOR)
    print(f"{model} after {detector_name}: {counts}")
    write_json(arguments.json, {"model": model, "detector": detector_name, **counts._asdict()})


def main(arguments: argparse.Namespace) -> int:
    if arguments.benchmark == "people":
        find_annotated_people(arguments)
        return 0
    from cpm_repro.evaluation.misses import misses_table

    check_arguments(arguments)
    if arguments.test_images:
        predict_test_people(arguments)
        return 0
    scores, settings = evaluate(arguments)
    print(scores.text())
    if arguments.misses:
        print(misses_table(scores.misses))
    if settings:
        print("; ".join(f"{name} {value}" for name, value in settings.items()))
    report = {"benchmark": arguments.benchmark, "observer_centric": arguments.observer_centric}
    write_json(arguments.json, report | {"settings": settings, **scores.as_json()})
    plot(arguments, scores)
    return 0


def write_json(path: Path | None, report: dict) -> None:
    """--json, if it was given."""
    if path is not None:
        write_text(path, json.dumps(report, indent=1) + "\n")


def named_file(text: str) -> tuple[str, Path]:
    """An argparse type, `FILE` or `NAME=FILE`: the run's name and its file."""
    name, equals, path = text.partition("=")
    return (name, Path(path)) if equals and not Path(text).exists() else (Path(text).stem, Path(text))


def add_people_options(to: argparse.ArgumentParser, lmdb_required: bool) -> None:
    to.add_argument("--lmdb", metavar="DIR", type=Path, required=lmdb_required, help="the people to be judged on")
    to.add_argument("--limit", metavar="N", type=command_line.positive_integer, help="only the first N people")
    to.add_argument(
        "--predictions",
        metavar="[NAME=]F",
        type=named_file,
        nargs="+",
        default=[],
        help="judge the poses in these files, .mat, .npz or COCO's .json, a row for each",
    )
    which = to.add_mutually_exclusive_group()
    which.add_argument(
        "--stage", metavar="T", type=command_line.positive_integer, help="judge this stage (default: the last)"
    )
    which.add_argument("--stages", action="store_true", help="judge every stage, a row for each")
    to.add_argument(
        "--baseline",
        metavar="DIR",
        type=Path,
        help="LMDB of training people: also judge their mean pose, placed by the annotated centre and scale",
    )


def add_results_options(to: argparse.ArgumentParser) -> None:
    to.add_argument("--json", metavar="R.json", type=Path, help="write the rates at all thresholds, per part, and AUC")
    to.add_argument(
        "--plot", metavar="R.png", type=Path, help="draw the rates over the threshold; of --stages in total only"
    )
    to.add_argument(
        "--misses",
        metavar="R.png",
        type=Path,
        help="draw and print what joints were taken for: the other side's, another part, near, or elsewhere",
    )
    to.add_argument("--poses", metavar="R.png", type=Path, help=f"draw the poses of the first {SHEET} people")
    to.add_argument("--worst", action="store_true", help="--poses: of those of whom the least is found")
    to.add_argument(
        "--on-white", action="store_true", help="--poses: without the photographs, for who may not show them"
    )
    to.add_argument(
        "--save-predictions",
        metavar="F",
        type=Path,
        help="write the network's poses, of the last stage that is judged: .npz, .json (COCO's results) or .mat",
    )


def add_lsp_options(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--observer-centric",
        action="store_true",
        help="left and right as the observer sees them: swap them in people (annotated and found, each by its own "
        "shoulders) who are seen from behind",
    )
    to.add_argument(
        "--whole-picture",
        action="store_true",
        help="look for the person as the release does in LSP: in the middle of the picture, whose height / 368 is the "
        "scale; --target-dist is then 0.8 of the input's size / 368 by default",
    )


def add_mpii_options(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--ground-truth",
        metavar="F.mat",
        type=Path,
        help="the head boxes of the LMDB's people: mpii_human_pose_v1_u12_1.mat, or a validation file with pos_gt_src, "
        "jnt_missing and headboxes_src; that one needs no LMDB (default without: the first of --predictions)",
    )
    to.add_argument("--clusters", metavar="F.txt", type=Path, help="each person's viewpoint cluster, a number a line")
    to.add_argument("--plot-clusters", metavar="R.png", type=Path, help="draw the rates by cluster")
    to.add_argument(
        "--test-images",
        metavar="DIR",
        type=Path,
        help="judge nobody, but find the single people in the test images of --ground-truth, as MPII's server wants",
    )


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, LSP_EXAMPLE)
    parser.set_defaults(observer_centric=False, whole_picture=False)
    parser.set_defaults(ground_truth=None, clusters=None, plot_clusters=None, test_images=None)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="{lsp,flic,mpii,people}")
    for name, description, example in (
        ("lsp", "Leeds Sports Pose: PCK of 14 parts, by the annotation's torso", LSP_EXAMPLE),
        (
            "flic",
            "Frames Labeled In Cinema: PCK of 9 parts, by the prediction's and the annotation's torso",
            FLIC_EXAMPLE,
        ),
        ("mpii", "MPII Human Pose: PCKh, by the head box; and predictions for MPII's server", MPII_EXAMPLE),
    ):
        benchmark = command_line.add_subparser(benchmarks, name, description, example)
        add_people_options(benchmark, lmdb_required=name != "mpii")
        add_results_options(benchmark)
        if name == "mpii":
            add_mpii_options(benchmark)
        if name == "lsp":
            add_lsp_options(benchmark)
        add_testing_options(benchmark, "--net-stage")
    add_people_parser(benchmarks)
    return parser


def add_people_parser(benchmarks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`evaluate people`."""
    about = "Everybody who is annotated: how many are found where nobody says where they are"
    people = command_line.add_subparser(benchmarks, "people", about, PEOPLE_EXAMPLE)
    people.add_argument("--lmdb", metavar="DIR", type=Path, required=True, help="the pictures and who is in them")
    people.add_argument("--limit", metavar="N", type=command_line.positive_integer, help="only the first N records")
    people.add_argument("--json", metavar="R.json", type=Path, help="write the counts")
    add_person_options(people, f"{zoo.DETECTOR} of the package")
    people.add_argument(
        "--scale",
        metavar="S",
        type=command_line.positive_number,
        help="everybody's height / 200 px (default: any; of a detector for one size as in demo)",
    )
    add_testing_options(people, "--net-stage")


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
