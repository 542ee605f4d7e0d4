"""tools/evaluate.py: tables, JSON and curves of a tiny network on a small LMDB, and what it refuses."""

import json

import numpy as np
import pytest
import scipy.io
from PIL import Image

from cpm_repro.evaluation.ground_truth import mean_pose, observer_centric, observer_order, place_mean_pose, read_people
from cpm_repro.evaluation.pck import flic_pck, pck
from cpm_repro.evaluation.pckh import pckh
from cpm_repro.evaluation.predictions import estimate_people
from cpm_repro.inference.beliefs import estimate_pose
from cpm_repro.inference.protocol import Protocol
from cpm_repro.npz import read_npz, write_npz
from data_lmdb.joints import STORED_TO_14
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import Person, Record, decode, encode, pad_to_minimum_width
from data_lmdb.records.writer import write_lmdb
from prototxt_import.net import load_net
from tests.small_release import asked_person, write_release
from tests.tool import assert_refused, run_tool
from tests.tools.tiny_cpm import write_detector, write_net

pytestmark = pytest.mark.filterwarnings("ignore:.*of the training not known")


def a_record(index: int, width: int = 90, joints: int = 16) -> Record:
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (80 + index, width, 3)).astype(np.uint8)
    stored = np.column_stack([rng.uniform(1, 80, (joints, 2)), np.ones(joints)]).astype(np.float32)
    stored[:, :2] += rng.uniform(-2, 2, 2)
    if index == 2 and joints == 16:
        stored[10] = 0  # right wrist
    if index == 3 and joints == 16:
        stored[2] = 0  # right hip: no torso
    person = Person(np.float32([41.5, 44.0]), 0.45, stored)
    size = float(width), float(80 + index)
    return Record(
        "LEEDS" if joints == 16 else "FLIC",
        False,
        pad_to_minimum_width(image),
        *size,
        person,
        [],
        1,
        index + 1,
        index,
        5.0,
    )


@pytest.fixture
def lmdb(tmp_path):
    write_lmdb(tmp_path / "lmdb", [encode(a_record(index, width=50 if index == 4 else 90)) for index in range(5)])
    return tmp_path / "lmdb"


@pytest.fixture
def net(tmp_path):
    prototxt, weights = write_net(tmp_path)
    return ["--prototxt", prototxt, "--weights", weights]


def test_every_stage_and_the_mean_pose_are_scored(tmp_path, lmdb, net):
    report, plot, misses = (tmp_path / name for name in ("r.json", "r.png", "m.svg"))
    written = ["--json", report, "--plot", plot, "--misses", misses]
    result = run_tool("evaluate", "lsp", *net, "--lmdb", lmdb, "--stages", "--baseline", lmdb, *written)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].split()[0] == "PCK@0.2" and lines[0].split()[-3] == "Total"
    assert [line[:9] for line in lines[1:4]] == ["stage 1  ", "stage 2  ", "mean pose"]
    assert lines[4].split()[:2] == ["paper,", "LSP"] and "84.32" in lines[4]
    assert lines[6] == "4 people, 55 joints; 1 person left out: no annotated torso"
    scored = json.loads(report.read_text())
    assert list(scored["results"]) == ["stage 1", "stage 2", "mean pose"]
    assert scored["settings"]["target_dist"] == pytest.approx(41 / 35 * 64 / 368)
    assert scored["results"]["stage 2"]["joints_judged"]["r_wrist"] == 3
    assert scored["paper"]["paper, LSP"]["Total"] == 84.32
    assert plot.stat().st_size > 5000
    head, *rows = lines[7:11]
    assert head.split() == ["joints", "right", "other", "side", "another", "part", "near", "elsewhere"]
    assert [row[:9] for row in rows] == [line[:9] for line in lines[1:4]]
    assert [row[9:].split()[0] for row in rows] == [line[9:].split()[-3] for line in lines[1:4]]
    assert misses.stat().st_size > 5000


