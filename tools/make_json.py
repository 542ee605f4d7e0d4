"""Turns a data set's annotations, or a table of your own, into the JSON that make_lmdb.py reads."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cpm_repro import command_line
from data_lmdb.annotations import Annotation, write_json
from data_lmdb.counts import how_many
from data_lmdb.datasets.coco import coco_annotations
from data_lmdb.datasets.flic import flic_annotations
from data_lmdb.datasets.lsp import lsp_annotations, lspet_annotations, parse_range
from data_lmdb.datasets.marked_people import Progress, Skipped
from data_lmdb.datasets.mpii import mpii_annotations
from data_lmdb.datasets.own import own_annotations
from prototxt_import.files import InputError

FOLDER_OF_IMAGES = {"--images": {"metavar": "DIR", "type": Path, "required": True, "help": "folder of the photographs"}}


def image_numbers(default: str) -> dict[str, dict]:
    """--validation of LSP and LSPET: FIRST-LAST; the default may be empty."""
    what = f"image numbers that get isValidation (default: {default or 'none'})"
    return {"--validation": {"metavar": "FIRST-LAST", "default": default, "help": what}}


@dataclass
class DataSet:
    """A data set that can be converted: what its source is, an example, its options, and the conversion."""

    what: str
    example: str
    options: dict[str, dict]
    convert: Callable[[argparse.Namespace, Progress], tuple[list[Annotation], Skipped]]


DATA_SETS = {
    "mpii": DataSet(
        "MPII Human Pose: mpii_human_pose_v1_u12_1.mat",
        "mpii/mpii_human_pose_v1_u12_1.mat --images mpii/images --validation mpii/detections.mat --out mpii.json",
        FOLDER_OF_IMAGES
        | {
            "--validation": {
                "metavar": "MAT",
                "type": Path,
                "help": "Tompson et al.'s detections.mat, whose persons get isValidation (default: nobody)",
            }
        },
        lambda a, progress: mpii_annotations(a.source, a.images, a.validation, progress),
    ),
    "lsp": DataSet(
        "Leeds Sports Pose: a folder with joints.mat and images/",
        "lsp_dataset/ --out lsp.json",
        image_numbers(default="1001-2000"),
        lambda a, progress: lsp_annotations(a.source, parse_range(a.validation), progress),
    ),
    "lspet": DataSet(
        "Leeds Sports Pose extended: a folder with joints.mat and images/",
        "lspet/ --out lspet.json --validation 2001-2500",
        image_numbers(default=""),
        lambda a, progress: lspet_annotations(a.source, parse_range(a.validation), progress),
    ),
    "flic": DataSet(
        "Frames Labeled In Cinema: examples.mat; its test set gets isValidation",
        "FLIC/examples.mat --images FLIC/images --out flic.json",
        FOLDER_OF_IMAGES,
        lambda a, progress: flic_annotations(a.source, a.images, progress),
    ),
    "coco": DataSet(
        "COCO keypoints: person_keypoints_*.json; COCO has no top of the head (see data_lmdb/datasets/coco.py)",
        "person_keypoints_val2017.json --images val2017 --validation --out coco_validation.json",
        FOLDER_OF_IMAGES | {"--validation": {"action": "store_true", "help": "every person gets isValidation"}},
        lambda a, progress: coco_annotations(a.source, a.images, a.validation, progress),
    ),
    "own": DataSet(
        "own data: a .csv or .json table, one person a row (its format: data_lmdb/datasets/own.py)",
        "build/demo/people/people.csv --images build/demo/people/images --out build/own.json",
        FOLDER_OF_IMAGES,
        lambda a, _: (own_annotations(a.source, a.images), Skipped()),
    ),
}


def main(arguments: argparse.Namespace) -> int:
    if os.path.realpath(arguments.source) == os.path.realpath(arguments.out):
        raise InputError(f"--out {arguments.out}: expected another file than the source itself")
    annotations, skipped = arguments.data_set.convert(arguments, _progress)
    written = write_json(arguments.out, _progress(annotations, unit="person"))
    images = len({a.img_paths for a in annotations})
    validation = sum(a.is_validation for a in annotations)
    made = f"{how_many(written, 'person')} in {how_many(images, 'image')}"
    print(f"{arguments.out}: {made}, {validation} of them for validation")
    for line in skipped.lines():
        print(line)
    return 0


def _progress(items: Sequence, unit: str = "image") -> Iterable:
    return tqdm(items, unit=unit, delay=2, leave=False, disable=None)  # None: only in a terminal


def arguments_parser() -> argparse.ArgumentParser:
    examples = {name: f"python tools/make_json.py {name} {data_set.example}" for name, data_set in DATA_SETS.items()}
    own = examples.pop("own")
    parser = command_line.parser(__doc__, "\n".join([own, command_line.DATA_SET_NEEDED, *examples.values()]))
    examples = {name: f"{command_line.DATA_SET_NEEDED}\n{example}" for name, example in examples.items()} | {"own": own}
    sources = parser.add_subparsers(required=True, metavar="{" + ",".join(DATA_SETS) + "}")
    for name, data_set in DATA_SETS.items():
        source = command_line.add_subparser(sources, name, data_set.what, examples[name])
        source.add_argument("source", metavar="SOURCE", type=Path, help=data_set.what.split(": ")[1])
        for option, settings in data_set.options.items():
            source.add_argument(option, **settings)
        command_line.add_out(source, "the JSON file to write")
        source.set_defaults(data_set=data_set)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
