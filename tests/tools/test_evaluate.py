"""tools/evaluate.py: tables, JSON and curves of a tiny network on a small LMDB, and what it refuses."""

import json

import numpy as np
import pytest
from tiny_cpm import write_net
from tool import assert_refused, run_tool

from cpm_repro.evaluation import estimate_people, mean_pose, pck, place_mean_pose, read_people
from data_lmdb.reader import LmdbReader
from data_lmdb.record import Person, Record, encode, pad_to_minimum_width
from data_lmdb.writer import write_lmdb
from prototxt_import.net import load_net


def a_record(index: int, width: int = 90) -> Record:
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (80 + index, width, 3)).astype(np.uint8)
    stored = np.column_stack([rng.uniform(1, 80, (16, 2)), np.ones(16)]).astype(np.float32)
    stored[:, :2] += rng.uniform(-2, 2, 2)
    if index == 2:
        stored[10] = 0  # right wrist
    if index == 3:
        stored[2] = 0  # right hip: no torso
    person = Person(np.float32([41.5, 44.0]), 0.45, stored)
    size = float(width), float(80 + index)
    return Record("X", False, pad_to_minimum_width(image), *size, person, [], 1, index, index, 5.0)


@pytest.fixture
def lmdb(tmp_path):
    write_lmdb(tmp_path / "lmdb", [encode(a_record(index, width=50 if index == 4 else 90)) for index in range(5)])
    return tmp_path / "lmdb"


@pytest.fixture
def net(tmp_path):
    prototxt, weights = write_net(tmp_path)
    return ["--prototxt", prototxt, "--weights", weights]


def test_every_stage_and_the_mean_pose_are_scored(tmp_path, lmdb, net):
    report, plot = tmp_path / "r.json", tmp_path / "r.png"
    written = ["--json", report, "--plot", plot]
    result = run_tool("evaluate", "lsp", *net, "--lmdb", lmdb, "--stages", "--baseline", lmdb, *written)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "PCK@0.2" and lines[0].split()[-1] == "Total"
    assert [line[:9] for line in lines[1:4]] == ["stage 1  ", "stage 2  ", "mean pose"]
    assert lines[4] == "4 people, 55 joints; 1 people left out: torso missing"
    scored = json.loads(report.read_text())
    assert list(scored["results"]) == ["stage 1", "stage 2", "mean pose"]
    assert scored["settings"]["target_dist"] == pytest.approx(41 / 35 * 64 / 368)
    assert scored["results"]["stage 2"]["joints_judged"]["r_wrist"] == 3
    assert plot.stat().st_size > 5000


def test_the_numbers_are_those_of_the_library(tmp_path, lmdb, net):
    report = tmp_path / "r.json"
    options = ["--scales", "1", "--stage", 1, "--limit", 4, "--baseline", lmdb, "--json", report]
    assert run_tool("evaluate", "lsp", *net, "--lmdb", lmdb, *options).returncode == 0
    with LmdbReader(lmdb) as reader:
        people = list(read_people(reader, 4))
        mean = mean_pose(truth for _, truth in read_people(reader))
    assert people[2][0].image.shape == (82, 90, 3)
    truths, poses = estimate_people(people, load_net(*net[1::2]), [1], scales=(1.0,), batch_size=1)
    scored = json.loads(report.read_text())["results"]
    for label, found in (("stage 1", poses[1]), ("mean pose", [place_mean_pose(mean, truth) for truth in truths])):
        expected = np.round(pck(found, truths).percent(), 4)
        assert scored[label]["rows"]["Total"] == expected.tolist()


def test_narrow_pictures_are_judged_without_their_padding(lmdb):
    with LmdbReader(lmdb) as reader:
        *_, (person, truth) = read_people(reader)
    assert person.image.shape == (84, 50, 3)
    assert person.center == truth.center == (40.5, 43.0)


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, lmdb, net):
    report = tmp_path / "r.json"
    torn = tmp_path / "torn"
    write_lmdb(torn, [encode(a_record(0)), encode(a_record(1))[:-7]])
    other = tmp_path / "nine"
    other.mkdir()
    nine = dict(zip(("--prototxt", "--weights"), write_net(other, parts=9), strict=True))
    for arguments, expected in (
        ([*net, "--lmdb", tmp_path / "none"], "expected an LMDB folder with a data.mdb"),
        ([*net, "--lmdb", torn], "torn: record"),
        ([*net, "--lmdb", lmdb, "--baseline", torn], "torn: record"),
        ([*net, "--lmdb", lmdb, "--stage", 3], "stage 3: expected 1 to 2"),
        ([*net, "--lmdb", lmdb, "--plot", tmp_path / "r.txt"], "expected a name ending in .png"),
        ([*(part for pair in nine.items() for part in pair), "--lmdb", lmdb], "belief maps of 14 parts"),
    ):
        assert_refused(run_tool("evaluate", "lsp", *arguments, "--scales", 1, "--json", report), expected)
        assert not report.exists()
