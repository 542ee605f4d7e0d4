"""Nets as files of Python: every layer's lines, stages as methods, and a process that has torch only."""

import importlib.util
import re

import pytest
import torch

from cpm_repro.convert.check import check
from cpm_repro.convert.python_export import save_python
from cpm_repro.convert.weights import save_safetensors
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.cpm_repro.convert.elsewhere import CHAINS, CPM, chain, run_alone

pytest.importorskip("safetensors", reason="the extra `convert` is not installed")

ALONE = """
import importlib.util
import torch
spec = importlib.util.spec_from_file_location("net", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
inputs, expected = torch.load(sys.argv[2], weights_only=True)
net = module.load()
for x, wanted in zip(inputs, expected):
    found = net(x)
    print(found.shape == wanted.shape, float((found - wanted).abs().max() / wanted.abs().max()))
print(hasattr(net, "stage2"))
"""


def net_of(text):
    net = Net(parse_net(text, "n"), seed=1).eval()
    for layer in net.layers.values():
        if layer.spec.type == "BatchNorm":
            torch.nn.init.constant_(layer.factor, 2)
            torch.nn.init.uniform_(layer.mean, -1, 1)
            torch.nn.init.uniform_(layer.variance, 1, 3)
    return net


@pytest.mark.parametrize("name", CHAINS)
def test_every_layer(tmp_path, name):
    net = net_of(chain(name))
    save_python(tmp_path / "net.py", net, "the text")
    checks = check(net, chain(name), tmp_path / "net.py", dynamic=True)
    assert len(checks) == 3 and all(made.fits and made.blobs for made in checks)
    assert max(blob.share_of_largest for made in checks for blob in made.blobs) < 2e-5


def test_where_there_is_torch_only(tmp_path):
    net = net_of(CPM)
    save_python(tmp_path / "net.py", net, CPM)
    inputs = [
        torch.rand(*shape, generator=torch.Generator().manual_seed(3)) for shape in ((1, 4, 21, 26), (3, 4, 40, 33))
    ]
    with torch.no_grad():
        expected = [net({"data": x})["sum"] for x in inputs]
    torch.save((inputs, expected), tmp_path / "expected.pt")
    *lines, staged = run_alone(ALONE, tmp_path / "net.py", tmp_path / "expected.pt").splitlines()
    assert all(line.startswith("True ") and float(line.split()[1]) < 1e-5 for line in lines) and len(lines) == 2
    assert staged == "True"


