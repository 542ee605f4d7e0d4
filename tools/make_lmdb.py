"""Writes the LMDB that a CPMData layer trains from, out of make_json.py's annotations and images."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from tqdm import tqdm

from cpm_kernels.host import available_cores
from cpm_repro import command_line
from data_lmdb.counts import how_many
from data_lmdb.records.conversion import Problem, make_lmdb
from data_lmdb.records.record import STORAGES
from data_lmdb.records.shrinking import Shrinking
from data_lmdb.records.sources import ORDERS, VALIDATION, ordered, read_sources
from data_lmdb.records.unpacking import unpack
from prototxt_import.files import InputError, plain

EXAMPLE = f"""
python tools/make_lmdb.py build/demo/people.json --images build/demo/people/images --storage file --out build/lmdb/train
python tools/make_lmdb.py build/demo/people.json --images build/demo/people/images --out build/lmdb/validation \\
    --validation only --order sequential
python tools/make_lmdb.py build/demo/people.json --images build/demo/people/images --storage file \\
    --person-height 100 --quality 60 --out build/lmdb/small
python tools/make_lmdb.py build/lmdb/small --out build/lmdb/raw
{command_line.DATA_SET_NEEDED}
python tools/make_lmdb.py mpii.json lspet.json --images mpii/images --images lspet/images --out lmdb/both
"""


def main(arguments: argparse.Namespace) -> int:
    problems: Sequence[Problem] = ()
    if any(path.is_dir() for path in arguments.json):
        count = unpacked(arguments)
    else:
        count, problems = written(arguments)
    size = (Path(arguments.out) / "data.mdb").stat().st_size
    print(f"{arguments.out}: {how_many(count, 'record')}, {size / 1e6:.1f} MB")
    print_skipped(problems)
    return 0


def unpacked(arguments: argparse.Namespace) -> int:
    """The records of an LMDB of image files, raw; their number."""
    default = arguments_parser().get_default
    of_its_own = ("json", "out", "jobs", "storage")
    given = [name for name in vars(arguments) if name not in of_its_own and getattr(arguments, name) != default(name)]
    if len(arguments.json) > 1 or arguments.storage != "raw" or given:
        found = f"--{given[0].replace('_', '-')}" if given else "more"
        raise InputError(f"{arguments.json[0]}: expected one LMDB, whose records become raw, alone, found {found}")
    return unpack(arguments.json[0], arguments.out, arguments.jobs, progress_bar)


def written(arguments: argparse.Namespace) -> tuple[int, Sequence[Problem]]:
    """The records of annotations; their number, and who was left out."""
    if not arguments.images:
        raise InputError("--images: expected the folder of the annotations' images, found none")
    sources = read_sources(arguments.json, arguments.validation)
    sources = ordered(sources, arguments.order, arguments.seed)
    return make_lmdb(
        arguments.out,
        sources,
        arguments.images,
        arguments.storage,
        arguments.jobs,
        arguments.skip_bad,
        bar=progress_bar,
        say=lambda sentence: print(sentence, flush=True),
        outside=arguments.allow_outside,
        shrinking=shrinking(arguments),
    )


def shrinking(arguments: argparse.Namespace) -> Shrinking | None:
    """How photographs are made smaller, if they are."""
    if arguments.person_height is None:
        return None
    if arguments.storage != "file":
        raise InputError("--person-height: expected --storage file, found raw, which keeps every pixel")
    return Shrinking(arguments.person_height, arguments.quality)


@command_line.typed("1 to 95")
def quality(text: str) -> int:
    """An argparse type: a WebP file's."""
    if not 1 <= int(plain(text)) <= 95:
        raise argparse.ArgumentTypeError(f"expected 1 to 95, found {text}")
    return int(plain(text))


def progress_bar(items: Iterable, title: str, total: int, first: int) -> Iterable:
    """With the time that is left; only in a terminal."""
    return tqdm(items, title, total, initial=first, unit="record", disable=None)


def print_skipped(problems: Sequence[Problem]) -> None:
    """A line for each reason, with the first whom it hit."""
    for reason in dict.fromkeys(problem.reason for problem in problems):
        sentences = [problem.sentence for problem in problems if problem.reason == reason]
        print(f"skipped {len(sentences)}: {reason}; the first: {sentences[0]}")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("json", nargs="+", type=Path, help="annotations; or an LMDB of image files, to be made raw")
    parser.add_argument(
        "--images",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder of images; repeatable",
    )
    parser.add_argument(
        "--allow-outside",
        action="store_true",
        help="take images that the annotations name by an absolute path, or by one that leads out of --images",
    )
    command_line.add_out(
        parser,
        "the LMDB folder to write; an LMDB that is there is replaced. After an interruption the same command goes on",
    )
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
    _add_storage(parser)
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out persons whose image is missing, broken, of another size than annotated or too small; all "
        "images are decoded twice (default: the first of them ends the run)",
    )
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=command_line.positive_integer,
        default=available_cores(),
        help="processes that decode (default: all cores); the LMDB is the same with any number",
    )
    return parser


def _add_storage(to: argparse.ArgumentParser) -> None:
    """How a record keeps its photograph."""
    to.add_argument(
        "--storage",
        choices=STORAGES,
        default="raw",
        help="raw: planes of pixels, the original's record (default); file: the image files' own bytes, 5 to 20 times "
        "smaller, for the readers of this project",
    )
    to.add_argument(
        "--person-height",
        metavar="PX",
        type=command_line.positive_integer,
        help="with --storage file: photographs become WebP files in which the person is at most so tall, cut to what a "
        "training crop can show (default: they stay as they are)",
    )
    to.add_argument("--quality", metavar="Q", type=quality, default=75, help="of those files, 1 to 95 (default: 75)")


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
