"""tools/make_lmdb.py as a person runs it, and the choice and order of records behind it."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from bits import assert_same_bits
from PIL import Image
from tool import ROOT, run_tool

from data_lmdb.annotations import Annotation, write_json
from data_lmdb.conversion import make_lmdb, ordered, read_sources
from data_lmdb.reader import LmdbReader
from data_lmdb.record import decode
from prototxt_import.files import InputError

TOOL = ROOT / "tools" / "make_lmdb.py"
COMMAND = [sys.executable, str(TOOL)]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
PEOPLE = 7


def pixels(number, width=50, height=40):
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def annotation(number, joints=16, **changes):
    rng = np.random.default_rng(number)
    values = {
        "dataset": "MPI",
        "is_validation": number % 3 == 0,
        "img_paths": f"{number}.png",
        "img_width": 50,
        "img_height": 40,
        "objpos": rng.uniform(1, 40, 2).round(3),
        "joint_self": rng.uniform(1, 40, (joints, 3)).round(3),
        "scale_provided": 0.4,
        "annolist_index": number,
        "people_index": 1,
    }
    return Annotation(**{**values, **changes})


@pytest.fixture
def folder(tmp_path):
    """x.json with seven persons and their images, in two folders."""
    for number in range(PEOPLE):
        images = tmp_path / ("first" if number < 4 else "second")
        images.mkdir(exist_ok=True)
        Image.fromarray(pixels(number)).save(images / f"{number}.png")
    write_json(tmp_path / "x.json", [annotation(number) for number in range(PEOPLE)])
    return tmp_path


def records_in(path, joints=16):
    with LmdbReader(path) as reader:
        return [decode(value, joints, reader.where(i)) for i, value in enumerate(reader)]


def images_of(folder):
    return "--images", folder / "first", "--images", folder / "second"


@pytest.mark.parametrize(
    "validation, expected", [("exclude", [1, 2, 4, 5]), ("only", [0, 3, 6]), ("include", range(7))]
)
def test_records_in_the_order_of_the_json(folder, validation, expected):
    out = folder / "lmdb"
    result = run_tool(
        "make_lmdb",
        folder / "x.json",
        *images_of(folder),
        "--out",
        out,
        "--order",
        "sequential",
        "--validation",
        validation,
    )
    assert result.returncode == 0, result.stderr
    assert f"{out}: {len(expected)} records, " in result.stdout and result.stdout.endswith(" MB\n")
    records = records_in(out)
    assert [record.annolist_index for record in records] == list(expected)
    assert [record.write_count for record in records] == list(range(len(expected)))
    for record in records:
        number = int(record.annolist_index)
        assert record.total_write_count == len(expected)
        assert (record.img_width, record.img_height) == (50, 40)
        assert_same_bits(np.ascontiguousarray(record.image[:, :50]), pixels(number)[..., ::-1].copy(), "image")
        assert_same_bits(record.self_person.joints, annotation(number).joint_self.astype(np.float32), "joints")


def test_the_shuffled_order_is_the_default_and_follows_the_seed(folder):
    for name, options in [("a", ()), ("b", ("--seed", "0")), ("c", ("--seed", "5"))]:
        result = run_tool(
            "make_lmdb",
            folder / "x.json",
            *images_of(folder),
            "--out",
            folder / name,
            "--validation",
            "include",
            *options,
        )
        assert result.returncode == 0, result.stderr
    order = {name: [r.annolist_index for r in records_in(folder / name)] for name in "abc"}
    assert order["a"] == order["b"] == np.random.RandomState(0).permutation(PEOPLE).tolist()
    assert order["c"] == np.random.RandomState(5).permutation(PEOPLE).tolist() != order["a"]
    assert (folder / "a" / "data.mdb").read_bytes() == (folder / "b" / "data.mdb").read_bytes()


def test_the_golden_lmdb_from_the_golden_json(golden, lspet, tmp_path):
    result = run_tool("make_lmdb",
        golden / "transform" / "mpi16_lmdb.json",
        "--images", lspet / "images", "--images", golden / "transform",
        "--out", tmp_path / "lmdb", "--order", "sequential",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    with LmdbReader(tmp_path / "lmdb") as ours, LmdbReader(golden / "transform" / "mpi16_lmdb") as theirs:
        assert list(zip(ours.keys(), ours, strict=True)) == list(zip(theirs.keys(), theirs, strict=True))


def assert_refused(result, folder, *parts):
    assert result.returncode == 2 and "Traceback" not in result.stderr, result.stderr
    assert result.stderr.startswith("make_lmdb.py: ") and result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr
    assert [record.annolist_index for record in records_in(folder / "lmdb")] == [1, 2, 4, 5]
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


def test_bad_input_leaves_the_old_lmdb(folder):
    arguments = (folder / "x.json", *images_of(folder), "--out", folder / "lmdb", "--order", "sequential")
    assert run_tool("make_lmdb", *arguments).returncode == 0
    picture = folder / "second" / "5.png"
    content = picture.read_bytes()
    picture.unlink()
    assert_refused(
        run_tool("make_lmdb", *arguments), folder, "x.json: record 5: ", "first/5.png or ", "second/5.png", "found none"
    )
    picture.write_bytes(content[:500])
    assert_refused(
        run_tool("make_lmdb", *arguments), folder, "x.json: record 5", "second/5.png: expected a readable image"
    )
    Image.fromarray(pixels(5, 60, 40)).save(picture)
    assert_refused(
        run_tool("make_lmdb", *arguments),
        folder,
        "x.json: record 5",
        "5.png): expected an image of 50 x 40 px as annotated, found 60 x 40",
    )
    picture.write_bytes(content)
    write_json(folder / "x.json", [annotation(n, is_validation=True) for n in range(PEOPLE)])
    assert_refused(run_tool("make_lmdb", *arguments), folder, "x.json", "found none with --validation exclude")
    many = {"joint_others": np.ones((8, 16, 3)), "scale_provided_other": np.ones(8), "objpos_other": np.ones((8, 2))}
    write_json(folder / "x.json", [annotation(n, **(many if n == 4 else {})) for n in range(PEOPLE)])
    assert_refused(
        run_tool("make_lmdb", *arguments), folder, "x.json: record 4", "at least 41 px high for 8 other people"
    )


def test_files_with_different_joints_do_not_mix(folder):
    write_json(folder / "flic.json", [annotation(number, 9) for number in range(2)])
    with pytest.raises(InputError, match=r"flic.json: record 1: expected 16 joints as in .*x.json: record 1"):
        read_sources([folder / "x.json", folder / "flic.json"])


def test_the_seed_decides_the_order_alone():
    sources = list(range(100))
    assert ordered(sources, "sequential", 3) == sources
    assert ordered(sources, "shuffled", 3) == ordered(sources, "shuffled", 3) != ordered(sources, "shuffled", 4)


def test_an_interrupted_run_leaves_nothing(folder):
    def interrupted(sources):
        yield from sources[:3]
        raise KeyboardInterrupt

    sources = read_sources([folder / "x.json"])
    before = sorted(folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        make_lmdb(folder / "lmdb", sources, [folder / "first", folder / "second"], interrupted)
    assert sorted(folder.iterdir()) == before


def test_ctrl_c_in_the_running_tool(folder):
    Image.fromarray(pixels(99, 1500, 1500)).save(folder / "first" / "99.png", compress_level=1)
    large = [annotation(99, img_width=1500, img_height=1500)] * 400
    write_json(folder / "large.json", large)
    arguments = [folder / "large.json", *images_of(folder), "--out", folder / "lmdb", "--validation", "include"]
    tool = subprocess.Popen([*COMMAND, *map(str, arguments)], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(folder.glob(".lmdb.*/lmdb/data.mdb")) and time.monotonic() < deadline:
        time.sleep(0.02)
    tool.send_signal(signal.SIGINT)
    assert "make_lmdb.py: interrupted" in tool.communicate(timeout=30)[1]
    assert tool.returncode == 130
    assert not list(folder.glob(".lmdb.*")) and not (folder / "lmdb").exists()


def test_help_shows_examples():
    result = run_tool("make_lmdb", "--help")
    assert result.returncode == 0
    examples = result.stdout.split("example:\n")[1].splitlines()
    assert examples and all(line.startswith("  python tools/make_lmdb.py lspet.json --images ") for line in examples)
