"""Writing: whole or not at all, one sentence whatever fails, and nothing left behind."""

import errno
import os
import subprocess
import sys

import pytest

from prototxt_import import files
from prototxt_import.files import InputError, as_number, naming, parse_json, read_bytes, replacing, require, write_text


def fail_at(monkeypatch, name, number):
    def failing(*arguments, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, name, failing)


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for text in ("one", "two"):
        with replacing(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text and os.listdir(path.parent) == ["a.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "out"
    for name in ("one", "two"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
        assert os.listdir(path) == [name] and os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("place", ["body", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EXDEV])
def test_every_fault_is_one_sentence_and_loses_nothing(tmp_path, monkeypatch, place, number):
    path = tmp_path / "a.txt"
    path.write_text("before")
    if place != "body":
        fail_at(monkeypatch, place, number)
    with pytest.raises(InputError) as refusal, replacing(path) as temporary:
        temporary.write_text("after")
        if place == "body":
            raise OSError(number, os.strerror(number))
    monkeypatch.undo()
    assert str(refusal.value) == f"{path}: cannot be written: {os.strerror(number)}"
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]


def test_a_folder_is_back_if_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    path = tmp_path / "out"
    path.mkdir()
    (path / "before").touch()
    fail_at(monkeypatch, "replace", errno.EDQUOT)
    with pytest.raises(InputError, match="out: cannot be written: Disk quota exceeded"), replacing(path) as temporary:
        temporary.mkdir()
    monkeypatch.undo()
    assert os.listdir(path) == ["before"] and os.listdir(tmp_path) == ["out"]


def test_a_fault_of_another_file_names_that_one(tmp_path):
    with pytest.raises(InputError, match="gone: No such file"), replacing(tmp_path / "a.txt"):
        os.listdir(tmp_path / "gone")
    assert not os.listdir(tmp_path)


def test_the_longest_name(tmp_path):
    path = tmp_path / ("n" * 255)
    with replacing(path) as temporary:
        temporary.write_text("a")
    with pytest.raises(InputError, match="name too long"), replacing(tmp_path / ("n" * 256)) as temporary:
        temporary.write_text("a")
    assert len(os.listdir(tmp_path)) == 1


def test_a_folder_in_the_way(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="a: cannot be written"), replacing(tmp_path / "a") as temporary:
        temporary.write_text("a")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_devices_and_pipes_are_left_alone(tmp_path, kind):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with (
        pytest.raises(InputError, match="found a device or a pipe"),
        replacing("/dev/full" if kind == "device" else path),
    ):
        raise AssertionError("nothing may be written")
    assert not os.path.isfile("/dev/full")


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_has_is_not(tmp_path):
    code = """if True:
        import os, signal, sys
        from prototxt_import.files import replacing
        with replacing(sys.argv[1]) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")])
    assert killed.returncode < 0 and len(os.listdir(tmp_path)) == 1
    with replacing(tmp_path / "b.txt") as living:
        living.write_text("b")
        with replacing(tmp_path / "c.txt") as other:
            other.write_text("c")
    assert sorted(os.listdir(tmp_path)) == ["b.txt", "c.txt"]


def test_a_temporary_folder_is_gone_with_its_run_or_with_the_next(tmp_path, monkeypatch):
    code = """if True:
        import os, signal
        from prototxt_import.files import scratch_folder
        with scratch_folder() as folder:
            (folder / "large").touch()
            os.kill(os.getpid(), signal.SIGTERM)
    """
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)})
    (left,) = tmp_path.iterdir()
    monkeypatch.setattr(files.tempfile, "tempdir", str(tmp_path))
    with files.scratch_folder() as one, files.scratch_folder() as other:
        assert not left.exists() and sorted(tmp_path.iterdir()) == sorted([one, other])
    assert not os.listdir(tmp_path)


def test_no_temporary_folder_is_told(monkeypatch):
    def nowhere():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(files.tempfile, "gettempdir", nowhere)
    with pytest.raises(InputError, match=r"^\$TMPDIR: No usable temporary directory"), files.scratch_folder():
        pass


def test_a_disk_without_locks_takes_files_and_nothing_is_swept_there(tmp_path, monkeypatch):
    def without_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", without_locks)
    perhaps_in_use = tmp_path / ".cpm-writing-other"
    perhaps_in_use.mkdir()
    write_text(tmp_path / "a.txt", "a")
    assert (tmp_path / "a.txt").read_text() == "a"
    assert sorted(os.listdir(tmp_path)) == [".cpm-writing-other", "a.txt"]


def test_a_scratch_folder_that_is_swept_before_it_is_locked_is_made_anew(tmp_path, monkeypatch):
    made = []
    make = files.tempfile.mkdtemp

    def swept_at_first(**where):
        made.append(make(**where))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    monkeypatch.setattr(files.tempfile, "mkdtemp", swept_at_first)
    write_text(tmp_path / "a.txt", "a")
    assert len(made) == 2 and os.listdir(tmp_path) == ["a.txt"]


def test_names_that_are_no_text_are_written_as_escapes(tmp_path):
    write_text(tmp_path / "a.txt", "name\udcff")
    assert (tmp_path / "a.txt").read_bytes() == b"name\\udcff"


def test_pipes_and_devices_are_not_read(tmp_path):
    """From which reading may never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(InputError, match="expected a file, found a device, a pipe or a socket"):
            files.read_bytes(path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        files.read_bytes(tmp_path)


def test_a_name_that_no_file_can_have_is_told():
    with pytest.raises(InputError, match="found one with a null byte"):
        read_bytes("a\0b")
    with pytest.raises(InputError, match="found one with a null byte"), replacing("a\0b"):
        pass


def test_where_stands_before_what_is_wrong():
    with pytest.raises(InputError, match=r"^a.json: record 3: expected joints, found none$"), naming("a.json"):
        require("record 3", True, "anything", "nothing")
        require("record 3", False, "joints", "none")
    with pytest.raises(InputError, match=r"^a.json: bad$"), naming("a.json", KeyError, ValueError):
        raise ValueError("bad")
    with pytest.raises(KeyError), naming("a.json"):
        raise KeyError("another")


def test_json_is_read_or_told(tmp_path):
    assert parse_json(b'[1, {"a": 2}]', "a.json", lambda found: None) == [1, None]
    for content, said in [
        (b"", "an empty file"),
        (b"<html>", "a page of the web"),
        ("{", "Expecting"),
        (b"\xff", "utf"),
    ]:
        with pytest.raises(InputError, match=f"^a.json: expected JSON.*{said}"):
            parse_json(content, "a.json")
    with pytest.raises(InputError, match="expected JSON"):
        parse_json("[" * 100_000, "a.json")


def test_numbers_are_plain():
    assert [as_number(value) for value in (3, -2.5, " 1e3", "7")] == [3, -2.5, 1000, 7]
    for value in (True, None, [], "", "1_0", "٣", "nan", float("nan")):
        with pytest.raises(ValueError, match=r"^expected a number, found "):
            as_number(value)
    for value in (10**400, 1e30, "inf", -(2.0**25)):
        with pytest.raises(ValueError, match=r"^expected a number up to 16777216, found "):
            as_number(value)
