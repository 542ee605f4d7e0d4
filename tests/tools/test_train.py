"""tools/train.py, convert.py and make_prototxt.py as typed: exit codes, sentences, and files left alone."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cpm_repro.npz import read_npz
from cpm_repro.training.log import parse_log
from cpm_repro.training.setup import Options, prepare
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.writer import write_lmdb
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import read_net, read_solver
from prototxt_import.net import load_net
from tests.annotated_people import PEOPLE, pixels, write_people
from tests.bits import assert_same_bits
from tests.tool import ROOT, TOOLS, assert_refused, picture_size, run_tool


@pytest.fixture
def models(golden, tmp_path):
    """A tiny CPM's prototxts on the golden LMDB, as make_prototxt.py writes them."""
    sizes = ["--stages", 2, "--widths", "4,4,4,4", "--crop-size", 104, "--filler-std", 0.05]
    solver = ["--batch-size", 2, "--max-iter", 4, "--stepsize", 3, "--snapshot", 2, "--display", 1, "--random-seed", 3]
    result = run_tool(
        "make_prototxt",
        "mpi",
        "--out",
        "models",
        "--lmdb",
        golden / "transform/mpi16_lmdb",
        *sizes,
        *solver,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    return tmp_path / "models"


def test_prototxts_to_snapshots_to_pt_and_back(models):
    solver = read_solver(models / "solver.prototxt")
    assert (solver.max_iter, solver.stepsize, solver.random_seed) == (4, 3, 3)
    transform = read_net(models / "train.prototxt").layer[0].transform_param
    assert transform.target_dist == pytest.approx(1.171 * 104 / 368, abs=1e-4)
    more = ["--trace", models / "trace.npz", "--timeline", models / "threads.png", "--plans", models / "plans.json"]
    result = run_tool("train", "--solver", models / "solver.prototxt", *more)
    assert result.returncode == 0, result.stderr
    assert "ms an iteration waiting for data" in result.stdout and picture_size(models / "threads.png") > (400, 100)
    assert "images 2, training" in (models / "plans.json").read_text()
    assert "Iteration 3, loss = " in result.stdout and "Train net output #1: loss_stage2 = " in result.stdout
    assert list(parse_log(models / "cpm.log").iterations) == [0, 1, 2, 3, 4]
    trace = read_npz(models / "trace.npz")
    assert trace["loss"].shape == (4, 2) and {"iter4/conv1_stage1/0", "blobdiff1/conv7_stage1"} <= trace.keys()
    resume = ["train", "--solver", models / "solver.prototxt", "--snapshot", models / "cpm_iter_2.solverstate"]
    resumed = run_tool(*resume)
    assert resumed.returncode == 0 and "Iteration 1, loss" not in resumed.stdout
    assert "go on where the snapshot left them" in resumed.stdout
    assert "go on from their start, as Caffe does" in run_tool(*resume, "--resume-like-caffe").stdout
    weights = models / "cpm_iter_4.caffemodel"
    assert (
        run_tool(
            "convert", "--prototxt", models / "deploy.prototxt", "--weights", weights, "--out", models / "n.pt"
        ).returncode
        == 0
    )
    assert run_tool("convert", "--weights", models / "n.pt", "--out", models / "back.caffemodel").returncode == 0
    stored = {layer.name: layer.blobs for layer in read_caffemodel(weights).layer if layer.blobs}
    back = {layer.name: layer.blobs for layer in read_caffemodel(models / "back.caffemodel").layer if layer.blobs}
    assert back == stored


def test_wrong_input_ends_in_one_sentence(models, golden):
    solver = models / "solver.prototxt"
    text = solver.read_text()
    assert_refused(run_tool("train", "--solver", models / "none.prototxt"), "none.prototxt", "cannot be read")
    solver.write_text(text.replace("momentum", "momentun"))
    assert_refused(run_tool("train", "--solver", solver), "solver.prototxt:", "momentun")
    solver.write_text(text.replace('net: "train', 'net: "trian'))
    assert_refused(run_tool("train", "--solver", solver), "solver.prototxt", "'trian.prototxt'")
    solver.write_text(text)
    weights = golden / "net/mini_cpm_deploy.caffemodel"
    assert_refused(
        run_tool("train", "--solver", solver, "--weights", weights), "conv1_stage1", "(4, 3, 9, 9)", "(16, 3, 9, 9)"
    )
    convert = ["--prototxt", models / "deploy.prototxt", "--out", models / "n.pt"]
    (models / "cut.caffemodel").write_bytes(weights.read_bytes()[:5000])
    assert_refused(run_tool("convert", "--weights", models / "cut.caffemodel", *convert), "cut.caffemodel")
    assert_refused(run_tool("convert", "--weights", weights, *convert), "deploy.caffemodel", "expected shape")
    assert not (models / "n.pt").exists()
    assert_refused(run_tool("train", "--solver", solver, "--device", "cuda"), "CUDA card")
    assert not list(models.glob("*.caffemodel.*")) and not list(models.glob(".*"))


@pytest.mark.parametrize("preset", ["leeds", "flic", "vgg", "person", "small", "small-person"])
def test_every_net_by_its_name(tmp_path, preset):
    assert run_tool("make_prototxt", preset, "--out", tmp_path).returncode == 0
    written = {path.name for path in tmp_path.iterdir()}
    alone = {"deploy.prototxt"}
    assert written == (alone if preset == "vgg" else alone | {"train.prototxt", "solver.prototxt"})


@pytest.mark.parametrize(
    ("detector", "maps"),
    [("person", ["conv6_2_CPM", "Mconv7_stage2"]), ("small-person", ["conv10_stage1", "Mconv6_stage2"])],
)
def test_the_person_detector_learns_the_centre_map(tmp_path, golden, detector, maps):
    """The centre map is its label at every stage, and people are moved out of the middle."""
    options = ["--lmdb", golden / "transform/mpi16_lmdb", "--crop-size", 64, "--batch-size", 1, "--stages", 2]
    assert run_tool("make_prototxt", detector, "--out", tmp_path, *options).returncode == 0
    train = read_net(tmp_path / "train.prototxt")
    assert train.layer[0].transform_param.center_perterb_max == 22
    losses = {layer.name: list(layer.bottom) for layer in train.layer if layer.name.startswith("loss")}
    assert losses == {f"loss_stage{i}": [blob, "pool_center_lower"] for i, blob in enumerate(maps, start=1)}
    with prepare(tmp_path / "solver.prototxt", Options()) as training:
        outputs = training.step().outputs
        assert set(outputs) == set(losses) and all(value > 0 for value in outputs.values())
        deploy = load_net(tmp_path / "deploy.prototxt", seed=1)
        assert len(deploy.load_weights(training.net.to_caffemodel(), "x", every_layer=True)) > 20


def test_kernels_poolings_and_parameters_of_a_net(tmp_path):
    """The labels have the maps' stride, and a net that has no place for kernels says so."""
    shape = ["--stages", 3, "--stage-kernels", "5,5,1/3,1", "--feature-kernels", "5,3", "--local-kernels", "3"]
    widths = ["--widths", "8,8,8,8", "--poolings", 2, "--parameters", 30000]
    assert run_tool("make_prototxt", "mpi", "--out", tmp_path, *shape, *widths).returncode == 0
    assert read_net(tmp_path / "train.prototxt").layer[0].transform_param.stride == 4
    deploy = read_net(tmp_path / "deploy.prototxt")
    sizes = [layer.convolution_param.kernel_size[0] for layer in deploy.layer if layer.type == "Convolution"]
    assert sizes == [5, 3, 5, 3, 1] + [5, 3, 5, 5, 5, 1, 1] + [5, 3, 1, 1]
    net = load_net(tmp_path / "deploy.prototxt")
    assert abs(sum(parameter.numel() for parameter in net.parameters()) - 30000) <= 900
    even = run_tool("make_prototxt", "mpi", "--out", tmp_path, "--stage-kernels", "4,1")
    assert_refused(even, "expected odd kernel sizes, found 4")
    for net in ("small", "vgg", "person", "small-person"):
        for option, value in (("--poolings", 2), ("--widths", "8,8,8,8"), ("--filler-std", 0.1)):
            refused = run_tool("make_prototxt", net, "--out", tmp_path, option, value)
            assert_refused(refused, f"{net}: expected no {option}")


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_has_help_with_an_example(tool):
    result = run_tool(tool, "--help")
    assert result.returncode == 0 and f"python tools/{tool}.py" in result.stdout


def make_models(folder: Path, lmdb: Path, max_iter: int = 3, *more: object) -> Path:
    """The solver of a tiny CPM that trains on an LMDB."""
    sizes = ["--stages", 2, "--widths", "4,4,4,4", "--crop-size", 64, "--filler-std", 0.05, "--batch-size", 2]
    command = ["--lmdb", lmdb, "--out", folder, *sizes, "--max-iter", max_iter, "--random-seed", 3]
    result = run_tool("make_prototxt", "mpi", *command, *more)
    assert result.returncode == 0, result.stderr
    return folder / "solver.prototxt"


def test_the_same_training_from_records_of_pixels_and_of_files(tmp_path):
    """A JPEG in the record gives the pixels that the converter would have stored: the same bits, wherever it leads."""
    write_people(tmp_path)
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(PEOPLE):
        Image.fromarray(pixels(number)).save(photographs / f"{number}.png", format="JPEG", quality=80)
    traces = []
    for storage in ("raw", "file"):
        lmdb = ["--images", photographs, "--out", tmp_path / storage, "--storage", storage]
        assert run_tool("make_lmdb", tmp_path / "x.json", *lmdb).returncode == 0
        solver = make_models(tmp_path / f"models_{storage}", tmp_path / storage)
        result = run_tool("train", "--solver", solver, "--trace", tmp_path / f"{storage}.npz")
        assert result.returncode == 0, result.stderr
        traces.append(read_npz(tmp_path / f"{storage}.npz"))
    assert traces[0].keys() == traces[1].keys() and "blob1/label" in traces[0]
    for name, values in traces[0].items():
        assert_same_bits(traces[1][name], values, name)


def test_a_corrupted_record_ends_the_run_by_name_or_is_skipped(tmp_path):
    write_people(tmp_path)
    folders = ["--images", tmp_path / "first", "--images", tmp_path / "second"]
    assert run_tool("make_lmdb", tmp_path / "x.json", *folders, "--out", tmp_path / "good").returncode == 0
    with LmdbReader(tmp_path / "good") as reader:
        values = [bytes(value) for value in reader]
    write_lmdb(tmp_path / "bad", [values[0], b"\x00" + values[1][1:], *values[2:]])
    solver = make_models(tmp_path / "models", tmp_path / "bad")
    assert_refused(run_tool("train", "--solver", solver), "layer data", "bad: record 0000001")
    result = run_tool("train", "--solver", solver, "--skip-bad", "--profile", "opencv2")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Skipping a record: layer data") == 1 and "record 0000001" in result.stdout


def test_reduced_precision_is_named_and_trains_where_it_can(tmp_path):
    write_people(tmp_path)
    folders = ["--images", tmp_path / "first", "--images", tmp_path / "second"]
    assert run_tool("make_lmdb", tmp_path / "x.json", *folders, "--out", tmp_path / "lmdb").returncode == 0
    solver = make_models(tmp_path / "models", tmp_path / "lmdb", max_iter=2)
    losses = {}
    for engine in ("fast", "fast:bf16"):
        more = ["--overwrite", "--engine", engine, "--trace", tmp_path / "t.npz"]
        result = run_tool("train", "--solver", solver, *more)
        assert result.returncode == 0 and f"Engine: {engine} on cpu" in result.stdout, result.stderr
        losses[engine] = read_npz(tmp_path / "t.npz")["loss"]
    assert 0 < abs(losses["fast:bf16"] / losses["fast"] - 1).max() < 0.02
    assert_refused(run_tool("train", "--solver", solver, "--engine", "fast:fp16"), "fast:fp16", "fast:bf16")


@pytest.fixture(scope="module")
def people_lmdb(tmp_path_factory):
    """An LMDB of the seven people."""
    folder = write_people(tmp_path_factory.mktemp("people"))
    folders = ["--images", folder / "first", "--images", folder / "second"]
    assert run_tool("make_lmdb", folder / "x.json", *folders, "--out", folder / "lmdb").returncode == 0
    return folder / "lmdb"


def test_held_out_people_are_scored_and_drawn_and_change_no_bit(tmp_path, people_lmdb):
    solver = make_models(tmp_path / "models", people_lmdb, 4, "--snapshot", 2, "--display", 1)
    assert run_tool("train", "--solver", solver).returncode == 0
    alone = (tmp_path / "models/cpm_iter_4.caffemodel").read_bytes()
    watching = ["--held-out", people_lmdb, "--score-every", 3, "--score-people", 5, "--preview", 2]
    result = run_tool("train", "--solver", solver, "--overwrite", *watching)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "models/cpm_iter_4.caffemodel").read_bytes() == alone
    assert list(parse_log(tmp_path / "models/cpm.log").scores["PCK@0.2"]) == [3, 4]
    assert "iterations/s, " in result.stdout and " left" in result.stdout
    rows = list(csv.DictReader((tmp_path / "models/cpm.csv").read_text().splitlines()))
    assert [row["iteration"] for row in rows if row["PCK@0.2"]] == ["3", "4"]
    for iteration in (2, 4):
        assert picture_size(tmp_path / f"models/cpm_iter_{iteration}.png")[0] > 200
    assert_refused(run_tool("train", "--solver", solver, "--overwrite", "--preview", 2), "expected --held-out DIR")
    (tmp_path / "models/deploy.prototxt").unlink()
    assert_refused(run_tool("train", "--solver", solver, "--overwrite", *watching), "deploy.prototxt: cannot be read")


