"""tools/make_people.py as a person types it: what it writes, prints and refuses, and that make_json.py reads it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_pictures_table_and_annotations(tmp_path):
    out = tmp_path / "people"
    made = tool("make_people.py", "--count", 5, "--seed", 3, "--validation-count", 2, "--out", out)
    assert made.returncode == 0, made.stderr
    assert sorted(p.name for p in (out / "images").iterdir()) == [f"{i:06d}.jpg" for i in range(5)]
    rows = list(csv.DictReader((out / "people.csv").open()))
    assert f"{len(rows)} people in 5 pictures" in made.stdout
    assert {r["image"] for r in rows if r["validation"] == "1"} == {"000003.jpg", "000004.jpg"}
    read = tool("make_json.py", "own", out / "people.csv", "--images", out / "images", "--out", tmp_path / "a.json")
    assert read.returncode == 0, read.stderr
    assert f"{len(rows)} persons in 5 images" in read.stdout


def test_bad_input_is_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("keep me")
    for arguments in (("--count", 0, "--out", tmp_path / "x"), ("--count", 2, "--out", tmp_path)):
        refused = tool("make_people.py", *arguments)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1 and "Traceback" not in refused.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_help_shows_an_example():
    shown = tool("make_people.py", "--help")
    assert shown.returncode == 0 and "python tools/make_people.py --count" in shown.stdout
