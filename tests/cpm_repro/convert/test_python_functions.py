"""Layers that a file of Python takes functions along for, against this project's engine; and those functions' texts."""

import runpy

import pytest
import torch

from cpm_repro.convert.python_export import save_python
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.cpm_repro.convert.taken_away import CASES, ETA, Case, agree, expected

pytest.importorskip("safetensors", reason="the extra `convert` is not installed")

MORE = {
    "ArgMax": Case("ArgMax", {"i": (3, 5, 4)}, "argmax_param { axis: 1 top_k: 2 }"),
    "ArgMax, values": Case("ArgMax", {"x": (3, 5, 4)}, "argmax_param { axis: -1 out_max_val: true }"),
    "ArgMax of images": Case("ArgMax", {"i": (3, 5, 4, 2)}, "argmax_param { top_k: 4 out_max_val: true }"),
    "DetectionOutput, eta": ETA,
    "Embed": Case("Embed", {"i": (4, 3)}, 'embed_param { num_output: 6 input_dim: 5 weight_filler { type: "gaussian" } '
                  'bias_filler { type: "uniform" } }'),
    "BatchReindex": Case("BatchReindex", {"x": (5, 3), "i": (7,)}, ""),
    "PriorBox": Case("PriorBox", {"x": (1, 2, 4, 5), "y": (1, 3, 33, 41)}, "prior_box_param { min_size: 6 max_size: 14 "
                     "aspect_ratio: 2 aspect_ratio: 3 flip: true clip: true variance: 0.1 }"),
    "PriorBox, given sizes": Case("PriorBox", {"x": (1, 2, 4, 5), "y": (1, 3, 33, 41)}, "prior_box_param { min_size: 6 "
                                  "img_h: 30 img_w: 40 step: 7 offset: 0.25 variance: 0.1 variance: 0.1 variance: 0.2 "
                                  "variance: 0.3 }"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*CASES, *MORE])
def test_a_layer(tmp_path, name):
    case = {**CASES, **MORE}[name]
    net = case.net()
    save_python(tmp_path / "net.py", net, "")
    there = runpy.run_path(str(tmp_path / "net.py"))["load"]()
    for seed in range(3):  # the same net each time: what it carries on is carried on there too
        inputs = case.inputs(seed)
        with torch.no_grad():
            found = there(*(torch.from_numpy(values) for values in inputs.values()))
        found = list(found.values()) if isinstance(found, dict) else [found]
        agree([values.numpy() for values in found], expected(net, inputs), name)
    assert not any(name == "DetectionOutput" and values.shape[2] < 5 for values in expected(net, inputs))


def test_a_parameter(tmp_path):
    text = 'layer { name: "p" type: "Parameter" top: "t" parameter_param { shape { dim: 2 dim: 3 } } }'
    net = Net(parse_net('input: "x" input_shape { dim: 2 dim: 3 }' + text + (
        'layer { name: "e" type: "Eltwise" bottom: "x" bottom: "t" top: "y" }'), "n"))  # fmt: skip
    torch.nn.init.uniform_(net.layers["p"].value)
    save_python(tmp_path / "net.py", net, text)
    there = runpy.run_path(str(tmp_path / "net.py"))["load"]()
    assert torch.equal(there(torch.ones(2, 3)), 1 + net.layers["p"].value)


def test_only_what_is_used_is_written(tmp_path):
    save_python(tmp_path / "net.py", CASES["SPP"].net(), "")
    text = (tmp_path / "net.py").read_text()
    made = [line.split()[1].split("(")[0] for line in text.splitlines() if line.startswith(("def ", "class "))]
    assert made == ["load", "read_safetensors", "beyond", "max_pool", "ave_pool", "pyramid", "Net"]
