"""What the kinds of files share: the golden files, a small LMDB and data layer, a mutation of protobuf's bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from google.protobuf.message import Message

from cpm_repro.network.specification import release_transform
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.sources import read_sources
from prototxt_import.formats import schema
from tests.annotated_people import write_people
from tests.whole.fuzz.mutations import Mutation, broken_message
from tests.whole.fuzz.watched import Seed

GOLDEN = Path(__file__).resolve().parents[4] / "shared" / "golden"
Kind = Callable[[Path], list[Seed]]


def golden(pattern: str) -> list[Path]:
    """The golden files of that name; none where they are not beside the project."""
    return sorted(GOLDEN.glob(pattern))


def tiny_transform(stored_joints: int = 16) -> schema.TransformationParameter:
    """The release's augmentation with a crop of 40 x 40 px."""
    transform = release_transform()
    transform.crop_size_x = transform.crop_size_y = 40
    transform.num_parts, transform.np_in_lmdb = (14 if stored_joints == 16 else 9), stored_joints
    return transform


def message_bytes(message: type[Message]) -> Mutation:
    """Breaks the binary form by its fields."""

    def broken(content: bytes, random: np.random.Generator) -> bytes:
        return broken_message(message.FromString(content), random).SerializeToString()

    return broken


def write_lmdb(path: Path, storage: str = "raw") -> Path:
    """An LMDB of seven people at `path`, unless it is there."""
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        write_people(path.parent)
        people = [path.parent / "first", path.parent / "second"]
        make_lmdb(path, read_sources([path.parent / "x.json"], "include"), people, storage)
    return path