def test_the_numbers_are_those_of_the_library(tmp_path, lmdb, net):
    report = tmp_path / "r.json"
    options = ["--scales", "1", "--stage", 1, "--limit", 4, "--baseline", lmdb, "--json", report]
    assert run_tool("evaluate", "lsp", *net, "--lmdb", lmdb, *options).returncode == 0
    with LmdbReader(lmdb) as reader:
        people = list(read_people(reader, 4))
        mean = mean_pose(truth for _, truth in read_people(reader))
    assert people[2][0].image.shape == (82, 90, 3)
    loaded = load_net(*net[1::2])
    one_by_one = Protocol.for_net(loaded, scales=(1.0,), batch=1)
    truths, poses = estimate_people(people, loaded, [1], one_by_one)
    scored = json.loads(report.read_text())["results"]
    for label, found in (
        ("stage 1", poses[1].joints),
        ("mean pose", [place_mean_pose(mean, truth) for truth in truths]),
    ):
        expected = np.round(pck(found, truths).percent(), 6)
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
        ([*net[:2], "--lmdb", lmdb], "expected --prototxt and --weights (or --seed)"),
        (["--lmdb", lmdb], "or --predictions, found neither"),
        ([*net, "--lmdb", lmdb, "--save-predictions", "p.csv"], "expected a name ending in .npz, .json, .mat"),
        (
            ["--lmdb", lmdb, "--predictions", torn / "p.npz", "--save-predictions", "p.npz"],
            "--save-predictions: expected",
        ),
        (["--lmdb", lmdb, *net, "--worst"], "--worst, --on-white: expected --poses"),
        (["--lmdb", lmdb, "--predictions", torn / "p.npz"], "p.npz: cannot be read"),
        (["--lmdb", lmdb, "--predictions", "stage 2=p.npz"], "expected a name of its own"),
    ):
        found = run_tool("evaluate", "lsp", *arguments, "--scales", 1, "--json", report, cwd=tmp_path)
        assert_refused(found, expected)
        assert not report.exists()


def read_truths(lmdb, parts=14):
    with LmdbReader(lmdb) as reader:
        return [truth for _, truth in read_people(reader, number_of_parts=parts)]


def totals(report) -> dict:
    return {run: result["rows"]["Total"] for run, result in json.loads(report.read_text())["results"].items()}


def rounded(result) -> list:
    return np.round(result.percent(), 6).tolist()


def test_the_person_as_the_release_finds_lsp_s(tmp_path, lmdb, net):
    report, saved = tmp_path / "r.json", tmp_path / "p.npz"
    options = ["--whole-picture", "--scales", 1, "--save-predictions", saved, "--json", report]
    assert run_tool("evaluate", "lsp", *net, "--lmdb", lmdb, *options).returncode == 0
    target = 0.8 * 64 / 368
    assert json.loads(report.read_text())["settings"]["target_dist"] == pytest.approx(target)
    with LmdbReader(lmdb) as reader:
        images = [person.image for person, _ in read_people(reader)]
    loaded = load_net(*net[1::2])
    for image, joints in zip(images, read_npz(saved)["joints"], strict=True):
        height, width = image.shape[:2]
        middle = (width / 2 - 1, height / 2 - 1)
        expected = estimate_pose(image, loaded, middle, height / 368, (1.0,), target_dist=target)
        np.testing.assert_array_equal(joints, expected.joints)


@pytest.mark.parametrize("name", ["p.npz", "p.json", "p.mat"])
def test_saved_predictions_score_as_the_network_did(tmp_path, lmdb, net, name):
    report, saved = tmp_path / "r.json", tmp_path / name
    judged = ["lsp", "--lmdb", lmdb, "--json", report]
    ran = run_tool("evaluate", *judged, *net, "--scales", 1, "--save-predictions", saved)
    assert ran.returncode == 0, ran.stderr
    by_network = totals(report)["stage 2"]
    ran = run_tool("evaluate", *judged, "--predictions", saved, f"again={saved}", "--plot", tmp_path / "r.svg")
    assert ran.returncode == 0, ran.stderr
    assert totals(report) == {"p": by_network, "again": by_network}
    assert "again" in (tmp_path / "r.svg").read_text()
    sheet = ["--poses", tmp_path / "s.png", "--worst", "--on-white"]
    ran = run_tool("evaluate", *judged, "--predictions", saved, *sheet)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "s.png").stat().st_size > 5000
    assert not json.loads(report.read_text())["settings"]
    ran = run_tool("evaluate", *judged, "--limit", 3, "--predictions", saved)
    if name != "p.json":  # there the people are found by their places
        assert_refused(ran, f"{saved}: expected 14 or 16 joints of 3 people", "another data set")


