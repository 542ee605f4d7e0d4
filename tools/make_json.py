"""Turns a data set's annotations, or a table of your own, into the JSON that make_lmdb.py reads."""

import argparse
import os
from pathlib import Path

from cpm_repro import command_line
from data_lmdb.annotations import write_json
from data_lmdb.lsp import lsp_annotations, lspet_annotations, parse_range
from data_lmdb.own import own_annotations
from prototxt_import.files import InputError

EXAMPLES = {
    "lsp": "python tools/make_json.py lsp lsp_dataset/ --out lsp.json",
    "lspet": "python tools/make_json.py lspet lspet/ --out lspet.json --validation 2001-2500",
    "own": "python tools/make_json.py own people.csv --images photographs/ --out own.json",
}


def from_lsp(arguments: argparse.Namespace) -> int:
    validation = parse_range(arguments.validation) if arguments.validation else range(0)
    annotations, left_out = arguments.convert(arguments.folder, validation)
    written = write_json(arguments.out, annotations)
    print(f"{arguments.out}: {written} persons, {sum(a.is_validation for a in annotations)} of them for validation")
    if left_out:
        print(f"left out: {left_out} persons of joints.mat without an image or without a visible limb")
    return 0


def from_own(arguments: argparse.Namespace) -> int:
    if os.path.realpath(arguments.table) == os.path.realpath(arguments.out):
        raise InputError(f"--out {arguments.out}: expected another file than the table itself")
    annotations = own_annotations(arguments.table, arguments.images)
    written = write_json(arguments.out, annotations)
    images = len({a.img_paths for a in annotations})
    validation = sum(a.is_validation for a in annotations)
    print(f"{arguments.out}: {written} persons in {images} images, {validation} of them for validation")
    return 0


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, "\n".join(EXAMPLES.values()))
    sources = parser.add_subparsers(dest="source", required=True, metavar="{" + ",".join(EXAMPLES) + "}")
    for name, convert, title, validation in (
        ("lsp", lsp_annotations, "Leeds Sports Pose", "1001-2000"),
        ("lspet", lspet_annotations, "Leeds Sports Pose extended", None),
    ):
        what = f"{title}: a folder with joints.mat and images/"
        source = command_line.add_subparser(sources, name, what, EXAMPLES[name])
        source.add_argument("folder", type=Path, help="the data set's folder")
        source.add_argument(
            "--validation",
            metavar="FIRST-LAST",
            default=validation,
            help=f"image numbers that get isValidation (default: {validation or 'none'})",
        )
        command_line.add_out(source, "the JSON file to write")
        source.set_defaults(main=from_lsp, convert=convert)
    what = "own data: a .csv or .json table, one person a row (its format: data_lmdb/own.py)"
    source = command_line.add_subparser(sources, "own", what, EXAMPLES["own"])
    source.add_argument("table", type=Path, help="the .csv or .json file")
    source.add_argument("--images", metavar="DIR", type=Path, required=True, help="folder of the photographs")
    command_line.add_out(source, "the JSON file to write")
    source.set_defaults(main=from_own)
    return parser


if __name__ == "__main__":
    command_line.run(lambda arguments: arguments.main(arguments), arguments_parser())
