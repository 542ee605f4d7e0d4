"""tools/bench.py: tables, JSON with all numbers, Markdown and a picture; what is missing is said."""

import json

import pytest
import torch

from cpm_repro.benchmarks import data, infer, labels, measure, networks, poses, tables
from cpm_repro.benchmarks.samples import makers
from cpm_repro.network.specification import Widths
from data_lmdb.records.record import encode
from data_lmdb.records.writer import write_lmdb
from tests.tool import assert_refused, picture_size, run_tool


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0)
    monkeypatch.setattr(infer, "memory_of_process", lambda way, case: None)
    monkeypatch.setattr(infer, "limits", lambda device: {"matrix product": lambda: 1, "copy": lambda: 1})
    monkeypatch.setattr(networks, "WIDTHS", Widths(4, 3, 5, 4))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def a_few_people(path):
    write_lmdb(path, [encode(data.drawn_record(index)) for index in range(2)])
    return path


def run_data(folder, monkeypatch, *more):
    monkeypatch.setattr(data, "LEAST_SAMPLES", 2)
    monkeypatch.setattr(data, "BATCH_SIZE", 2)
    return run_tool("bench", "data", "--lmdb", a_few_people(folder / "lmdb"), "--rounds", 2, *more)


def outputs(folder):
    return ["--json", folder / "r.json", "--plot", folder / "r.png", "--markdown", folder / "r.md"]


def assert_written(folder, result):
    """Exit code 0; the JSON, after a look at the others."""
    assert result.returncode == 0, result.stderr
    assert (folder / "r.md").read_text() == result.stdout and "\n\nMeasured on 20" in result.stdout
    assert picture_size(folder / "r.png") > (400, 300)
    report = json.loads((folder / "r.json").read_text())
    assert report["machine"]["cores"] >= 1 and report["machine"]["versions"]["torch"]
    return report


@pytest.mark.slow
def test_data(tmp_path, monkeypatch):
    result = run_data(tmp_path, monkeypatch, "--threads", 3, *outputs(tmp_path))
    report = assert_written(tmp_path, result)
    assert len(report["one_thread"]["cpm-repro"]["rounds"]) == 2
    assert [row["threads"] for row in report["threads"]] == [1, 2, 3]
    assert report["bytes_per_sample"]["record"] > 4 * 400 * 400
    assert {*report["one_thread"], *report["missing"]} == {"cpm-repro", *makers.PEERS}
    median = report["one_thread"]["cpm-repro"]["median"]
    assert f" {tables.number(median)} (" in result.stdout
    assert "side of the crop" in result.stdout


def test_data_says_which_peers_are_missing(tmp_path, monkeypatch):
    def absent(transformer, stack):
        raise ImportError("none", name="cv2")

    for peers in (makers.PEERS, makers.FILE_PEERS):
        for name in peers:
            monkeypatch.setitem(peers, name, makers.Peer(absent))
    result = run_data(tmp_path, monkeypatch, "--threads", 1)
    assert result.returncode == 0, result.stderr
    assert "Not measured: OpenCV: cv2 is not installed." in result.stdout and "| OpenCV" not in result.stdout


@pytest.mark.slow
def test_poses(tmp_path):
    options = ["--stages", 1, "--pictures", 1, "--rounds", 1, "--threads", 1, "--short"]
    report = assert_written(tmp_path, run_tool("bench", "poses", *options, *outputs(tmp_path)))
    assert list(report["pipelines"]) == ["fast engine", *poses.PEERS]
    assert set(report["ratios"]) == set(poses.PEERS)


def test_infer_says_which_peers_are_missing(tmp_path, monkeypatch):
    def absent(case):
        raise ImportError("none", name="onnxruntime")

    plain = networks.PEERS["cpu"][networks.CHANNELS_LAST]
    monkeypatch.setitem(networks.PEERS, "cpu", {networks.CHANNELS_LAST: plain, networks.ONNX_RUNTIME: absent})
    options = ["--size", 48, "--stages", 2, "--threads", 1, "--rounds", 1, "--engine", "exact"]
    result = run_tool("bench", "infer", *options, *outputs(tmp_path))
    report = assert_written(tmp_path, result)
    assert list(report["pipelines"]) == ["exact engine", networks.CHANNELS_LAST]
    assert report["ratios"][networks.CHANNELS_LAST] > 0
    assert "Not measured: ONNX Runtime: onnxruntime is not installed." in result.stdout
    assert "cpm, 2 stages, 48 x 48, batch 1, 1 thread**" in result.stdout


@pytest.mark.slow
def test_train_and_exact(tmp_path):
    options = ["--size", 48, "--stages", 1, "--threads", 1, "--rounds", 1, *outputs(tmp_path)]
    report = assert_written(tmp_path, run_tool("bench", "train", "--batch-size", 2, *options))
    assert list(report["pipelines"]) == ["fast engine", "torch", networks.CHANNELS_LAST]
    report = assert_written(tmp_path, run_tool("bench", "exact", *options))
    assert report["forward"]["differences"]["fast engine"] < 2e-5 and report["products"][0]["share"] > 0


