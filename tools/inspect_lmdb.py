"""Lists, checks and shows the records of an LMDB, whichever way they store their images."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from tqdm import tqdm

from cpm_repro import command_line, exit_codes
from data_lmdb.counts import how_many
from data_lmdb.records.inspection import Entry, Summary, entry
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from prototxt_import.files import InputError, plain, write_text

EXAMPLE = """
python tools/inspect_lmdb.py build/demo/lmdb/train
python tools/inspect_lmdb.py build/demo/lmdb/train --check --json build/records.json
python tools/inspect_lmdb.py build/demo/lmdb/train --show 0-11 --out build/people.png
"""


def main(arguments: argparse.Namespace) -> int:
    if (arguments.show is None) != (arguments.out is None):
        raise InputError("--show and --out: expected both or neither, found one")
    with LmdbReader(arguments.lmdb) as reader:
        if arguments.show is not None:
            show(reader, arguments)
            return 0
        listed, summary, broken = look_at_all(reader, arguments)
    for line in map(listing, listed):
        print(line)
    for line in summary.lines():
        print(line)
    if arguments.json:
        whole = summary.as_json() | {"broken": broken, "listed": [dataclasses.asdict(one) for one in listed]}
        write_text(arguments.json, json.dumps(whole, indent=1) + "\n")
    if broken:
        print("\n".join(broken), file=sys.stderr)
        return exit_codes.BAD_INPUT
    return 0


def look_at_all(reader: LmdbReader, arguments: argparse.Namespace) -> tuple[list[Entry], Summary, list[str]]:
    """The entries to list, the summary of all good records, and a sentence for each broken one."""
    chosen = set(indices_in(reader, arguments.records))
    listed, summary, broken = [], Summary(), []
    for index in tqdm(range(len(reader)), "reading", unit="record", disable=None):
        try:
            one = entry(reader, index, arguments.joints, arguments.check)
        except InputError as error:
            broken.append(str(error))
            continue
        summary.add(one)
        if index in chosen:
            listed.append(one)
    return listed, summary, broken


def listing(one: Entry) -> str:
    size, people = f"{one.width} x {one.height}", how_many(one.people, "person", "people")
    columns = f"{one.key}  {one.dataset:<8} {size:>11}  {people:<10} scale {one.scale:<7.3f}"
    return f"{columns} {one.storage:<4} {one.bytes:>9} B{'  validation' if one.is_validation else ''}"


def show(reader: LmdbReader, arguments: argparse.Namespace) -> None:
    from cpm_repro.figures import sheet
    from cpm_repro.figures.records import records_figure

    sheet.check_format(arguments.out)
    chosen = indices_in(reader, arguments.show)
    records = [decode(reader.read(index), arguments.joints, reader.where(index)) for index in chosen]
    titles = [f"{reader.key(i)}  {r.dataset}" for i, r in zip(chosen, records, strict=True)]
    sheet.save(records_figure(records, titles), arguments.out)
    print(f"{arguments.out}: {how_many(len(records), 'record')}")


def indices_in(reader: LmdbReader, chosen: list[range]) -> list[int]:
    """The chosen records, without those beyond the last; InputError if none is left."""
    indices = [index for part in chosen for index in part[: max(len(reader) - part.start, 0)]]
    if not indices:
        raise InputError(f"{reader.path}: expected records from 0 to {len(reader) - 1}, asked for other ones")
    return indices


@command_line.typed("records like 3, 0-9 or 0-3,7")
def ranges(text: str) -> list[range]:
    """An argparse type: 3 or 0-9 or 0-3,7."""
    parts = [part.split("-") for part in text.split(",")]
    found = [range(int(plain(part[0])), int(plain(part[-1])) + 1) for part in parts]
    if not all(found) or any(len(part) > 2 for part in parts):
        raise argparse.ArgumentTypeError(f"expected records like 3, 0-9 or 0-3,7, found {text}")
    return found


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("lmdb", type=Path, help="folder of an LMDB")
    parser.add_argument("--joints", type=int, choices=(16, 9), default=16, help="stored per person (default: 16)")
    parser.add_argument(
        "--records", metavar="A-B", type=ranges, default="0-9", help="which to list, from 0 (default: 0-9)"
    )
    parser.add_argument("--check", action="store_true", help="decode stored image files too, to find broken ones")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write summary, broken records and list there too")
    parser.add_argument("--show", metavar="A-B", type=ranges, help="draw these records with their people, to --out")
    command_line.add_out(parser, "the picture of --show", required=False)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
