"""Writing and reading LMDB folders: LMDB's own library agrees, broken files raise, nothing is half-written."""

import errno
import fcntl
import os
import subprocess
import sys
import threading

import lmdb
import numpy as np
import pytest

from data_lmdb.records import lmdb_pages, writer
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.writer import SMALL_PAGES, growing, write_lmdb
from prototxt_import.files import InputError


def by_lmdb_itself(path):
    environment = lmdb.open(str(path), readonly=True, lock=False)
    with environment.begin() as transaction:
        items = [(bytes(key), bytes(value)) for key, value in transaction.cursor()]
    environment.close()
    return items


@pytest.mark.parametrize("count, largest", [(1, 10), (250, 5000), (40, 1_500_000), (3000, 40)])
def test_lmdb_itself_reads_what_is_written(tmp_path, count, largest):
    rng = np.random.default_rng(count)
    values = [rng.bytes(int(rng.integers(1, largest))) for _ in range(count)]
    assert write_lmdb(tmp_path / "new" / "lmdb", iter(values)) == count
    expected = [(f"{i:07d}".encode(), value) for i, value in enumerate(values)]
    assert by_lmdb_itself(tmp_path / "new" / "lmdb") == expected
    with LmdbReader(tmp_path / "new" / "lmdb") as reader:
        assert list(zip(reader.keys(), reader, strict=True)) == expected
        assert reader.value(count - 1) == values[-1] and reader.where(0).endswith("lmdb: record 0000000")
        with pytest.raises(IndexError):
            reader.value(count)
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["lmdb"]


def test_any_keys_after_deletions(tmp_path):
    rng = np.random.default_rng(0)
    environment = lmdb.open(str(tmp_path), map_size=1 << 27)
    for _ in range(3):
        with environment.begin(write=True) as transaction:
            for i in range(800):
                transaction.put(rng.bytes(int(rng.integers(1, 300))), rng.bytes(20000 if i % 50 == 0 else i % 700))
            for key in [key for key, _ in transaction.cursor()][::3]:
                transaction.delete(key)
    environment.close()
    with LmdbReader(tmp_path) as reader:
        assert list(zip(reader.keys(), reader, strict=True)) == by_lmdb_itself(tmp_path)


def test_two_readers_and_several_threads_share_a_folder(tmp_path):
    values = [bytes([i]) * (i + 1) * 100 for i in range(100)]
    write_lmdb(tmp_path / "lmdb", values)
    with LmdbReader(tmp_path / "lmdb") as first, LmdbReader(tmp_path / "lmdb") as second:
        results = {}

        def read(name, reader):
            results[name] = [reader.value(i) for i in range(100)]

        threads = [threading.Thread(target=read, args=(i, (first, second)[i % 2])) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(results[i] == values for i in range(6))
        second.close()
        assert first.value(3) == values[3]


def test_values_outlive_their_reader(tmp_path):
    write_lmdb(tmp_path / "lmdb", [b"first" * 1000, b"second"])
    with LmdbReader(tmp_path / "lmdb") as reader:
        first = reader.value(0)
    assert first == b"first" * 1000
    reader.close()
    with pytest.raises(ValueError, match="released"):
        reader.value(0)
    assert (len(reader), reader.key(1)) == (2, "0000001")


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path):
    write_lmdb(tmp_path / "lmdb", [bytes([number]) * 9000 for number in range(30)])
    with LmdbReader(tmp_path / "lmdb") as reader:
        assert reader.read(3) == reader.value(3) == bytes([3]) * 9000
        os.truncate(tmp_path / "lmdb/data.mdb", 50_000)
        for look in (reader.read, reader.value):
            with pytest.raises(InputError, match=r"data\.mdb: expected .* bytes as when it was opened, found 50000"):
                look(29)
    with pytest.raises(ValueError, match="after close"):
        reader.read(0)