def test_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "CROP_SIZES", (72,))
    monkeypatch.setattr(labels, "PEOPLE_COUNTS", (1,))
    report = assert_written(tmp_path, run_tool("bench", "labels", "--rounds", 1, *outputs(tmp_path)))
    assert set(report["ratios"]) == {"NumPy", "torch"}


def test_a_cards_report_is_put_in_words():
    card = {"kernels": 200000.0, "pipeline": 9000.0, "bytes_moved": 4 << 20, "copy_bandwidth": 4e12}
    card |= {"share_of_copy_bandwidth": 0.21, "kernels_limited_by": "arithmetic and latency"}
    card |= {"pipeline_limited_by": "the upload", "bounds": {"the upload": 10000.0}}
    text = data.card_text(card)
    assert (
        "|    200000 |" in text and "4096 KiB per sample, at 21% of a copy's 4000 GB/s: limited by arithmetic" in text
    )
    assert "|      9000 |" in text and "The data layer is limited by the upload." in text


@pytest.mark.gpu
def test_on_a_card(tmp_path, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    result = run_data(tmp_path, monkeypatch, "--threads", 4, "--device", "cuda", "--json", tmp_path / "r.json")
    assert result.returncode == 0, result.stderr
    card = json.loads((tmp_path / "r.json").read_text())["card"]
    assert 0 < card["pipeline"] < card["kernels"] and "On the card" in result.stdout
    options = ["--size", 48, "--stages", 2, "--rounds", 1, "--device", "cuda"]
    for name in ("infer", "train", "exact"):
        result = run_tool("bench", name, *options, "--json", tmp_path / "r.json")
        assert result.returncode == 0, result.stderr
        assert "cuda" in result.stdout and json.loads((tmp_path / "r.json").read_text())["machine"]["card"]


def test_bad_input_is_one_sentence(tmp_path):
    assert_refused(run_tool("bench", "data", "--lmdb", tmp_path / "none"), "expected an LMDB folder", "none")
    write_lmdb(tmp_path / "lmdb", [b"no record"])
    assert_refused(run_tool("bench", "data", "--lmdb", tmp_path / "lmdb"), "record 0000000")
    assert_refused(run_tool("bench", "data", "--plot", tmp_path / "r.bmp"), "expected a name ending in")
    assert_refused(run_tool("bench", "infer", "--size", 100), "--size: expected a multiple of 8", "found 100")
    assert_refused(run_tool("bench", "infer", "--net", tmp_path / "no.prototxt"), "no.prototxt")
    assert_refused(run_tool("bench", "exact", "--net", "n.prototxt", "--stages", 3), "n.prototxt: expected no stages")
    assert_refused(run_tool("bench", "train", "--engine", "fast:fp16"), "expected an engine to train with")


@pytest.mark.parametrize(
    "layers, said",
    [
        ('type: "ReLU" bottom: "data" top: "c"', "expected a layer with weights, found none"),
        ('type: "Foo" bottom: "data" top: "c"', "layer 'c': expected a known type, found 'Foo'"),
        (
            'type: "InnerProduct" bottom: "data" top: "c" inner_product_param { num_output: 2 } }'
            'layer { name: "s" type: "Silence" bottom: "c"',
            "expected a net with an output blob, found all of them silenced",
        ),
    ],
)
def test_nets_that_cannot_be_measured_are_named(tmp_path, layers, said):
    net = tmp_path / "net.prototxt"
    net.write_text(f'input: "data" input_shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }} layer {{ name: "c" {layers} }}')
    assert_refused(run_tool("bench", "exact", "--net", net, "--short"), f"{net}: {said}")


def test_cluster(tmp_path):
    result = run_tool("bench", "cluster", "--net", "person", "--link", "slow=0.01", *outputs(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "By a model, not measured." in result.stdout and picture_size(tmp_path / "r.png") > (400, 300)
    report = json.loads((tmp_path / "r.json").read_text())
    assert list(report["shared"]) == ["slow"] and report["shared_limit"]["slow"] == [9, "exchange"]
    refused = run_tool("bench", "cluster", "--link", "1.25")
    assert refused.returncode == 2 and "expected a name of at most 30 characters and GB/s" in refused.stderr
    assert_refused(run_tool("bench", "cluster", "--link", "a=1", "--link", "a=2"), "links, of different names", "a, a")
    refused = run_tool("bench", "cluster", "--record", "1e308")
    assert refused.returncode == 2 and "--record: expected a number from 1e-09 to 1e+12" in refused.stderr


def test_a_cluster_of_extremes_has_numbers(tmp_path):
    slow = ["--card-rate", 1e-9, "--samples-rate", 1e-9, "--record", 1e12, "--latency", 1e12]
    fast = ["--card-rate", 1e12, "--storage", 1e-9, "--inside", 1e-9, "--cards", 2**31 - 1, "--link", "a=1e-9"]
    for options in (slow, fast):
        result = run_tool("bench", "cluster", *options, "--json", tmp_path / "r.json")
        assert result.returncode == 0 and "nan" not in result.stdout, result.stderr
