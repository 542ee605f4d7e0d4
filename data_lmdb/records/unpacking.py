"""An LMDB of image files (`--storage file`) as raw records, the release's own.

For a training whose card asks for more samples a second than the processor decodes: each photograph is decoded once, by
all cores, instead of in every epoch.
"""

from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_lmdb.annotations import JOINT_COUNTS
from prototxt_import.files import InputError, require

from .conversion import Bar
from .reader import LmdbReader
from .record import decode, decode_annotations, encode, storage
from .workers import in_order
from .writer import write_lmdb


@dataclass(frozen=True)
class Unpacking:
    """The raw record of each index of an LMDB whose records have `joints` joints. A process opens its own reader."""

    path: Path
    joints: int

    @cached_property
    def reader(self) -> LmdbReader:
        """Of this process."""
        return LmdbReader(self.path)

    def __reduce__(self) -> tuple[type["Unpacking"], tuple[Path, int]]:
        return Unpacking, (self.path, self.joints)

    def __call__(self, index: int) -> bytes:
        return encode(decode(self.reader.read(index), self.joints, self.reader.where(index)))


def unpack(packed: Path, out: Path, jobs: int = 1, bar: Bar = lambda items, title, total, first: items) -> int:
    """Writes the raw LMDB; the number of its records. InputError for one that cannot be read, or has no room for raw
    annotations. jobs, bar: as of `conversion.make_lmdb`."""
    record = Unpacking(packed, joints_of(packed))
    count = len(record.reader)
    with closing(in_order(record, range(count), jobs)) as values:
        return write_lmdb(out, bar(values, "unpacking", count, 0))


def joints_of(path: Path) -> int:
    """How many joints each person of an LMDB of image files has, by its first record; InputError if it is none."""
    with LmdbReader(path) as reader:
        first, where = reader.read(0), reader.where(0)
        require(where, storage(first, where) == "file", "an image file in the record, to be made raw", "a raw one")
        *others, last = JOINT_COUNTS
        for joints in others:
            with suppress(InputError):
                decode_annotations(first, joints, where)
                return joints
        decode_annotations(first, last, where)
        return last
