"""tools/make_lmdb.py as a person runs it: what it writes, refuses and skips, and how it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from data_lmdb.annotations import record_text, write_json
from data_lmdb.records.conversion import make_lmdb
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from tests.annotated_people import PEOPLE, annotation, pixels, values_in, write_many_people, write_people
from tests.bits import assert_same_bits
from tests.tool import ROOT, assert_refused, run_tool

TOOL = ROOT / "tools" / "make_lmdb.py"
COMMAND = [sys.executable, str(TOOL)]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


@pytest.fixture
def folder(tmp_path):
    return write_people(tmp_path)


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


def assert_old_lmdb(folder):
    """What `bad` was made from is still there, and nothing but what the next run goes on from."""
    assert [record.annolist_index for record in records_in(folder / "lmdb")] == [1, 2, 4, 5]
    assert not [entry for entry in folder.iterdir() if entry.name.startswith(".")]


@pytest.fixture
def bad(folder):
    """The arguments of a run that would replace an LMDB, and record 5's image, to be spoiled."""
    arguments = (folder / "x.json", *images_of(folder), "--out", folder / "lmdb", "--order", "sequential")
    assert run_tool("make_lmdb", *arguments).returncode == 0
    return arguments, folder / "second" / "5.png"


def no_image(picture):
    picture.unlink()


def cut_short(picture):
    picture.write_bytes(picture.read_bytes()[:500])


def no_picture(picture):
    picture.write_bytes(b"<html>404</html>")


def another_size(picture):
    Image.fromarray(pixels(5, 60, 40)).save(picture)


@pytest.mark.parametrize("storage", ["raw", "file"])
@pytest.mark.parametrize(
    "spoil, reason, parts",
    [
        (no_image, "no such image", ("first/5.png or ", "second/5.png", "found none")),
        (cut_short, "not a readable image", ("second/5.png: expected a readable image",)),
        (
            no_picture,
            "not a readable image",
            ("second/5.png: expected an image, found a page of the web, as comes where a download went wrong",),
        ),
        (another_size, "an image of another size", ("expected an image of 50 x 40 px as annotated, found 60 x 40",)),
    ],
)
def test_a_bad_image_ends_the_run_or_is_skipped(folder, bad, spoil, reason, parts, storage):
    arguments, picture = bad
    spoil(picture)
    assert_refused(run_tool("make_lmdb", *arguments, "--storage", storage), "x.json: record 5", *parts)
    assert_old_lmdb(folder)
    result = run_tool("make_lmdb", *arguments, "--storage", storage, "--skip-bad")
    assert result.returncode == 0, result.stderr
    assert f"skipped 1: {reason}" in result.stdout and all(part in result.stdout for part in parts)
    records = records_in(folder / "lmdb")
    assert [record.annolist_index for record in records] == [1, 2, 4]
    assert [(record.write_count, record.total_write_count) for record in records] == [(i, 3) for i in range(3)]
    assert not (folder / "lmdb.partial").exists()


def test_an_image_too_small_for_its_people(folder, bad):
    many = {"joint_others": np.ones((8, 16, 3)), "scale_provided_other": np.ones(8), "objpos_other": np.ones((8, 2))}
    write_json(folder / "x.json", [annotation(n, **(many if n == 4 else {})) for n in range(PEOPLE)])
    refused = run_tool("make_lmdb", *bad[0])
    assert_refused(refused, "x.json: record 4", "at least 41 px high for 8 other people, found 40 px")
    assert "lmdb.partial: 2 records are kept" in refused.stdout
    assert_old_lmdb(folder)
    result = run_tool("make_lmdb", *bad[0], "--skip-bad")
    assert "skipped 1: people who do not fit in a record of that image" in result.stdout
    assert [record.annolist_index for record in records_in(folder / "lmdb")] == [1, 2, 5]
    assert run_tool("make_lmdb", *bad[0], "--storage", "file").returncode == 0
    assert [len(record.others) for record in records_in(folder / "lmdb")] == [0, 0, 8, 0]


def test_annotations_that_are_wrong_end_the_run(folder, bad):
    def assert_annotation_refused(changes, *parts):
        records = [json.loads(record_text(annotation(n))) for n in range(PEOPLE)]
        records[4].update(changes)
        (folder / "x.json").write_text(json.dumps(records))
        for skip in [(), ("--skip-bad",)]:
            assert_refused(run_tool("make_lmdb", *bad[0], *skip), "x.json: record 4 (4.png): ", *parts)
            assert_old_lmdb(folder)

    assert_annotation_refused({"numOtherPeople": 300}, "numOtherPeople", "up to 255", "300")
    assert_annotation_refused({"scale_provided": -0.4}, "scale_provided", "positive", "-0.4")
    assert_annotation_refused({"objpos": [1, float("nan")]}, "objpos", "finite")
    assert_annotation_refused({"joint_self": [[1, 2, float("nan")]] * 16}, "joint_self", "finite")


