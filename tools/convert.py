"""Converts weights: .caffemodel or .caffemodel.h5 with a prototxt to .pt, and .pt to .caffemodel, the same bits."""

import argparse
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/convert.py --prototxt build/demo/models/deploy.prototxt \\
    --weights build/demo/models/people_iter_1500.caffemodel --out build/demo/people.pt
python tools/convert.py --weights build/demo/people.pt --out people.caffemodel
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.conversion import convert

    count = convert(arguments.weights, arguments.out, arguments.prototxt)
    print(f"{arguments.out}: {count:,} parameters")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--weights", metavar="W", type=Path, required=True, help=".caffemodel, .caffemodel.h5 or .pt")
    parser.add_argument("--prototxt", metavar="P", type=Path, help="the net of a .caffemodel")
    parser.add_argument("--out", metavar="M.{pt,caffemodel}", type=Path, required=True, help="what to write")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