def test_left_and_right_of_the_observer(tmp_path, lmdb):
    truths, report = read_truths(lmdb), tmp_path / "r.json"
    poses = np.stack([truth.parts for truth in truths]) + np.random.default_rng(0).normal(0, 15, (5, 14, 2))
    write_npz(tmp_path / "p.npz", {"joints": poses})
    assert len({tuple(observer_order(truth.parts)) for truth in truths}) == 2
    ran = run_tool(
        "evaluate", "lsp", "--lmdb", lmdb, "--predictions", tmp_path / "p.npz", "--observer-centric", "--json", report
    )
    assert ran.returncode == 0, ran.stderr
    seen = [pose[observer_order(pose)] for pose in poses]
    assert totals(report)["p"] == rounded(pck(seen, [observer_centric(truth) for truth in truths]))
    assert not json.loads(report.read_text())["paper"] and "paper" not in ran.stdout


def test_flic_both_ways(tmp_path):
    lmdb, report = tmp_path / "flic", tmp_path / "r.json"
    write_lmdb(lmdb, [encode(a_record(index, joints=9)) for index in range(5)])
    prototxt, weights = write_net(tmp_path, parts=9)
    net = ["--prototxt", prototxt, "--weights", weights, "--scales", 1]
    saved = tmp_path / "p.npz"
    result = run_tool("evaluate", "flic", *net, "--lmdb", lmdb, "--save-predictions", saved, "--json", report)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "distances by the predicted torso" and "distances by the annotated torso" in lines
    assert "97.59" in lines[3] and "95.03" in lines[3]
    truths, poses = read_truths(lmdb, 9), read_npz(saved)["joints"]
    scored = json.loads(report.read_text())
    assert scored["size"] == "predicted torso"
    assert scored["results"]["stage 2"]["rows"]["Total"] == rounded(flic_pck(poses, truths))
    by_annotation = scored["results_by_annotated_torso"]["stage 2"]
    assert by_annotation["rows"]["Total"] == rounded(pck(poses, truths))


def write_heads(path, lmdb):
    """A validation file of the LMDB's people, in another order."""
    with LmdbReader(lmdb) as reader:
        stored = [decode(value, 16, "record").self_person.joints.astype(np.float64) for value in reader][::-1]
    missing = [(joints[:, :2] <= 0).all(axis=1) for joints in stored]
    boxes = np.stack([[[0, 0], [10 + n, 20]] for n in range(len(stored))], axis=2).astype(np.float64)
    truth = np.stack([joints[:, :2] for joints in stored], axis=2)
    noise = np.random.default_rng(5).normal(0, 5, truth.shape)
    variables = {"pos_gt_src": truth, "jnt_missing": np.stack(missing, axis=1), "headboxes_src": boxes}
    scipy.io.savemat(path, variables | {"pos_pred_src": truth + noise})
    return 0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0)[::-1], noise


def test_mpii_from_a_network(tmp_path, lmdb, net):
    report, heads, saved = tmp_path / "r.json", tmp_path / "heads.mat", tmp_path / "pred.mat"
    sizes, _ = write_heads(heads, lmdb)
    (tmp_path / "clusters.txt").write_text("2\n1\n2\n2\n1\n")
    options = ["--lmdb", lmdb, "--ground-truth", heads, "--json", report]
    clusters = ["--clusters", tmp_path / "clusters.txt", "--plot-clusters", tmp_path / "c.png"]
    result = run_tool("evaluate", "mpii", *net, "--scales", 1, *options, *clusters, "--save-predictions", saved)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("PCKh@0.5") and "cluster 2" in result.stdout
    with LmdbReader(lmdb) as reader:
        loaded = load_net(*net[1::2])
        truths, found = estimate_people(read_people(reader), loaded, [2], Protocol.for_net(loaded, scales=(1.0,)))
    by_network = totals(report)["stage 2"]
    assert by_network == rounded(pckh(found[2].joints, truths, sizes))
    by_cluster = json.loads(report.read_text())["clusters"]["stage 2"]
    assert {label: result["people"] for label, result in by_cluster.items()} == {"1": 2, "2": 3}
    assert (tmp_path / "c.png").stat().st_size > 5000
    assert scipy.io.loadmat(saved)["pred"].shape == (1, 5)
    assert run_tool("evaluate", "mpii", "--predictions", saved, *options).returncode == 0
    assert totals(report)["pred"] == by_network


