"""tools/make_people.py as a person types it: what it writes, prints and refuses, and that make_json.py reads it."""

import csv

from tests.tool import assert_refused, run_tool


def test_pictures_table_and_annotations(tmp_path):
    out = tmp_path / "people"
    made = run_tool("make_people", "--count", 5, "--seed", 3, "--validation-count", 2, "--out", out)
    assert made.returncode == 0, made.stderr
    assert sorted(p.name for p in (out / "images").iterdir()) == [f"{i:06d}.jpg" for i in range(5)]
    rows = list(csv.DictReader((out / "people.csv").read_text().splitlines()))
    assert f"{len(rows)} people in 5 pictures" in made.stdout
    assert {r["image"] for r in rows if r["validation"] == "1"} == {"000003.jpg", "000004.jpg"}
    read = run_tool("make_json", "own", out / "people.csv", "--images", out / "images", "--out", tmp_path / "a.json")
    assert read.returncode == 0, read.stderr
    assert f"{len(rows)} persons in 5 images" in read.stdout


def test_bad_input_is_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("keep me")
    for arguments in (("--count", 0, "--out", tmp_path / "x"), ("--count", 2, "--out", tmp_path)):
        assert_refused(run_tool("make_people", *arguments))
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_help_shows_an_example():
    shown = run_tool("make_people", "--help")
    assert shown.returncode == 0 and "python tools/make_people.py --count" in shown.stdout