def test_a_folder_without_an_lmdb(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    for name in ["folder", "missing", "file"]:
        with pytest.raises(InputError, match=f"{name}: expected an LMDB folder with a data.mdb, found none"):
            LmdbReader(tmp_path / name)


def test_an_lmdb_without_records(tmp_path):
    lmdb.open(str(tmp_path)).close()
    with pytest.raises(InputError, match="expected an LMDB with records, found none"):
        LmdbReader(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x", bytes(4096), bytes(100_000)])
def test_something_else_called_data_mdb(tmp_path, content):
    (tmp_path / "data.mdb").write_bytes(content)
    with pytest.raises(InputError, match=r"data\.mdb: expected an LMDB"):
        LmdbReader(tmp_path)


@pytest.mark.parametrize(
    "at, stored, said",
    [
        (20, b"\x02\0\0\0", "found data version 2: mdb_dump"),
        (16, b"\xbe\xef\xc0\xde\0\0\0\1", "found one of a big-endian machine: mdb_dump"),
        (12, b"\xde\xc0\xef\xbe\1\0\0\0", "found one of a 32-bit machine: mdb_dump"),
    ],
)
def test_lmdbs_of_other_machines(tmp_path, at, stored, said):
    write_lmdb(tmp_path / "lmdb", [bytes(5000)] * 3)
    with (tmp_path / "lmdb/data.mdb").open("r+b") as file:
        file.seek(at)
        file.write(stored)
    with pytest.raises(InputError, match=rf"data\.mdb: expected .*{said}"):
        LmdbReader(tmp_path / "lmdb")


def test_a_file_that_is_cut_short_while_it_is_opened(tmp_path, monkeypatch):
    write_lmdb(tmp_path / "lmdb", [bytes(300)] * 300)
    file, real = tmp_path / "lmdb/data.mdb", os.pread

    def cutting(descriptor, length, offset):
        if offset > 20_000:
            os.truncate(file, 20_000)
        return real(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", cutting)
    with pytest.raises(InputError, match=r"data\.mdb: expected \d+ bytes or more, found \d+: the file is cut short"):
        LmdbReader(tmp_path / "lmdb")


def test_a_file_cut_short(tmp_path):
    write_lmdb(tmp_path / "lmdb", [bytes(5000)] * 30)
    file = tmp_path / "lmdb" / "data.mdb"
    content = file.read_bytes()
    for length in [9000, 50_000, len(content) - 1]:
        file.write_bytes(content[:length])
        with pytest.raises(InputError, match=f"found {length}: the file is cut short"):
            LmdbReader(tmp_path / "lmdb")


def test_changed_bytes_in_any_page_never_end_the_process(tmp_path):
    rng = np.random.default_rng(1)
    write_lmdb(tmp_path / "lmdb", [rng.bytes(int(rng.integers(1, 6000))) for _ in range(300)])
    file = tmp_path / "lmdb" / "data.mdb"
    content = np.frombuffer(file.read_bytes(), np.uint8)
    pages = content.reshape(-1, 4096)
    tree = [p for p in range(2, len(pages)) if pages[p, :8].view("<u8")[0] == p and pages[p, 10] in (1, 2)]
    refused = 0
    for _ in range(200):
        changed = content.copy().reshape(-1, 4096)
        for _ in range(rng.integers(1, 10)):
            page = rng.choice([0, 1, *tree])
            changed[page, rng.integers(170 if page < 2 else 4096)] = rng.integers(256)
        file.write_bytes(changed.tobytes())
        try:
            with LmdbReader(tmp_path / "lmdb") as reader:
                assert all(len(bytes(value)) == len(value) for value in reader)
        except InputError as error:
            refused += 1
            assert str(error).startswith(str(tmp_path / "lmdb"))
    assert refused > 20


def test_a_failing_writer_leaves_the_old_lmdb(tmp_path):
    write_lmdb(tmp_path / "lmdb", [b"old"])

    def values(failure):
        yield from [bytes(1000)] * 150
        raise failure

    for failure in [InputError("an image is missing"), KeyboardInterrupt()]:
        for name in ["lmdb", "other"]:
            with pytest.raises(type(failure)):
                write_lmdb(tmp_path / name, values(failure))
    with pytest.raises(InputError, match="expected records to write, found none"):
        write_lmdb(tmp_path / "lmdb", [])
    assert [entry.name for entry in tmp_path.iterdir()] == ["lmdb"]
    assert by_lmdb_itself(tmp_path / "lmdb") == [(b"0000000", b"old")]
    write_lmdb(tmp_path / "lmdb", [b"new"])
    assert by_lmdb_itself(tmp_path / "lmdb") == [(b"0000000", b"new")]


def test_other_peoples_folders_are_never_replaced(tmp_path):
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a.jpg").write_bytes(b"dear to someone")
    with pytest.raises(InputError, match=r"photographs: expected a new folder .* found a\.jpg"):
        write_lmdb(tmp_path / "photographs", [b"x"])
    with pytest.raises(InputError, match="found a file"):
        write_lmdb(tmp_path / "photographs" / "a.jpg", [b"x"])
    assert (tmp_path / "photographs" / "a.jpg").read_bytes() == b"dear to someone"


def test_an_empty_lmdb_is_lmdbs_own(tmp_path):
    lmdb.open(str(tmp_path), map_size=1 << 20).close()
    assert (tmp_path / "data.mdb").read_bytes() == lmdb_pages.empty(4096, 1 << 20)


@pytest.mark.parametrize("largest", [40, 300, 5000, 300_000])
def test_small_pages_waste_little(tmp_path, monkeypatch, largest):
    monkeypatch.setattr(writer, "COMMIT_BYTES", 1_000_000)
    rng = np.random.default_rng(largest)
    values = [rng.bytes(int(rng.integers(1, largest))) for _ in range(500)]
    with growing(tmp_path / "lmdb", page_size=SMALL_PAGES) as growing_lmdb:
        for value in values:
            growing_lmdb.append(value)
    assert [value for _, value in by_lmdb_itself(tmp_path / "lmdb")] == values
    with LmdbReader(tmp_path / "lmdb") as reader:
        assert list(reader) == values
    size = (tmp_path / "lmdb" / "data.mdb").stat().st_size
    assert size < sum(map(len, values)) + 500 * 320 + 100_000


def interrupted(path, values, job, failure, say=lambda sentence: None):
    with pytest.raises(type(failure)), growing(path, job, say=say) as growing_lmdb:
        for value in values:
            growing_lmdb.append(value)
        raise failure


def test_an_interrupted_job_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_BYTES", 20_000)
    values = [np.random.default_rng(i).bytes(1000 + i) for i in range(90)]
    path, said = tmp_path / "lmdb", []
    write_lmdb(path, [b"old"])
    interrupted(path, values[:40], "job", KeyboardInterrupt(), said.append)
    assert said == [f"{path}.partial: 40 records are kept; the same command goes on from there"]
    interrupted(path, values[40:45], "job", InputError("an image is missing"), said.append)
    assert (
        said[1] == f"{path}.partial: goes on after 40 records of an earlier run" and " 45 records are kept" in said[2]
    )
    assert by_lmdb_itself(path) == [(b"0000000", b"old")]
    with growing(path, "job", say=said.append) as growing_lmdb:
        assert growing_lmdb.count == 45
        for value in values[45:]:
            growing_lmdb.append(value)
    assert by_lmdb_itself(path) == [(f"{i:07d}".encode(), value) for i, value in enumerate(values)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["lmdb"]


def test_another_job_starts_anew(tmp_path):
    path, said = tmp_path / "lmdb", []
    interrupted(path, [b"a", b"b"], "job", KeyboardInterrupt())
    with growing(path, "another", say=said.append) as growing_lmdb:
        assert growing_lmdb.count == 0
        growing_lmdb.append(b"c")
    assert "starts anew, the 2 records there are of another command" in said[0]
    assert by_lmdb_itself(path) == [(b"0000000", b"c")]


@pytest.mark.parametrize("length", [0, 100, 9000, 20_000])
def test_a_broken_partial_lmdb_is_not_used(tmp_path, length):
    path = tmp_path / "lmdb"
    interrupted(path, [bytes(3000)] * 10, "job", KeyboardInterrupt())
    data = tmp_path / "lmdb.partial" / "lmdb" / "data.mdb"
    data.write_bytes(data.read_bytes()[:length])
    with growing(path, "job") as growing_lmdb:
        assert growing_lmdb.count == 0
        growing_lmdb.append(b"new")
    assert by_lmdb_itself(path) == [(b"0000000", b"new")]


def test_nothing_is_left_of_a_job_without_records(tmp_path):
    interrupted(tmp_path / "lmdb", [], "job", InputError("the first image is missing"))
    assert not list(tmp_path.iterdir())


def test_a_disk_without_locks_takes_an_lmdb(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refused)
    assert write_lmdb(tmp_path / "lmdb", [b"x"]) == 1


def test_two_runs_never_write_one_lmdb(tmp_path):
    path = tmp_path / "lmdb"
    other = f"from data_lmdb.records.writer import write_lmdb; write_lmdb({str(path)!r}, [b'x'])"
    with growing(path, "job") as growing_lmdb:
        result = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True)
        assert "expected to write it alone, found another run at it" in result.stderr
        growing_lmdb.append(b"mine")
    assert by_lmdb_itself(path) == [(b"0000000", b"mine")]


def test_somebodys_folder_called_partial_stays(tmp_path):
    (tmp_path / "lmdb.partial").mkdir()
    (tmp_path / "lmdb.partial" / "essay.txt").write_text("dear to someone")
    with pytest.raises(InputError, match=r"lmdb\.partial: expected a folder that an interrupted run left.*essay"):
        write_lmdb(tmp_path / "lmdb", [b"x"])
    assert (tmp_path / "lmdb.partial" / "essay.txt").exists()


def test_the_lock_file_of_a_replaced_lmdb_goes(tmp_path):
    environment = lmdb.open(str(tmp_path / "lmdb"))
    environment.close()
    write_lmdb(tmp_path / "lmdb", [b"new"])
    assert [entry.name for entry in (tmp_path / "lmdb").iterdir()] == ["data.mdb"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        pytest.skip("no mount")
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk, monkeypatch):
    monkeypatch.setattr(writer, "COMMIT_BYTES", 200_000)
    write_lmdb(small_disk / "lmdb", [b"old"])
    values = [bytes([i]) * 50_000 for i in range(60)]
    with (
        pytest.raises(InputError, match=r"lmdb: cannot be written, is the disk full\?"),
        growing(small_disk / "lmdb", "job") as growing_lmdb,
    ):
        for value in values:
            growing_lmdb.append(value)
    assert by_lmdb_itself(small_disk / "lmdb") == [(b"0000000", b"old")]
    with LmdbReader(small_disk / "lmdb.partial" / "lmdb") as reader:
        kept = len(reader)
        assert kept > 10 and list(reader) == values[:kept]
    with growing(small_disk / "lmdb", "job") as growing_lmdb:  # and no more values, as there is no room for them
        assert growing_lmdb.count == kept
    assert not (small_disk / "lmdb.partial").exists()