def test_it_reads_like_the_prototxt(tmp_path):
    save_python(tmp_path / "net.py", net_of(CPM), CPM)
    text = (tmp_path / "net.py").read_text()
    for line in (
        "self.conv1_stage1 = nn.Conv2d(3, 8, 5, padding=2)",
        "image, center_map = data[:, 0:3], data[:, 3:4]",
        "conv1_stage1 = F.relu(self.conv1_stage1(image))",
        "pool1_stage1 = max_pool(conv1_stage1, (3, 3), (2, 2), (0, 0))",
        "def stage2(self, pool1_stage1, conv2_stage1, center):",
        "sum = self.stage2(pool1_stage1, conv2_stage1, center)",
    ):
        assert f" {line}\n" in text, line
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", ["normalizations", "forks"])
def test_all_but_statistics_learn(tmp_path, name):
    """Also outside of torch.no_grad(), where torch refuses statistics that want a gradient."""
    save_python(tmp_path / "net.py", net_of(chain(name)), chain(name))
    spec = importlib.util.spec_from_file_location("net", tmp_path / "net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = module.load()
    net(torch.rand(2, 4, 21, 26)).sum().backward()
    still = {key for key, values in net.named_parameters() if values.grad is None}
    assert still and all(key.endswith(("_mean", "_variance")) for key in still)


CONV = 'layer {{ name: "{0}" type: "Convolution" bottom: "{1}" top: "{0}" convolution_param {{ num_output: 4 '
CONV += 'kernel_size: 3 weight_filler {{ type: "xavier" }} }} }} '
LAYER = 'layer {{ name: "{0}" type: "{1}" {2} }} '
ALIASED = {
    "a copy in place": CONV.format("c", "data")
    + LAYER.format("z", "Dropout", 'bottom: "c" top: "z"')
    + LAYER.format("r", "ReLU", 'bottom: "z" top: "z"')
    + CONV.format("d", "c")
    + LAYER.format("u", "Power", 'bottom: "z" top: "u"'),
    "one of two in place": CONV.format("c", "data")
    + LAYER.format("s", "Split", 'bottom: "c" top: "a" top: "b"')
    + LAYER.format("r", "ReLU", 'bottom: "a" top: "a"')
    + LAYER.format("e", "Eltwise", 'bottom: "a" bottom: "b" top: "e"'),
    "the input in place": LAYER.format("r", "ReLU", 'bottom: "data" top: "data"'),
    "what goes nowhere": CONV.format("c_stage1", "data")
    + CONV.format("d_stage2", "c_stage1")
    + LAYER.format("s", "Silence", 'bottom: "d_stage2"')
    + CONV.format("e_stage3", "c_stage1"),
}


@pytest.mark.parametrize("name", ALIASED)
def test_blobs_that_are_others(tmp_path, name):
    text = 'input: "data" input_shape { dim: 2 dim: 4 dim: 9 dim: 7 } ' + ALIASED[name]
    net = net_of(text)
    save_python(tmp_path / "net.py", net, text)
    (made,) = check(net, text, tmp_path / "net.py")
    assert made.fits and made.blobs
    code = (tmp_path / "net.py").read_text()
    assert "d_stage2" not in code
    assert all(len(re.findall(rf"\b{name}\b", code)) != 1 for name in ("F", "Sequence", "Tensor"))


def test_names_that_python_has(tmp_path):
    text = 'input: "class" input_shape { dim: 1 dim: 2 dim: 5 dim: 5 }'
    tops = ("self", "3 x", "forward", "3_x", "F")
    for index, (bottom, top) in enumerate(zip(("class", *tops), tops, strict=False)):
        layer = ("a.b", "forward", "forward2", "stage1", "9")[index]
        text += f"""layer {{ name: "{layer}" type: "Convolution" bottom: "{bottom}" top: "{top}"
            convolution_param {{ num_output: 2 kernel_size: 1 weight_filler {{ type: "xavier" }} }} }}"""
    net = net_of(text)
    save_python(tmp_path / "net.py", net, text)
    (made,) = check(net, text, tmp_path / "net.py")
    assert made.fits


def test_what_cannot_be_written(tmp_path):
    text = 'input: "x" input_dim: 1 input_dim: 4 input_dim: 5 input_dim: 5 '
    text += 'layer { name: "loss" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "y" }'
    with pytest.raises(InputError, match=r"'loss' \(EuclideanLoss\): expected a layer of a deploy net, for a file"):
        save_python(tmp_path / "net.py", net_of(text), text)
    with pytest.raises(InputError, match="expected a name that Python can import"):
        save_python(tmp_path / "my-net.py", net_of(CPM), CPM)
    for name in ("class.py", "1st.py"):
        with pytest.raises(InputError, match="expected a name that Python can import"):
            save_python(tmp_path / name, net_of(CPM), CPM)
    for name in ("torch.py", "json.py"):
        with pytest.raises(InputError, match="expected a name that no module of Python's or torch has"):
            save_python(tmp_path / name, net_of(CPM), CPM)
    silent = (
        'input: "x" input_dim: 1 input_dim: 4 input_dim: 5 input_dim: 5 layer { name: "s" type: "Silence" bottom: "x" }'
    )
    with pytest.raises(
        InputError, match="the net: expected a blob that no layer takes, for a file of Python, found none"
    ):
        save_python(tmp_path / "net.py", net_of(silent), silent)
    assert not list(tmp_path.iterdir())


def test_a_nets_own_weights_are_not_written_over(tmp_path):
    """Both would be called net.safetensors."""
    net = net_of(CPM)
    save_python(tmp_path / "net.py", net, CPM)
    save_python(tmp_path / "net.py", net, CPM)  # its own weights again
    before = (tmp_path / "net.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"net\.safetensors: .*, found the weights that net\.py reads"):
        save_safetensors(tmp_path / "net.safetensors", net, CPM)
    assert (tmp_path / "net.safetensors").read_bytes() == before
    (tmp_path / "net.py").unlink()  # now nothing reads them
    save_safetensors(tmp_path / "net.safetensors", net, CPM)
    before = (tmp_path / "net.safetensors").read_bytes()
    with pytest.raises(InputError, match=r"the weights of net\.py, found a net's own \.safetensors"):
        save_python(tmp_path / "net.py", net, CPM)
    assert (tmp_path / "net.safetensors").read_bytes() == before
