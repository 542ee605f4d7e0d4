"""Whom a study trains on and is judged by: people who are drawn for it, or two LMDBs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from cpm_repro.evaluation.ground_truth import read_records
from cpm_repro.synthetic.pictures import IMAGES, TABLE, write_people
from data_lmdb.annotations import write_json
from data_lmdb.datasets.own import own_annotations
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.sources import ordered, read_sources


@dataclass(frozen=True)
class Data:
    """Two LMDBs. digest: changes with the training people; judged: with those who are held out, of whom the first
    `people` are looked at (default: all). more: further training LMDBs, for the study of what they add. drawing: how
    both were drawn; clusters, heads: files of the viewpoint cluster of each held-out person and of their head boxes, as
    `cpm evaluate mpii` takes them."""

    name: str
    train: Path
    held_out: Path
    digest: str
    judged: str
    people: int | None = None
    more: tuple[Path, ...] = ()
    drawing: "Drawing | None" = None
    clusters: Path | None = None
    heads: Path | None = None


def records_of(lmdb: Path) -> int:
    """How many people an LMDB holds."""
    with LmdbReader(lmdb) as reader:
        return len(reader)


@dataclass(frozen=True)
class Drawing:
    """Which people are drawn: `pictures` of `seed`, the last `held_out` of them to be judged by."""

    pictures: int = 800
    held_out: int = 100
    seed: int = 0


def drawn_people(out: Path, drawing: Drawing) -> Data:
    """LMDBs of drawn people below `out`, made once."""
    name = f"{drawing.pictures}-{drawing.held_out}-{drawing.seed}"
    folder = out.resolve() / "people" / name
    train, held_out = folder / "train", folder / "held_out"
    if not held_out.exists():
        people = folder / "people"
        numbers = drawing.pictures, drawing.seed, drawing.held_out
        write_people(people, *numbers, progress=lambda pictures: tqdm(pictures, "drawing", leave=False, disable=None))
        annotations = folder / "people.json"
        write_json(annotations, own_annotations(people / TABLE, people / IMAGES))
        for path, kind, order in ((train, "exclude", "shuffled"), (held_out, "only", "sequential")):
            make_lmdb(path, ordered(read_sources([annotations], kind), order), [people / IMAGES], "file")
    return Data("drawn people", train, held_out, f"drawn {name}", f"drawn {name}", drawing=drawing)


def given_people(
    train: Path,
    held_out: Path,
    people: int | None = None,
    more: Sequence[Path] = (),
    clusters: Path | None = None,
    heads: Path | None = None,
) -> Data:
    """Two LMDBs that are there; InputError if one is not, or holds other people than those of 14 parts: before anything
    is trained."""
    for path, limit in ((train, 1), (held_out, people), *((path, 1) for path in more)):
        with LmdbReader(path) as reader:
            for _ in read_records(reader, limit):
                pass
    name, digests = f"{train.name}, judged by {held_out.name}", (digest(train), digest(held_out))
    more = tuple(path.resolve() for path in more)
    return Data(name, train.resolve(), held_out.resolve(), *digests, people, more, None, clusters, heads)


def digest(lmdb: Path) -> str:
    """Of the file: two LMDBs of the same records written alike are the same."""
    found = hashlib.sha256()
    with open(lmdb / "data.mdb", "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()[:16]
