"""Trains a net as `caffe train` would: the solver prototxt decides everything."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line

if TYPE_CHECKING:
    from cpm_repro.samples.timeline import Timeline

EXAMPLE = """
python tools/train.py --solver build/demo/models/solver.prototxt --overwrite
python tools/train.py --solver build/demo/models/solver.prototxt \\
    --snapshot build/demo/models/people_iter_750.solverstate
python tools/train.py --solver build/demo/models/solver.prototxt --overwrite \\
    --engine exact --trace build/trace.npz
torchrun --nproc-per-node 2 tools/train.py --solver build/demo/models/solver.prototxt --overwrite
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.training.run import train
    from cpm_repro.training.setup import Options

    options = Options(
        weights=arguments.weights,
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
        stages=arguments.stage,
        level=arguments.level,
        overwrite=arguments.overwrite,
    )
    written = train(arguments.solver, options, _picture_of(arguments.timeline))
    if written is not None:
        print(f"written: {written}")


def _picture_of(path: Path | None) -> "Callable[[Timeline], None] | None":
    """What draws a run's timeline there; InputError for a name that no picture can have."""
    if path is None:
        return None
    from cpm_repro.figures.sheet import check_format, save  # matplotlib, which few runs need
    from cpm_repro.figures.timeline import timeline_figure

    check_format(path)
    return lambda timeline: save(timeline_figure(timeline), path)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--solver", metavar="S.prototxt", type=Path, required=True, help="the solver")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--weights", metavar="W.caffemodel", type=Path, help="start from these weights (finetuning)")
    start.add_argument("--snapshot", metavar="S.solverstate", type=Path, help="continue from this solver state")
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
    command_line.add_profile(parser)
    command_line.add_device(parser)
    command_line.add_engine(parser)
    command_line.add_threads(parser)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