def test_zero_persons(folder, bad):
    write_json(folder / "x.json", [annotation(n, is_validation=True) for n in range(PEOPLE)])
    assert_refused(run_tool("make_lmdb", *bad[0]), "x.json", "found none with --validation exclude")
    for empty in ["[]", '{"root": []}']:
        (folder / "x.json").write_text(empty)
        assert_refused(run_tool("make_lmdb", *bad[0]), "x.json: expected annotated persons, found an empty list")
    for picture in [*(folder / "first").iterdir(), *(folder / "second").iterdir()]:
        picture.write_bytes(b"no image")
    write_json(folder / "x.json", [annotation(number) for number in range(PEOPLE)])
    assert_refused(run_tool("make_lmdb", *bad[0], "--skip-bad"), "expected persons with good images, found none")
    assert_old_lmdb(folder)


FULL_DISK = """
import resource, runpy, sys
from data_lmdb.records import writer
writer.COMMIT_BYTES = 200_000
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_full_disk_is_one_sentence_and_the_run_goes_on(folder, bad):
    sources, images = write_many_people(folder, 40)
    arguments = [folder / "large.json", "--images", folder / "large", "--out", folder / "lmdb", "--seed", 1]
    arguments = [str(argument) for argument in [TOOL, *arguments, "--validation", "include", "--jobs", 1]]
    command = [sys.executable, "-c", FULL_DISK, *arguments]
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert_refused(result, "lmdb: cannot be written, is the disk full?")
    assert_old_lmdb(folder)
    kept = len(values_in(folder / "lmdb.partial" / "lmdb"))
    assert kept >= 5 and f"lmdb.partial: {kept} records are kept; the same command goes on from there" in result.stdout
    result = run_tool("make_lmdb", *arguments[1:])
    assert f"goes on after {kept} records" in result.stdout and f"{folder / 'lmdb'}: 40 records" in result.stdout
    make_lmdb(folder / "expected", sources, images)
    assert values_in(folder / "lmdb") == values_in(folder / "expected")


def test_ctrl_c_in_the_running_tool(folder):
    Image.fromarray(pixels(99, 1500, 1500)).save(folder / "first" / "99.png", compress_level=1)
    large = [annotation(99, img_width=1500, img_height=1500)] * 400
    write_json(folder / "large.json", large)
    arguments = [folder / "large.json", *images_of(folder), "--out", folder / "lmdb", "--validation", "include"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    tool = subprocess.Popen([*COMMAND, *map(str, arguments)], env=ENVIRONMENT, **pipes)
    deadline = time.monotonic() + 600
    data = folder / "lmdb.partial" / "lmdb" / "data.mdb"
    while not (data.exists() and data.stat().st_size > 30_000_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(tool.pid, signal.SIGINT)  # as the terminal does: its processes get it too
    output, errors = tool.communicate(timeout=600)
    assert errors == "make_lmdb.py: interrupted\n" and "lmdb.partial: " in output and " records are kept" in output
    assert tool.returncode == 130 and not (folder / "lmdb").exists()


@pytest.mark.parametrize("absolute", [False, True])
def test_images_outside_of_the_folders_need_a_word(folder, absolute):
    """Else somebody's JSON chooses which file's pixels a record gets."""
    outside = folder / "elsewhere.png"
    Image.fromarray(pixels(0)).save(outside)
    name = str(outside) if absolute else "inside/../../elsewhere.png"
    write_json(folder / "x.json", [annotation(1, img_paths=name)])
    command = [folder / "x.json", "--images", folder / "first", "--out", folder / "lmdb"]
    assert_refused(run_tool("make_lmdb", *command), "x.json: record 0", "in the folders of --images", "--allow-outside")
    (folder / "first/inside").mkdir()
    result = run_tool("make_lmdb", *command, "--allow-outside")
    assert result.returncode == 0 and len(records_in(folder / "lmdb")) == 1, result.stderr


def test_an_lmdb_of_image_files_becomes_raw(folder):
    options = "--validation", "include", "--order", "sequential"
    for storage in ("file", "raw"):
        made = run_tool(
            "make_lmdb",
            folder / "x.json",
            *images_of(folder),
            *options,
            "--storage",
            storage,
            "--out",
            folder / storage,
        )
        assert made.returncode == 0, made.stderr
    result = run_tool("make_lmdb", folder / "file", "--out", folder / "unpacked")
    assert result.returncode == 0 and result.stdout.startswith(f"{folder / 'unpacked'}: {PEOPLE} records, ")
    assert values_in(folder / "unpacked") == values_in(folder / "raw")
    for more in (["--storage", "file"], images_of(folder), ["--skip-bad"], [folder / "x.json"]):
        refused = run_tool("make_lmdb", folder / "file", *more, "--out", folder / "unpacked")
        assert_refused(refused, "expected one LMDB, whose records become raw, alone, found ")
    assert_refused(run_tool("make_lmdb", folder / "x.json", "--out", folder / "o"), "--images: expected the folder of")
