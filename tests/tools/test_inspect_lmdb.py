"""tools/inspect_lmdb.py as a person runs it: what it lists, what it finds broken, what it draws."""

import json

import numpy as np
import pytest
from PIL import Image

from data_lmdb.annotations import write_json
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.writer import write_lmdb
from tests.annotated_people import annotation, pixels
from tests.tool import assert_refused, picture_size, run_tool


def person(number):
    rng = np.random.default_rng(number)
    others = number % 3
    return annotation(
        number,
        dataset="MPI" if number < 8 else "LEEDS",
        is_validation=number == 11,
        img_width=50 + number,
        img_height=60,
        scale_provided=0.5 + number,
        joint_others=rng.uniform(1, 50, (others, 16, 3)).round(3),
        scale_provided_other=np.full(others, 0.5),
        objpos_other=np.full((others, 2), 9.0),
    )


@pytest.fixture(scope="module", params=["raw", "file"])
def storage(request):
    return request.param


@pytest.fixture(scope="module")
def lmdb(tmp_path_factory, storage):
    """Twelve records of two data sets."""
    folder = tmp_path_factory.mktemp(storage)
    for number in range(12):
        Image.fromarray(pixels(number, 50 + number, 60)).save(folder / f"{number}.png")
    write_json(folder / "x.json", [person(number) for number in range(12)])
    options = ["--order", "sequential", "--validation", "include", "--storage", storage]
    result = run_tool("make_lmdb", folder / "x.json", "--images", folder, "--out", folder / "lmdb", *options)
    assert result.returncode == 0, result.stderr
    return folder / "lmdb"


def test_lists_the_first_records_and_sums_up_all(lmdb, storage):
    result = run_tool("inspect_lmdb", lmdb)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    with LmdbReader(lmdb) as reader:
        sizes = [len(value) for value in reader]
    assert lines[0].split() == f"0000000 MPI 50 x 60 1 person scale 0.500 {storage} {sizes[0]} B".split()
    assert lines[2].split() == f"0000002 MPI 52 x 60 3 people scale 2.500 {storage} {sizes[2]} B".split()
    assert lines[10:] == [
        f"12 records, 1 of them for validation, {sum(sizes) / 1e6:.1f} MB",
        "dataset: LEEDS (4), MPI (8)",
        f"storage: {storage} (12)",
        "people: 1 (4), 2 (4), 3 (4)",
        "width: 50 to 61",
        "height: 60 to 60",
        "scale: 0.5 to 11.5",
    ]


def test_lists_the_chosen_records(lmdb):
    result = run_tool("inspect_lmdb", lmdb, "--records", "3,10-99")
    keys = [line.split()[0] for line in result.stdout.splitlines()[:3]]
    assert keys == ["0000003", "0000010", "0000011"] and "B  validation\n" in result.stdout
    assert_refused(run_tool("inspect_lmdb", lmdb, "--records", "12-13"), "expected records from 0 to 11")
    for wrong in ["x", "3-1", "1-2-3", "-1"]:
        result = run_tool("inspect_lmdb", lmdb, f"--records={wrong}")
        assert result.returncode == 2 and "--records" in result.stderr


def test_writes_all_that_as_json(lmdb, storage, tmp_path):
    result = run_tool("inspect_lmdb", lmdb, "--check", "--records", "4", "--json", tmp_path / "x.json")
    assert result.returncode == 0, result.stderr
    whole = json.loads((tmp_path / "x.json").read_text())
    listed = whole.pop("listed")
    assert len(listed) == 1 and (listed[0]["key"], listed[0]["width"], listed[0]["people"]) == ("0000004", 54, 2)
    assert whole.pop("bytes") > 12 * 500
    assert whole == {
        "records": 12,
        "validation": 1,
        "dataset": {"LEEDS": 4, "MPI": 8},
        "storage": {storage: 12},
        "people": {"1": 4, "2": 4, "3": 4},
        "width": [50, 61],
        "height": [60, 60],
        "scale": [0.5, 11.5],
        "broken": [],
    }


def test_names_every_broken_record(lmdb, storage, tmp_path):
    with LmdbReader(lmdb) as reader:
        values = [bytes(value) for value in reader]
    values[3] = b"no record"
    values[5] = values[5][: len(values[5]) // 2]
    middle = len(values[7]) // 2
    values[7] = values[7][:middle] + bytes(300) + values[7][middle + 300 :]  # pixels, or a PNG's compressed rows
    write_lmdb(tmp_path / "lmdb", values)
    for options, found in [((), [3, 5]), (("--check",), [3, 5, 7] if storage == "file" else [3, 5])]:
        result = run_tool("inspect_lmdb", tmp_path / "lmdb", *options, "--json", tmp_path / "x.json")
        assert result.returncode == 2 and "Traceback" not in result.stderr
        sentences = result.stderr.splitlines()
        assert sentences == json.loads((tmp_path / "x.json").read_text())["broken"]
        for sentence, index in zip(sentences, found, strict=True):
            assert sentence.startswith(f"{tmp_path / 'lmdb'}: record {index:07d}: expected ")
        assert f"{12 - len(found)} records, " in result.stdout


def test_a_corrupted_file_is_named(lmdb, tmp_path):
    content = (lmdb / "data.mdb").read_bytes()
    (tmp_path / "data.mdb").write_bytes(content[:-1000])
    assert_refused(run_tool("inspect_lmdb", tmp_path), f"{tmp_path / 'data.mdb'}: expected", "the file is cut short")


@pytest.mark.parametrize("chosen, shape", [("2", "one large"), ("0-5,11", "two rows")])
def test_shows_records_with_their_people(lmdb, tmp_path, chosen, shape):
    out = tmp_path / "picture.png"
    result = run_tool("inspect_lmdb", lmdb, "--show", chosen, "--out", out)
    assert result.returncode == 0, result.stderr
    width, height = picture_size(out)
    assert (width > height) == (shape == "two rows") and min(width, height) > 500
    assert len(np.unique(np.asarray(Image.open(out).convert("RGB")).reshape(-1, 3), axis=0)) > 1000


def test_what_show_refuses(lmdb, tmp_path):
    assert_refused(run_tool("inspect_lmdb", lmdb, "--show", "2"), "--show and --out: expected both or neither")
    assert_refused(run_tool("inspect_lmdb", lmdb, "--show", "2", "--out", tmp_path / "x.txt"), "x.txt", ".png")
    assert_refused(run_tool("inspect_lmdb", lmdb, "--show", "99", "--out", tmp_path / "x.png"), "from 0 to 11")
    assert not list(tmp_path.iterdir())


def test_nine_joints(golden, tmp_path):
    flic = golden / "transform" / "flic9_lmdb"
    result = run_tool("inspect_lmdb", flic, "--joints", "9", "--show", "0-3", "--out", tmp_path / "x.png")
    assert result.returncode == 0 and result.stdout == f"{tmp_path / 'x.png'}: 4 records\n", result.stderr
