"""A checksum that follows from the names and bytes of what is compiled, and from nothing else."""

import os
from pathlib import Path

from cpm_kernels import sources


def test_the_checksum_is_of_names_and_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "one.h").write_bytes(b"1")
    (folder / "two.cpp").write_bytes(b"2")
    first = sources.checksum(tmp_path)
    assert 0 < first < 2**32
    (folder / "three.cu").write_bytes(b"compiled for cards, when it is needed")
    os.utime(folder / "one.h", (0, 0))
    assert sources.checksum(tmp_path) == first
    (folder / "one.h").write_bytes(b"3")
    second = sources.checksum(tmp_path)
    (folder / "one.h").rename(folder / "four.h")
    assert len({first, second, sources.checksum(tmp_path)}) == 3
