"""An LMDB of image files (`--storage file`) as raw records, the release's own: `python -m data_lmdb.records.unpacking`.

For a training whose card asks for more samples a second than the processor decodes: each photograph is decoded once, by
all cores, instead of in every epoch.
"""

import sys
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cpm_kernels.host import available_cores

from .reader import LmdbReader
from .record import decode, encode
from .workers import in_order
from .writer import write_lmdb


@dataclass(frozen=True)
class Unpacking:
    """The raw record of each index of an LMDB whose records have `joints` joints. A process opens its own reader."""

    path: Path
    joints: int = 16

    @cached_property
    def reader(self) -> LmdbReader:
        """Of this process."""
        return LmdbReader(self.path)

    def __reduce__(self) -> tuple[type["Unpacking"], tuple[Path, int]]:
        return Unpacking, (self.path, self.joints)

    def __call__(self, index: int) -> bytes:
        return encode(decode(self.reader.read(index), self.joints, self.reader.where(index)))


def unpack(packed: Path, out: Path, jobs: int | None = None) -> int:
    """Writes the raw LMDB; the number of its records. InputError for one that cannot be read, or has no room for raw
    annotations."""
    record = Unpacking(packed)
    with closing(in_order(record, range(len(record.reader)), jobs or available_cores())) as values:
        return write_lmdb(out, values)


if __name__ == "__main__":
    print(f"{sys.argv[2]}: {unpack(Path(sys.argv[1]), Path(sys.argv[2]))} records")