def test_a_loss_that_explodes_ends_the_run_and_keeps_the_snapshots(tmp_path, people_lmdb):
    solver = make_models(tmp_path / "models", people_lmdb, 8, "--snapshot", 1, "--base-lr", 1e30)
    said = ("layer loss_stage", "expected a finite loss", "the run stops before this update")
    assert_refused(run_tool("train", "--solver", solver), "iteration ", *said)
    log = (tmp_path / "models/cpm.log").read_text()
    assert said[1] in log.splitlines()[-1] and log.splitlines()[-1].startswith("E")
    assert not (tmp_path / "models/cpm_iter_8.caffemodel").exists()
    result = run_tool("train", "--solver", solver, "--overwrite", "--keep-going")
    assert result.returncode == 0 and (tmp_path / "models/cpm_iter_8.caffemodel").exists()


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path, people_lmdb):
    solver = make_models(tmp_path / "models", people_lmdb, 100000, "--display", 1)
    command = [sys.executable, str(ROOT / "tools/train.py"), "--solver", str(solver)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        run.stdout.readline()
        run.stdout.close()
        said = run.stderr.readline().decode()
        run.send_signal(signal.SIGTERM)
        assert run.stderr.read() == b""
    log = (tmp_path / "models/cpm.log").read_text()
    assert run.returncode == 0 and "Optimization stopped early." in log
    assert said.startswith("stdout takes no more lines (Broken pipe): the run goes on") and said.strip() in log
