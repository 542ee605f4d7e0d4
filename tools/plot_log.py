"""Draws every stage's loss, and held-out people's score, over the iterations from a solver's log or Caffe's."""

import argparse

from cpm_repro import command_line
from data_lmdb.counts import how_many

EXAMPLE = "python tools/plot_log.py build/demo/models/people.log --out build/loss.png --smooth 20"


def main(arguments: argparse.Namespace) -> int:
    import numpy as np

    from cpm_repro.figures import runs, sheet
    from cpm_repro.training.log import parse_log

    sheet.check_format(arguments.out)
    log = parse_log(arguments.log)
    sheet.save(runs.loss_figure(log, arguments.smooth), arguments.out)
    print(f"{arguments.log}: {how_many(len(log.iterations), 'displayed iteration')}, the last {log.iterations[-1]}")
    for name, values in log.losses.items():
        known = values[np.isfinite(values)]
        if known.size:
            print(f"  {name}: first {known[0]:g}, last {known[-1]:g}, lowest {known.min():g}")
    for name, scores in log.scores.items():
        last = max(scores)
        print(
            f"  {name} of held-out people: {scores[last]:g} after {last} iterations, highest {max(scores.values()):g}"
        )
    print(f"written: {arguments.out}")
    return 0


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("log", metavar="LOG", help="the solver's log, e.g. what tools/train.py printed")
    parser.add_argument(
        "--smooth",
        metavar="N",
        type=command_line.positive_integer,
        default=1,
        help="average over N displayed iterations (default: 1, none)",
    )
    command_line.add_out(parser, "the picture to write, .png, .pdf, .svg or .jpg")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
