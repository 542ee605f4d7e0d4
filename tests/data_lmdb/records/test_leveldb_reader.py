"""LevelDBs: tables, logs, what was overwritten and deleted, and files that are broken in every place."""

from pathlib import Path

import numpy as np
import pytest

from data_lmdb.records.leveldb_files import MAGIC
from data_lmdb.records.leveldb_reader import LevelDbReader
from data_lmdb.records.reader import LmdbReader
from prototxt_import.files import InputError
from tests.data_lmdb.records.leveldb_writer import batch, block, log_file, number, table, write_leveldb

RECORDS = [(f"{index:05d}".encode(), bytes([index]) * (50 * index) + b"end") for index in range(9)]


def contents(folder: Path) -> list[tuple[bytes, bytes]]:
    with LevelDbReader(folder) as reader:
        return list(zip(reader.keys(), map(bytes, reader), strict=True))


@pytest.mark.parametrize("snappy", [True, False])
def test_tables_and_logs_are_one(tmp_path: Path, snappy: bool) -> None:
    tables = {5: table(1, RECORDS[:4], snappy=snappy), 6: table(2, RECORDS[4:7], snappy=snappy)}
    assert contents(write_leveldb(tmp_path / "db", tables, {8: log_file([batch(3, RECORDS[7:])])})) == RECORDS


def test_the_last_write_counts(tmp_path: Path) -> None:
    old = [(key, b"old") for key, _ in RECORDS]
    tables = {7: table(1, old), 5: table(9, [(RECORDS[3][0], None)])}
    logs = {8: log_file([batch(20, RECORDS[:2]), batch(22, [(RECORDS[8][0], None)])])}
    expected = RECORDS[:2] + [record for record in old[2:8] if record[0] != RECORDS[3][0]]
    assert contents(write_leveldb(tmp_path / "db", tables, logs, deleted=(2,))) == expected


def test_records_longer_than_a_logs_block(tmp_path: Path) -> None:
    long = [(b"a", b"x" * 100_000), (b"b", b"y" * 32_700), (b"c", b"z")]
    logs = {3: log_file([batch(index, [record]) for index, record in enumerate(long)])}
    assert contents(write_leveldb(tmp_path / "db", {}, logs)) == long


def test_a_log_that_a_crash_cut_short_has_what_is_whole(tmp_path: Path) -> None:
    log = log_file([batch(1, RECORDS[:2]), batch(5, RECORDS[2:])])
    assert contents(write_leveldb(tmp_path / "db", {}, {3: log[:-5]})) == RECORDS[:2]


def test_old_logs_do_not_count(tmp_path: Path) -> None:
    folder = write_leveldb(tmp_path / "db", {5: table(1, RECORDS)}, {8: log_file([])})
    (folder / "000002.log").write_bytes(log_file([batch(99, [(RECORDS[0][0], None)])]))
    assert contents(folder) == RECORDS


@pytest.mark.parametrize("name", ["000005.ldb", "MANIFEST-000004", "CURRENT"])
def test_every_cut_is_told_or_read(tmp_path: Path, name: str) -> None:
    """A shorter file is refused in one sentence; a manifest that ends early names fewer files."""
    folder = write_leveldb(tmp_path / "db", {5: table(1, RECORDS[:3])}, {8: log_file([batch(3, RECORDS[3:])])})
    whole = (folder / name).read_bytes()
    for end in range(len(whole)):
        (folder / name).write_bytes(whole[:end])
        try:
            assert contents(folder)
        except InputError as error:
            assert str(folder) in str(error)


def test_every_byte_turned_is_told_or_read(tmp_path: Path) -> None:
    folder = write_leveldb(tmp_path / "db", {5: table(1, RECORDS[:4])}, {8: log_file([batch(3, RECORDS[4:6])])})
    random = np.random.default_rng(0)
    for name in ("000005.ldb", "000008.log", "MANIFEST-000004"):
        whole = (folder / name).read_bytes()
        for place in random.choice(len(whole), min(len(whole), 150), replace=False):
            turned = bytes([whole[place] ^ (0xFF, 0x80, 0x01)[place % 3]])
            (folder / name).write_bytes(whole[:place] + turned + whole[place + 1 :])
            try:
                contents(folder)
            except InputError as error:
                assert str(folder) in str(error)
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("CURRENT", b"../MANIFEST-000004\n", "expected the name of a manifest"),
        ("CURRENT", None, "a file CURRENT, found none"),
        ("000005.ldb", None, r"000005\.ldb: cannot be read"),
        ("000005.ldb", b"x" * 60, "a table's footer"),
    ],
)
def test_what_is_no_leveldb_is_refused(tmp_path: Path, name: str, content: bytes | None, said: str) -> None:
    folder = write_leveldb(tmp_path / "db", {5: table(1, RECORDS)}, {})
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        LevelDbReader(folder)


def test_a_block_that_a_table_names_again_and_again_is_refused(tmp_path: Path) -> None:
    """Else a small file could keep a reader busy for ever."""
    entries = block([(key + bytes(7) + b"\x01", value) for key, value in RECORDS[:2]])
    index = block([(b"%09d" % n + bytes(8), number(0) + number(len(entries))) for n in range(3)])
    handles = b"".join(number(value) for value in (len(entries) + 5, 0, len(entries) + 5, len(index)))
    tail = handles.ljust(40, b"\0") + MAGIC.to_bytes(8, "little")
    folder = write_leveldb(tmp_path / "db", {5: entries + bytes(5) + index + bytes(5) + tail}, {})
    with pytest.raises(InputError, match=r"000005\.ldb: expected the blocks of a table one after the other"):
        LevelDbReader(folder)


@pytest.mark.parametrize("name", ["data/mpi16_leveldb", "data/small_leveldb_log"])
def test_the_originals_records(golden: Path, golden2: Path, name: str) -> None:
    lmdb = golden / "transform/mpi16_lmdb"
    with LevelDbReader(golden2 / name) as reader, LmdbReader(lmdb) as expected:
        if name == "data/mpi16_leveldb":
            assert reader.keys() == expected.keys() and all(map(lambda a, b: bytes(a) == bytes(b), reader, expected))
        assert len(reader) and reader.read(0) == bytes(next(iter(reader))) and str(reader.path) in reader.where(0)
