"""tools/bench.py data: a table, JSON with all numbers and a picture; without OpenCV it says so."""

import json
import runpy

import pytest
import torch
from PIL import Image
from tool import ROOT, assert_refused, run_tool

from cpm_repro import benchmark_data
from data_lmdb.record import encode
from data_lmdb.writer import write_lmdb


def a_few_people(path):
    write_lmdb(path, [encode(benchmark_data.drawn_record(index)) for index in range(2)])
    return path


def run_bench(folder, monkeypatch, *more):
    monkeypatch.setattr(benchmark_data, "LEAST_SAMPLES", 2)
    monkeypatch.setattr(benchmark_data, "BATCH_SIZE", 2)
    return run_tool("bench", "data", "--lmdb", a_few_people(folder / "lmdb"), "--rounds", 2, *more)


def test_data_gives_a_table_json_and_a_picture(tmp_path, monkeypatch):
    result = run_bench(
        tmp_path, monkeypatch, "--threads", 3, "--json", tmp_path / "r.json", "--plot", tmp_path / "r.png"
    )
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    assert len(report["one_thread"]["cpm-repro"]["rounds"]) == 2
    assert [row["threads"] for row in report["threads"]] == [1, 2, 3]
    assert report["machine"]["cores"] >= 1 and report["bytes_per_sample"]["record"] > 4 * 400 * 400
    assert ("ratio" in report) == (report["opencv"] is not None)
    median = report["one_thread"]["cpm-repro"]["median"]
    assert f"{median:.0f} samples/s" in result.stdout and "side of the crop" in result.stdout
    assert Image.open(tmp_path / "r.png").size > (900, 300)


def test_without_opencv_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark_data, "opencv_version", lambda: None)
    result = run_bench(tmp_path, monkeypatch, "--threads", 1)
    assert result.returncode == 0, result.stderr
    assert "OpenCV is not installed" in result.stdout and "ratio" not in result.stdout


def test_a_cards_report_is_put_in_words(capsys):
    card = {"kernels": 200000.0, "pipeline": 9000.0, "bytes_moved": 4 << 20, "copy_bandwidth": 4e12}
    card |= {"share_of_copy_bandwidth": 0.21, "kernels_limited_by": "arithmetic and latency"}
    card |= {"pipeline_limited_by": "the upload", "bounds": {"the upload": 10000.0}}
    runpy.run_path(str(ROOT / "tools" / "bench.py"))["show_card"](card)
    printed = capsys.readouterr().out
    assert "200000 samples/s, 4096 KiB" in printed and "21% of a copy's 4000 GB/s: limited by arithmetic" in printed
    assert "9000 samples/s, limited by the upload" in printed


@pytest.mark.gpu
def test_on_a_card(tmp_path, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    result = run_bench(tmp_path, monkeypatch, "--threads", 4, "--device", "cuda", "--json", tmp_path / "r.json")
    assert result.returncode == 0, result.stderr
    card = json.loads((tmp_path / "r.json").read_text())["card"]
    assert 0 < card["pipeline"] < card["kernels"]
    assert "kernels alone" in result.stdout


def test_bad_input_is_one_sentence(tmp_path):
    assert_refused(run_tool("bench", "data", "--lmdb", tmp_path / "none"), "expected an LMDB folder", "none")
    write_lmdb(tmp_path / "lmdb", [b"no record"])
    assert_refused(run_tool("bench", "data", "--lmdb", tmp_path / "lmdb"), "record 0000000")
    assert_refused(run_tool("bench", "data", "--plot", tmp_path / "r.bmp"), "expected a name ending in")
