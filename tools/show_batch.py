"""Shows the augmented samples that a training net's data layer makes, with centre and label maps."""

import argparse
from itertools import islice
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/show_batch.py --prototxt build/demo/models/train.prototxt --out build/batch.png
python tools/show_batch.py --prototxt build/demo/models/train.prototxt --steps 0 --out build/steps.png
"""

MOST_SAMPLES = 100  # a picture has at most 65,536 rows


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.figures import samples as sample_figures
    from cpm_repro.figures import sheet

    sheet.check_format(arguments.out)
    transformer, reader = sample_figures.transformer_of(
        arguments.prototxt, arguments.profile, command_line.variant(arguments)
    )
    samples = sample_figures.drawn_samples(transformer, reader, arguments.srand)
    if arguments.steps is None:
        figure = sample_figures.batch_figure(transformer, list(islice(samples, arguments.samples)))
    else:
        figure = sample_figures.steps_figure(transformer, next(islice(samples, arguments.steps, None)))
    sheet.save(figure, arguments.out)
    print(f"written: {arguments.out}")


def _number_of_samples(text: str) -> int:
    value = command_line.positive_integer(text)
    if value > MOST_SAMPLES:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_SAMPLES}, found {text}")
    return value


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--prototxt", metavar="P", type=Path, required=True, help="the training net")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--samples", metavar="N", type=_number_of_samples, default=6, help="how many (default: 6)")
    what.add_argument(
        "--steps", metavar="K", type=command_line.index, help="instead: every step of the K-th sample, from 0"
    )
    parser.add_argument("--srand", metavar="N", type=int, default=1, help="seed of rand() (default: 1)")
    command_line.add_phase(parser, "TRAIN")
    command_line.add_profile(parser)
    command_line.add_out(parser, "the picture to write, .png, .pdf, .svg or .jpg")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