def test_mpii_from_a_file_alone(tmp_path, lmdb):
    heads, report = tmp_path / "heads.mat", tmp_path / "r.json"
    sizes, noise = write_heads(heads, lmdb)
    result = run_tool("evaluate", "mpii", "--predictions", heads, "--json", report)
    assert result.returncode == 0, result.stderr
    truths = read_truths(lmdb)
    poses = [
        truth.parts + error
        for truth, error in zip(truths, noise[list(STORED_TO_14)].T.swapaxes(1, 2)[::-1], strict=True)
    ]
    assert totals(report)["heads"] == rounded(pckh(poses, truths, sizes))
    assert len(json.loads(report.read_text())["results"]["heads"]["parts"]) == 16


def test_poses_for_mpii_s_server(tmp_path, net):
    people = [asked_person(30, 40, 0.3), asked_person(50, 30, 0.4)]
    images = [("a.png", True, [1], people), ("b.png", False, [2], people), ("c.png", False, [], [])]
    release, saved = write_release(tmp_path / "r.mat", images), tmp_path / "pred_keypoints_mpii.mat"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    options = ["--test-images", tmp_path, "--ground-truth", release, "--scales", 1]
    result = run_tool("evaluate", "mpii", *net, *options, "--save-predictions", saved)
    assert result.returncode == 0, result.stderr
    assert "poses of 1 person in 2 test images" in result.stdout
    pred = scipy.io.loadmat(saved)["pred"]
    assert pred.shape == (1, 2) and pred[0, 1]["annorect"].size == 0
    points = pred[0, 0]["annorect"][0, 1]["annopoints"][0, 0]["point"][0]
    expected = estimate_pose(pixels[..., ::-1], load_net(*net[1::2]), (49.0, 29.0), 0.4, (1.0,)).joints
    for point in points:
        part = STORED_TO_14.index(int(point["id"].item()))
        assert (point["x"].item() - 1, point["y"].item() - 1) == tuple(expected[part])


def test_mpii_without_heads_or_people_is_refused(tmp_path, lmdb, net):
    heads = tmp_path / "heads.mat"
    scipy.io.savemat(heads, {"preds": np.zeros((5, 16, 2))})
    for arguments, *expected in (
        ([*net, "--lmdb", lmdb], "--ground-truth: expected a .mat with MPII's head boxes"),
        (net, "--lmdb: expected the people whose poses are wanted"),
        (["--predictions", heads], f"{heads}: expected a variable pos_gt_src"),
        ([*net, "--lmdb", lmdb, "--ground-truth", heads], f"{heads}: expected a variable pos_gt_src"),
        ([*net, "--test-images", tmp_path], "--test-images: expected a network, --ground-truth and"),
        (["--predictions", heads, "--plot-clusters", "c.png"], "--plot-clusters: expected --clusters"),
    ):
        assert_refused(run_tool("evaluate", "mpii", *arguments, "--json", "r.json", cwd=tmp_path), *expected)
        assert not (tmp_path / "r.json").exists()


def test_a_detector_of_ones_own_is_judged(tmp_path, net):
    """Two people, of whom it finds one, and one besides."""
    records = [a_record(index) for index in range(2)]
    for record, squares in zip(records, [[(16, 24)], [(60, 40)]], strict=True):
        record.image[:] = 60
        for x, y in squares:
            record.image[y : y + 8, x : x + 8] = 0, 0, 255
        record.self_person.objpos[:] = 20.5, 28.5
    write_lmdb(tmp_path / "own", [encode(record) for record in records])
    given = ["people", "--lmdb", tmp_path / "own", *net, *write_detector(tmp_path), "--scales", "1.0"]
    ran = run_tool("evaluate", *given, "--scale", 41 / 35 * 64 / 368, "--json", tmp_path / "r.json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert report.pop("detector").endswith("person.caffemodel") and report.pop("model").endswith("tiny.caffemodel")
    assert report == {"pictures": 2, "people": 2, "found": 1, "besides": 1}
    assert "2 people annotated: 1 found (50.0 %), 1 besides" in ran.stdout
