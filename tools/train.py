"""Trains a net as `caffe train` would: the solver prototxt decides everything."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line
from prototxt_import.files import InputError

if TYPE_CHECKING:
    from cpm_repro.samples.timeline import Timeline
    from cpm_repro.training.loop import Training
    from cpm_repro.training.setup import Options
    from cpm_repro.training.watch.held_out import HeldOutPeople

EXAMPLE = """
python tools/train.py --solver build/demo/models/solver.prototxt --overwrite
python tools/train.py --solver build/demo/models/solver.prototxt \\
    --snapshot build/demo/models/people_iter_750.solverstate
python tools/train.py --solver build/demo/models/solver.prototxt --overwrite \\
    --held-out build/demo/lmdb/held_out --score-every 250 --preview 6
python tools/train.py --solver build/demo/models/solver.prototxt --overwrite \\
    --engine exact --trace build/trace.npz
torchrun --nproc-per-node 2 tools/train.py --solver build/demo/models/solver.prototxt --overwrite
"""


def main(arguments: argparse.Namespace) -> None:
    if arguments.held_out is None and (arguments.preview or arguments.score_every):
        raise InputError("--preview, --score-every: expected --held-out DIR, the people to look at, found none")
    from cpm_repro.training.run import Watching, train

    watching = Watching(
        draw_timeline=_picture_of(arguments.timeline),
        people=None if arguments.held_out is None else lambda training: _held_out(training, arguments),
        score_every=arguments.score_every,
        previews=arguments.preview > 0,
        tensorboard=arguments.tensorboard,
        keep_going=arguments.keep_going,
    )
    written = train(arguments.solver, _options(arguments), watching)
    if written is not None:
        print(f"written: {written}")


def _options(arguments: argparse.Namespace) -> "Options":
    """How to train, as typed."""
    from cpm_repro.training.setup import Options

    return Options(
        weights=arguments.weights,
        channel_order=arguments.channel_order,
        snapshot=arguments.snapshot,
        engine=arguments.engine,
        device=arguments.device,
        srand=arguments.srand,
        threads=arguments.threads,
        profile=arguments.profile,
        skip_bad=arguments.skip_bad,
        trace=arguments.trace,
        resume_like_caffe=arguments.resume_like_caffe,
        recompute=arguments.checkpoint_activations,
        timeline=arguments.timeline is not None,
        stages=arguments.state_stages,
        level=arguments.level,
        overwrite=arguments.overwrite,
    )


def _picture_of(path: Path | None) -> "Callable[[Timeline], None] | None":
    """What draws a run's timeline there; InputError for a name that no picture can have."""
    if path is None:
        return None
    from cpm_repro.figures.sheet import check_format, save  # matplotlib, which few runs need
    from cpm_repro.figures.timeline import timeline_figure

    check_format(path)
    return lambda timeline: save(timeline_figure(timeline), path)


def _held_out(training: "Training", arguments: argparse.Namespace) -> "HeldOutPeople":
    """--held-out's people, shown to the deploy net at the size that the training net has them."""
    from cpm_repro.evaluation.held_out import HeldOut
    from cpm_repro.figures.held_out import DrawnHeldOut
    from cpm_repro.samples.data_layer import data_layer_of

    sizes = data_layer_of(training.net.param, "--held-out", "TRAIN").transform_param
    deploy = arguments.deploy or training.solver.folder / "deploy.prototxt"
    place = (arguments.held_out, deploy, training.net.engine, arguments.device)
    people = HeldOut(*place, sizes.target_dist, sizes.sigma_center, arguments.score_people)
    return DrawnHeldOut(people, arguments.preview)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--solver", metavar="S.prototxt", type=Path, required=True, help="the solver")
    start = parser.add_mutually_exclusive_group()
    command_line.add_weights(start, "start from these (finetuning)")
    start.add_argument("--snapshot", metavar="S.solverstate", type=Path, help="continue from this solver state")
    command_line.add_channel_order(parser)
    parser.add_argument(
        "--srand", metavar="N", type=int, default=1, help="seed of the data layer's rand() (default: 1)"
    )
    parser.add_argument(
        "--resume-like-caffe",
        action="store_true",
        help="with --snapshot: data and random numbers start over, as the original's do",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="start anew where snapshots of another run have the same snapshot_prefix",
    )
    parser.add_argument("--trace", metavar="T.npz", type=Path, help="record losses, parameters and first blobs here")
    parser.add_argument(
        "--timeline", metavar="T.png", type=Path, help="draw what the threads do in a few iterations: who waits?"
    )
    parser.add_argument(
        "--skip-bad", action="store_true", help="replace a record that cannot be used by the next good one, and say so"
    )
    parser.add_argument(
        "--checkpoint-activations",
        action="store_true",
        help="compute the feature extractors' blobs again in backward instead of keeping them: less memory, more time",
    )
    command_line.add_state(parser)
    _add_watching(parser)
    command_line.add_profile(parser)
    command_line.add_device(parser)
    command_line.add_engine(parser)
    command_line.add_threads(parser)
    return parser


def _add_watching(to: argparse.ArgumentParser) -> None:
    whole_number = command_line.positive_integer
    to.add_argument("--tensorboard", metavar="DIR", type=Path, help="write TensorBoard's event files there, too")
    to.add_argument("--held-out", metavar="DIR", type=Path, help="an LMDB of people to look at while the net trains")
    to.add_argument(
        "--score-every",
        metavar="M",
        type=whole_number,
        default=0,
        help="with --held-out: PCK@0.2 every M iterations and at the end, in the log, the CSV and the plot",
    )
    to.add_argument("--score-people", metavar="N", type=whole_number, help="of the first N people (default: all)")
    to.add_argument(
        "--preview",
        metavar="N",
        type=whole_number,
        default=0,
        help="with --held-out: draw the first N people's poses beside their annotation at each snapshot",
    )
    to.add_argument(
        "--deploy", metavar="P", type=Path, help="with --held-out: the deploy net (default: deploy.prototxt beside S)"
    )
    to.add_argument(
        "--keep-going", action="store_true", help="do not stop where a loss is NaN or infinite, as Caffe does not"
    )


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
