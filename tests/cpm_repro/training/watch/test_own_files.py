"""One run per snapshot prefix, and nobody else's files lost."""

import os
import subprocess
import sys

import pytest

from cpm_repro.training.watch.own_files import own_log, snapshots_beside
from prototxt_import.files import InputError
from tests.tool import ROOT


def take(path, going_on=None, overwrite=False):
    with own_log(path, going_on, overwrite) as file:
        file.write(["a line"])


def test_a_log_is_appended_to(tmp_path):
    log = tmp_path / "new" / "s.log"
    with own_log(log, None, overwrite=False) as file:
        assert not file.begun
        file.write(["one", "two"])
    with own_log(log, None, overwrite=False) as file:
        assert file.begun
        file.write(["three \udcff"])
    assert log.read_bytes() == b"one\ntwo\nthree \xff\n"


def test_another_process_with_the_same_prefix_is_refused(tmp_path):
    program = (
        "import sys; from pathlib import Path\nfrom cpm_repro.training.watch.own_files import own_log\n"
        "with own_log(Path(sys.argv[1]), None, False): print('has it', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "s.log")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout.readline() == b"has it\n"
        with pytest.raises(InputError, match=r"s\.log: expected to be the only run with this snapshot_prefix"):
            take(tmp_path / "s.log", overwrite=True)
        take(tmp_path / "t.log")
        other.kill()
    take(tmp_path / "s.log")


def test_snapshots_of_another_run(tmp_path):
    names = ["s_iter_10.solverstate", "s_iter_10.caffemodel", "s_iter_9.caffemodel.h5"]
    for name in [*names, "s_iter_x.caffemodel", "st_iter_1.caffemodel", "s_iter_10.solverstate.npz"]:
        (tmp_path / name).touch()
    log = tmp_path / "s.log"
    assert sorted(path.name for path in snapshots_beside(log)) == sorted(names)
    with pytest.raises(InputError, match=r"found s_iter_9\.caffemodel\.h5; s_iter_10\.caffemodel; s_iter_10\."):
        take(log)
    assert not log.exists()
    with pytest.raises(InputError, match="expected no snapshots of another run"):
        take(log, going_on=tmp_path / "elsewhere" / "s_iter_10.solverstate")
    take(log, going_on=tmp_path / "s_iter_10.solverstate")
    take(log, overwrite=True)
    assert log.read_text() == "a line\n" * 2


def test_what_a_kill_in_the_first_snapshot_leaves_is_no_snapshot(tmp_path):
    (tmp_path / "s_iter_10.caffemodel").touch()
    (tmp_path / "s_iter_10.solverstate.npz").touch()
    take(tmp_path / "s.log")


def test_what_cannot_be_a_log(tmp_path):
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "file").touch()
    for name, reason in [("folder", "Is a directory"), ("pipe", ".*"), ("file/s", "Not a directory|File exists")] + [
        ("a\0b", "expected the name of a file"),
        ("x" * 300, "File name too long"),
    ]:
        with pytest.raises(
            InputError, match=f"{name.split('/')[0][:2].rstrip(chr(0))}.*: cannot be written: ({reason})"
        ):
            take(tmp_path / f"{name}.log")
