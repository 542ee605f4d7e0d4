"""Draws pictures of synthetic people, and the table of their joints that make_json.py reads."""

import argparse
from pathlib import Path

from tqdm import tqdm

from cpm_repro import command_line
from cpm_repro.synthetic.pictures import IMAGES, TABLE, write_people
from data_lmdb.counts import how_many

EXAMPLE = """
python tools/make_people.py --count 200 --validation-count 20 --out build/people
python tools/make_json.py own build/people/people.csv --images build/people/images --out build/people.json
"""


def main(arguments: argparse.Namespace) -> None:
    people = write_people(
        arguments.out,
        arguments.count,
        arguments.seed,
        arguments.validation_count,
        progress=lambda pictures: tqdm(pictures, unit="picture", disable=None),  # None: only in a terminal
    )
    made = f"{how_many(people, 'person', 'people')} in {how_many(arguments.count, 'picture')}"
    print(f"{Path(arguments.out) / TABLE}: {made} in {IMAGES}/")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--count", metavar="N", type=int, required=True, help="how many pictures")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="same seed, same pictures (default: 0)")
    parser.add_argument(
        "--validation-count",
        metavar="K",
        type=int,
        default=0,
        help="mark the people of the last K pictures for validation (default: 0)",
    )
    command_line.add_out(parser, f"the folder to write: {TABLE} and {IMAGES}/; an earlier set there is replaced")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
