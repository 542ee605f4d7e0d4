"""Nets that leave: what torch.export, jit.trace, torch.compile and torch.save make of them, by the plain engine and by
the fast one."""

import io

import numpy as np
import pytest
import torch
from torch import nn

from cpm_repro.network.specification import CPM, cpm_deploy, vgg_deploy
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net
from tests.prototxt_import.layer_zoo import prototxts

TEXT = """input: "data" input_shape { dim: 1 dim: 4 dim: 33 dim: 35 }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 16 kernel_size: 9 pad: 4 weight_filler { type: "xavier" } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "max" type: "Pooling" bottom: "c" top: "max" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "ave" type: "Pooling" bottom: "c" top: "ave" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "cut" type: "Crop" bottom: "ave" bottom: "max" top: "cut" crop_param { axis: 2 } }
layer { name: "join" type: "Concat" bottom: "max" bottom: "cut" top: "join" }
layer { name: "up" type: "Deconvolution" bottom: "join" top: "up"
        convolution_param { num_output: 3 kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "whole" type: "Pooling" bottom: "up" top: "whole" pooling_param { pool: AVE global_pooling: true } }
layer { name: "fc" type: "InnerProduct" bottom: "whole" top: "fc"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""
OUTPUTS = ("up", "fc")
COMPILED = pytest.mark.filterwarnings(
    "ignore:.*should not be instantiated:DeprecationWarning", "ignore:Guards may run slower:RuntimeWarning"
)
"""torch.compile itself makes an autograd function that it then warns of; of Python 3.13.0 it warns, too."""


class Outputs(nn.Module):
    """A net as a function of its picture."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net

    def forward(self, data: torch.Tensor) -> tuple[torch.Tensor, ...]:
        blobs = self.net({"data": data})
        return tuple(blobs[name] for name in OUTPUTS)


@pytest.fixture(params=["plain", "fast"])
def net(request):
    return Outputs(Net(parse_net(TEXT, "n"), engine=request.param, seed=1).eval())


def picture(height=33, width=35, images=1):
    return torch.rand(images, 4, height, width, generator=torch.Generator().manual_seed(7))


