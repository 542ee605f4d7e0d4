"""Writes the LMDB that a CPMData layer trains from, out of annotation JSONs (see make_json.py) and images."""

import argparse
from pathlib import Path

from tqdm import tqdm

from cpm_repro import command_line
from data_lmdb.conversion import ORDERS, VALIDATION, make_lmdb, ordered, read_sources

EXAMPLE = """
python tools/make_lmdb.py lspet.json --images lspet/images --out lmdb/train
python tools/make_lmdb.py lspet.json --images lspet/images --out lmdb/validation --validation only
"""


def main(arguments: argparse.Namespace) -> int:
    sources = read_sources(arguments.json, arguments.validation)
    sources = ordered(sources, arguments.order, arguments.seed)
    count = make_lmdb(
        arguments.out,
        sources,
        arguments.images,
        progress=lambda items: tqdm(items, unit="record", disable=None),  # None: only in a terminal
    )
    size = (Path(arguments.out) / "data.mdb").stat().st_size
    print(f"{arguments.out}: {count} records, {size / 1e6:.1f} MB")
    return 0


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("json", nargs="+", type=Path, help="annotations")
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        action="append",
        required=True,
        help="folder of images; repeatable",
    )
    command_line.add_out(parser, "the LMDB folder to write; an LMDB that is there is replaced")
    parser.add_argument("--order", choices=ORDERS, default="shuffled", help="order of the records (default: shuffled)")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="seed of the shuffled order (default: 0)")
    parser.add_argument(
        "--validation",
        nargs="?",
        choices=tuple(VALIDATION),
        const="exclude",
        default="exclude",
        help="what happens to persons marked isValidation (default, and without a word: exclude)",
    )
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
