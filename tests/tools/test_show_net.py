"""tools/show_net.py as typed: the table, the drawing, the JSON, and wrong input."""

import json

from prototxt_import.formats.caffemodel import write_caffemodel
from tests.foreign_nets import foreign_net
from tests.tool import assert_refused, run_tool
from tests.tools.tiny_cpm import write_net


def test_table_drawing_and_json(tmp_path):
    prototxt, weights = write_net(tmp_path)
    out, values = tmp_path / "net.svg", tmp_path / "net.json"
    result = run_tool("show_net", prototxt, "--weights", weights, "--out", out, "--json", values)
    assert result.returncode == 0, result.stderr
    assert "Convolution 8x8/8" in result.stdout and "stage 1 on the image: 24x24" in result.stdout
    assert "deviation" in result.stdout and result.stdout.rstrip().endswith("GFLOP")
    assert out.read_text().startswith("<?xml") and (tmp_path / "net.json").stat().st_size
    assert [stage["maps"] for stage in json.loads(values.read_text())["stages"]] == ["conv2_stage1", "Mconv1_stage2"]


def test_a_net_without_stages(tmp_path):
    _, text = foreign_net("squeezenet")
    (tmp_path / "n.prototxt").write_text(text)
    result = run_tool("show_net", tmp_path / "n.prototxt", "--out", tmp_path / "n.png")
    assert result.returncode == 0 and "stage" not in result.stdout, result.stderr
    assert (tmp_path / "n.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input_ends_in_one_sentence(tmp_path):
    prototxt, _ = write_net(tmp_path)
    assert_refused(run_tool("show_net", tmp_path / "none.prototxt"), "none.prototxt", "cannot be read")
    assert_refused(run_tool("show_net", prototxt, "--out", tmp_path / "n.bmp"), "n.bmp", "expected a name ending in")
    other, _ = foreign_net("alexnet")
    write_caffemodel(tmp_path / "o.caffemodel", other.to_caffemodel())
    wrong = run_tool("show_net", prototxt, "--weights", tmp_path / "o.caffemodel")
    assert_refused(wrong, "o.caffemodel", "found none of their names")