def assert_close(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape and (one - other).abs().max() <= 1e-5 * other.abs().max()


def test_plain_and_fast_agree():
    plain, fast = (Net(parse_net(TEXT, "n"), engine=engine, seed=1).eval() for engine in ("plain", "fast"))
    found, expected = (Outputs(net)(picture()) for net in (plain, fast))
    assert_close(found, expected)
    for one, other in ((plain, found), (fast, expected)):
        sum(output.square().sum() for output in other).backward()
        assert all(blob.parameter.grad is not None for blob in one.learnable)
    assert_close(*([blob.parameter.grad for blob in net.learnable] for net in (plain, fast)))


@pytest.mark.filterwarnings("ignore:No complete tensor found")
@pytest.mark.parametrize("gradients", [False, True])
def test_exported_with_open_sizes(net, gradients):
    dim, auto = torch.export.Dim, torch.export.Dim.AUTO
    with torch.set_grad_enabled(gradients):
        program = torch.export.export(
            net, (picture(40, 48, 2),), dynamic_shapes=({0: dim("images"), 2: auto, 3: auto},), strict=False
        )
    file = io.BytesIO()
    torch.export.save(program, file)
    again = torch.export.load(io.BytesIO(file.getvalue())).module()
    foreign = [node.target for node in program.graph.nodes if "cpm_repro" in str(node.target)]
    assert bool(foreign) == (str(net.net.engine) == "fast")
    with torch.no_grad():
        for size in ((33, 35, 1), (40, 48, 2), (71, 50, 3)):
            assert_close(again(picture(*size)), net(picture(*size)))


@pytest.mark.filterwarnings(
    "ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning", "ignore:.*jit:FutureWarning"
)
@pytest.mark.parametrize("gradients", [False, True])
def test_traced(gradients):
    net = Outputs(Net(parse_net(TEXT, "n"), engine="plain", seed=1).eval())
    with torch.set_grad_enabled(gradients):
        traced = torch.jit.trace(net, picture())
    assert_close(traced(picture()), net(picture()))


@COMPILED
def test_compiled_with_its_gradients(net):
    expected = net(picture())
    expected[0].sum().backward()
    wanted = [blob.parameter.grad.clone() for blob in net.net.learnable if blob.layer == "c"]
    net.zero_grad()
    found = torch.compile(net, backend="aot_eager")(picture())
    found[0].sum().backward()
    assert_close(found, expected)
    assert_close([blob.parameter.grad for blob in net.net.learnable if blob.layer == "c"], wanted)


@pytest.mark.slow
@COMPILED
@pytest.mark.parametrize("gradients", [False, True])
def test_compiled_and_exported_as_one_graph(net, gradients):
    with torch.set_grad_enabled(gradients):
        expected = net(picture())
        assert_close(torch.compile(net, backend="aot_eager", fullgraph=True)(picture()), expected)
        assert_close(torch.export.export(net, (picture(),), strict=True).module()(picture()), expected)


@pytest.mark.slow
@COMPILED
@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("param", [cpm_deploy(CPM(3, 2), (80, 96)), vgg_deploy(3, 2, (40, 56))], ids=["cpm", "vgg"])
def test_pose_machines_as_one_graph(param, engine):
    net = Net(parse_net(format_prototxt(param), "n"), engine=engine, seed=1).eval()
    blobs = {name: torch.rand(shape) for name, shape in net.input_shapes.items()}
    with torch.no_grad():
        expected = net(blobs)
        compiled = torch.compile(net, backend="aot_eager", fullgraph=True)(blobs)
        exported = torch.export.export(net, (blobs,), strict=True).module()(blobs)
    for found in (compiled, exported):
        assert_close(*([each[name] for name in net.output_names] for each in (found, expected)))


def whole(text, engine="plain"):
    """A net, and zeros for its inputs: labels and indices of any kind may be 0."""
    made = Net(parse_net(text, "n"), engine=engine, seed=1).eval()
    return made, {name: torch.zeros(shape) for name, shape in made.input_shapes.items()}


READING = """
input: "data" input_shape { dim: 2 dim: 4 dim: 5 dim: 6 } input: "labels" input_shape { dim: 2 }
layer { name: "exp" type: "Exp" bottom: "data" top: "exp" exp_param { base: 2 shift: 0.5 } }
layer { name: "log" type: "Log" bottom: "exp" top: "log" log_param { base: 10 shift: 3 } }
layer { name: "columns" type: "Im2col" bottom: "log" top: "columns" convolution_param { kernel_size: 3 } }
layer { name: "rows" type: "Reshape" bottom: "columns" top: "rows" reshape_param { shape { dim: 0 dim: -1 dim: 6 } } }
layer { name: "sums" type: "Reduction" bottom: "rows" top: "sums" reduction_param { operation: SUMSQ axis: 2 } }
layer { name: "rows_of" type: "Embed" bottom: "labels" top: "rows_of" embed_param { num_output: 3 input_dim: 5 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "sums" bottom: "labels" top: "loss" loss_param { ignore_label: 3 }
}
layer { name: "right" type: "Accuracy" bottom: "sums" bottom: "labels" top: "right" }
"""


@pytest.mark.slow
@COMPILED
def test_settings_are_read_before_a_compiler_follows():
    made, blobs = whole(READING)
    with torch.no_grad():
        found, expected = torch.compile(made, backend="aot_eager", fullgraph=True)(blobs), made(blobs)
    assert_close(*([each[name] for name in made.output_names] for each in (found, expected)))


@pytest.mark.slow
@COMPILED
@pytest.mark.filterwarnings("ignore:While compiling, we found certain side effects")  # LSTM carries a state on
@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_every_layer_that_the_original_computed_as_one_graph(golden, golden2, engine):
    for path in (golden / "net/layer_zoo.npz", golden2 / "net/layer_zoo2.npz"):
        for name, text in prototxts(np.load(path)).items():
            made, blobs = whole(text, engine)
            torch.compiler.reset()
            with torch.no_grad():
                expected = made(blobs)
                compiled = torch.compile(made, backend="aot_eager", fullgraph=True)(blobs)
                exported = torch.export.export(made, (blobs,), strict=True).module()(blobs)
            for found in (compiled, exported):
                wanted = [(found[top], expected[top]) for top in made.output_names]
                close = [torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True) for a, b in wanted]
                assert all(close), name


def test_saved_whole(net):
    file = io.BytesIO()
    torch.save(net.net, file)
    again = torch.load(io.BytesIO(file.getvalue()), weights_only=False)
    assert all(torch.equal(a, b) for a, b in zip(Outputs(again)(picture()), net(picture()), strict=True))
