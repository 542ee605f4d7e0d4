"""ONNX models in ONNX Runtime: every layer of the golden zoo, the golden CPM, and other people's nets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.layer import CONVERTERS
from prototxt_import.net import Net, load_net
from tests.cpm_repro.convert.elsewhere import CHAINS, CPM, chain, run_alone
from tests.cpm_repro.convert.taken_away import CASES, ETA, agree, expected
from tests.foreign_nets import WITH_OPENCV, WITHOUT_OPENCV, foreign_net
from tests.prototxt_import.single_layer import single_layer

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `convert` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `convert` is not installed")

from cpm_repro.convert.check import check  # noqa: E402
from cpm_repro.convert.onnx_export import save_onnx  # noqa: E402
from cpm_repro.convert.onnx_graph import exports, onnx_converter  # noqa: E402

NO_EXPORT = {
    *("DummyData", "Accuracy", "EuclideanLoss", "ContrastiveLoss", "SoftmaxWithLoss", "HingeLoss"),
    *("SigmoidCrossEntropyLoss", "MultinomialLogisticLoss", "InfogainLoss"),
    *("MultiBoxLoss", "SegAccuracy", "DeformableConvolution", "Lstm"),
    *("SmoothL1Loss", "Proposal", "YoloDetectionOutput", "Yolov3DetectionOutput"),
    *("Correlation", "Correlation1D", "FlowWarp", "Grid", "Warp", "Downsample", "DataAugmentation"),
    *("SoftmaxWithLossOHEM", "SmoothL1LossOHEM", "BoxAnnotatorOHEM", "L1Loss", "MarginInnerProduct", "CenterLoss"),
    *("LargeMarginInnerProduct",),
    *(
        "SpatialTransformer",
        "MultiStageMeanfield",
        "BoxOutput",
        "BoxGroupOutput",
        "DecodeBBox",
        "ScaleRoute",
        "ContinuationIndicator",
    ),
}
FORKS = {
    "Swish": ((2, 3, 4, 5), "swish_param { beta: 1.5 }"),
    "Mish": ((2, 3, 4, 5), ""),
    "NegReLU": ((2, 3, 4, 5), "relu_param { negative_slope: 0.1 }"),
    "Reverse": ((5, 3, 2), ""),
    "ChannelNorm": ((2, 3, 4, 5), ""),
    "Eltwise": ((2, 3, 4, 5), "eltwise_param { coeff: 0.5 }"),
    "HardSwish": ((2, 3, 4, 5), ""),
    "HardSigmoid": ((2, 3, 4, 5), "hard_sigmoid_param { alpha: 0.3 beta: 0.4 }"),
    "SeLu": ((2, 3, 4, 5), "selu_param { alpha: 1.5 lambda: 1.1 }"),
    "SeLuDropout": ((2, 3, 4, 5), ""),
    "Dropout": ((2, 3, 4, 5), "dropout_param { dropout_ratio: 0.25 scale_train: false }"),
    "SpatialDropout": ((2, 3, 4, 5), ""),
    "BatchNorm": ((2, 3, 4, 5), "batch_norm_param { scale_filler { value: 2 } bias_filler { value: 0.5 } }"),
    "Resample": ((2, 3, 7, 6), "resample_param { height: 4 width: 9 type: CUBIC }"),
    "ShuffleChannel": ((2, 6, 4, 5), "shuffle_channel_param { group: 3 }"),
    "Reorg": ((2, 8, 4, 6), "reorg_param { stride: 2 }"),
    "Upsample": ((2, 3, 4, 5), "upsample_param { scale: 2 }"),
    "Interp": ((2, 3, 7, 6), "interp_param { zoom_factor: 3 pad_beg: -1 }"),
    "BN": ((2, 3, 4, 5), "bn_param { slope_filler { value: 2 } bias_filler { value: 0.5 } }"),
}
"""By type: the bottom's shape, and the layer's parameters."""


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_every_layer_type_has_a_converter():
    made = {name for name, layer in CONVERTERS.items() if not layer.is_source}
    assert {name for name in made if onnx_converter(CONVERTERS[name])} == made - NO_EXPORT
    with pytest.raises(KeyError, match="ReLU is registered twice"):
        exports("ReLU")(onnx_converter(CONVERTERS["ReLU"]))


def test_layers_compute_the_golden_values(golden, tmp_path):
    zoo = np.load(golden / "net/layer_zoo.npz")
    texts = json.loads(str(zoo["prototxt"]))
    assert len(texts) == 44
    for name in texts.keys() - {"euclidean_loss"}:
        layer_computes_the_golden_values(zoo, name, texts[name], tmp_path)


def layer_computes_the_golden_values(zoo, name, text, tmp_path):
    net = Net(parse_net(text, name))
    layer = net.layers[name]
    with torch.no_grad():
        for index, blob in enumerate(layer.blob_names):
            getattr(layer, blob).copy_(torch.from_numpy(zoo[f"{name}/param{index}"]))
    save_onnx(tmp_path / "n.onnx", net, "")
    made = session(tmp_path / "n.onnx")
    found = made.run(None, {bottom.name: zoo[f"{name}/{bottom.name}"] for bottom in made.get_inputs()})
    assert sorted(output.name for output in made.get_outputs()) == sorted(layer.spec.top)
    for output, values in zip(made.get_outputs(), found, strict=True):
        expected = zoo[f"{name}/{output.name}"]
        scale = max(np.abs(expected).max(), 1e-3)
        np.testing.assert_allclose(values, expected, rtol=0, atol=4e-6 * scale, err_msg=f"{name}: {output.name}")


def onnx_agrees(net, inputs, path):
    save_onnx(path, net, "")
    with torch.no_grad():
        expected = net({name: torch.from_numpy(values) for name, values in inputs.items()})["t"].numpy()
    made = session(path)
    (found,) = made.run(None, {value.name: inputs[value.name] for value in made.get_inputs()})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def inner_nodes(graph):
    return [attribute.g.node for node in graph.node for attribute in node.attribute]


@pytest.mark.parametrize("name", CASES)
def test_layers_with_rules_of_their_own(tmp_path, name):
    net = CASES[name].net()
    save_onnx(tmp_path / "n.onnx", net, "")
    graph = onnx.load(tmp_path / "n.onnx").graph
    read = {name for nodes in (graph.node, *inner_nodes(graph)) for node in nodes for name in node.input}
    assert {constant.name for constant in graph.initializer} <= read
    made, states = session(tmp_path / "n.onnx"), {}
    begun = [state.name for state in made.get_overridable_initializers()]
    for seed in range(3):  # the same net each time: what it carries on is an input of the next run
        inputs = CASES[name].inputs(seed)
        found = made.run(None, {value.name: inputs[value.name] for value in made.get_inputs()} | states)
        outputs, states = found[: CASES[name].tops], dict(zip(begun, found[CASES[name].tops :], strict=True))
        agree(outputs, expected(net, inputs), name)
    assert len(states) == {"LSTM": 2, "RNN": 1}.get(CASES[name].type_name, 0)


def test_what_follows_a_layer_that_finds_takes_any_number(tmp_path):
    net = Net(
        parse_net(
            """input: "x" input_shape { dim: 5 dim: 3 dim: 2 } input: "c" input_shape { dim: 5 }
        layer { name: "f" type: "Filter" bottom: "x" bottom: "c" top: "f" }
        layer { name: "r" type: "Reshape" bottom: "f" top: "r" reshape_param { shape { dim: 0 dim: 6 } } }
        layer { name: "s" type: "Scale" bottom: "r" top: "t" scale_param { filler { value: 3 } } }""",
            "n",
        )
    )
    save_onnx(tmp_path / "n.onnx", net, "")
    made, x = session(tmp_path / "n.onnx"), np.arange(30, dtype=np.float32).reshape(5, 3, 2)
    (output,) = made.get_outputs()
    assert output.shape == ["t_axis_0", 6]
    for chosen in ([1, 0, 0, 1, 1], [0, 0, 1, 0, 0]):
        inputs = {"x": x, "c": np.array(chosen, np.float32)}
        agree(made.run(None, inputs), expected(net, inputs), str(chosen))


@pytest.mark.parametrize(("name", "found"), [("SPP", "--dynamic"), ("DetectionOutput, eta", "0.8")])
def test_layers_that_onnx_cannot_say(tmp_path, name, found):
    net = {"SPP": CASES["SPP"], "DetectionOutput, eta": ETA}[name].net()
    with pytest.raises(InputError, match=rf"layer 'l' \({net.layers['l'].spec.type}\): expected .* found {found}"):
        save_onnx(tmp_path / "n.onnx", net, "", dynamic=name == "SPP")


def test_windows_and_regions_of_any_size(tmp_path):
    for name in ("Im2col", "ROIPooling", "PSROIPooling"):
        net = CASES[name].net()
        save_onnx(tmp_path / "n.onnx", net, "", dynamic=True)
        shapes = {key: (*shape[:2], *(n + 4 for n in shape[2:])) for key, shape in CASES[name].shapes.items()}
        inputs = replace(CASES[name], shapes=shapes).inputs(1)
        agree(session(tmp_path / "n.onnx").run(None, inputs), expected(net, inputs), name)


@pytest.mark.parametrize("type_name", FORKS)
def test_layers_of_forks(tmp_path, type_name):
    shape, more = FORKS[type_name]
    net = single_layer(type_name, {"x": shape}, more, seed=1)
    onnx_agrees(net, {"x": np.random.default_rng(1).standard_normal(shape).astype(np.float32)}, tmp_path / "n.onnx")


@pytest.mark.parametrize("type_name", ["Swish", "HardSigmoid", "ChannelNorm", "ShuffleChannel", "Upsample", "BN"])
def test_layers_of_forks_of_any_size(tmp_path, type_name):
    shape, more = FORKS[type_name]
    net = single_layer(type_name, {"x": shape}, more, seed=1)
    save_onnx(tmp_path / "n.onnx", net, "", dynamic=True)
    x = np.random.default_rng(1).standard_normal((shape[0] + 1, shape[1], 9, 11)).astype(np.float32)
    (found,) = session(tmp_path / "n.onnx").run(None, {"x": x})
    with torch.no_grad():
        np.testing.assert_allclose(found, net({"x": torch.from_numpy(x)})["t"].numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("type_name", ["Interp", "Reorg", "Resample"])
def test_layers_of_forks_that_need_their_sizes(tmp_path, type_name):
    shape, more = FORKS[type_name]
    with pytest.raises(InputError, match="expected fixed sizes, for an ONNX export, found --dynamic"):
        save_onnx(tmp_path / "n.onnx", single_layer(type_name, {"x": shape}, more), "", dynamic=True)


def test_layers_by_index(tmp_path):
    net = single_layer(
        "Embed", {"x": (2, 3)}, 'embed_param { num_output: 4 input_dim: 5 weight_filler { type: "gaussian" } }', seed=1
    )
    onnx_agrees(net, {"x": np.array([[4, 0, 2], [1, 1, 3]], np.float32)}, tmp_path / "e.onnx")
    net = single_layer("BatchReindex", {"x": (3, 2), "i": (4,)})
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    onnx_agrees(net, {"x": x, "i": np.array([2, 0, 0, 1], np.float32)}, tmp_path / "b.onnx")


def test_the_golden_cpm(golden, tmp_path):
    net = load_net(golden / "net/mini_cpm_deploy.prototxt", golden / "net/mini_cpm_deploy.caffemodel")
    expected = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    save_onnx(tmp_path / "cpm.onnx", net, "the text")
    made = session(tmp_path / "cpm.onnx")
    assert [value.name for value in made.get_inputs()] == ["data"]
    assert made.get_modelmeta().custom_metadata_map["prototxt"] == "the text"
    (maps,) = made.run(["Mconv5_stage3"], {"data": expected["data"]})
    scale = np.abs(expected["Mconv5_stage3"]).max()
    np.testing.assert_allclose(maps, expected["Mconv5_stage3"], rtol=0, atol=1e-5 * scale)
    inside = {name for node in onnx.load(tmp_path / "cpm.onnx").graph.node for name in node.output}
    assert {"conv7_stage1", "Mconv5_stage2", "pool_center_lower"} <= inside  # blobs keep their names


@pytest.mark.parametrize("name", [*WITH_OPENCV, *WITHOUT_OPENCV])
def test_foreign_nets(tmp_path, name):
    net, text = foreign_net(name)
    save_onnx(tmp_path / "n.onnx", net, text)
    random = np.random.default_rng(3)
    inputs = {name: random.uniform(-1, 1, shape).astype(np.float32) for name, shape in net.input_shapes.items()}
    with torch.inference_mode():
        expected = net({name: torch.from_numpy(values) for name, values in inputs.items()})
    made = session(tmp_path / "n.onnx")
    assert [output.name for output in made.get_outputs()] == net.output_names
    for blob, values in zip(net.output_names, made.run(None, inputs), strict=True):
        assert values.shape == tuple(expected[blob].shape) == net.blob_shapes[blob]
        np.testing.assert_allclose(values, expected[blob], rtol=0, atol=2e-6 * max(np.abs(values).max(), 1e-3))


POOL = (
    'input: "x" input_shape { dim: 1 dim: 2 dim: %d dim: %d } layer { name: "p" type: "Pooling" bottom: "x" top: "p" '
)


def test_poolings_of_all_sizes(tmp_path):
    random = np.random.default_rng(5)
    for _ in range(25):
        kernel = random.integers(1, 6, 2)
        stride = [random.integers(1, k + 1) for k in kernel]
        pad = [random.integers(0, k) for k in kernel]
        size = [int(random.integers(k, 15)) for k in kernel]
        method = random.choice(["MAX", "AVE"])
        text = POOL % tuple(size) + (
            f"pooling_param {{ pool: {method} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} "
            f"stride_w: {stride[1]} pad_h: {pad[0]} pad_w: {pad[1]} }} }}"
        )
        net = Net(parse_net(text, "n"))
        save_onnx(tmp_path / "p.onnx", net, text)
        x = random.standard_normal((1, 2, *size)).astype(np.float32)
        (found,) = session(tmp_path / "p.onnx").run(None, {"x": x})
        expected = Net(parse_net(text, "n"), engine="exact")({"x": torch.from_numpy(x)})["p"].numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max(), err_msg=text)


def test_blobs_overwritten_in_place_keep_their_names(tmp_path):
    text = (
        'input: "x" input_shape { dim: 1 dim: 2 }'
        'layer { name: "shift" type: "Power" bottom: "x" top: "x" power_param { shift: 1 } }'
        'layer { name: "double" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }'
        'layer { name: "root" type: "Power" bottom: "y" top: "y" power_param { power: 0.5 } }'
        'layer { name: "drop" type: "Dropout" bottom: "y" top: "z" }'
    )
    net = Net(parse_net(text, "n"))
    save_onnx(tmp_path / "n.onnx", net, text)
    made = session(tmp_path / "n.onnx")
    assert [output.name for output in made.get_outputs()] == ["z"] == net.output_names
    np.testing.assert_allclose(made.run(None, {"x": np.float32([[7, 1]])})[0], [[4, 2]], rtol=1e-6)


def test_blobs_called_as_nodes_would_be(tmp_path):
    text = 'input: "x" input_shape { dim: 2 dim: 3 }'
    for name, bottom, top in (("a", "x", "b/Gemm_1"), ("b", "b/Gemm_1", "c/constant_0"), ("c", "c/constant_0", "t")):
        text += f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{top}"
            inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}"""
    net = Net(parse_net(text, "n"), seed=1)
    onnx_agrees(net, {"x": np.float32([[1, 2, 3], [-1, 0, 4]])}, tmp_path / "n.onnx")


def test_numbers_have_no_axes(tmp_path):
    """So that what is computed from a scalar is one."""
    text = 'input: "x" input_shape { dim: 2 dim: 3 } layer { name: "r" type: "Reduction" bottom: "x" top: "r" }'
    text += 'layer { name: "p" type: "Power" bottom: "r" top: "t" power_param { scale: 2 shift: 1 } }'
    onnx_agrees(Net(parse_net(text, "n")), {"x": np.ones((2, 3), np.float32)}, tmp_path / "n.onnx")


@pytest.mark.parametrize(("text", "said"), [
    ('layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "x" top: "l" }',
     r"layer 'l' \(EuclideanLoss\): expected a layer of a deploy net, for an ONNX export, found EuclideanLoss, which "
     r"belongs to training \(--input-shape data=N,C,H,W leaves such layers out\)"),
    ('layer { name: "b" type: "BatchNorm" bottom: "x" top: "b" batch_norm_param { use_global_stats: false } }',
     "layer 'b' .*use_global_stats, for an ONNX export"),
    ('layer { name: "a" type: "ArgMax" bottom: "x" top: "a" argmax_param { top_k: 2 } }', "top_k 1, for an ONNX"),
    ('input: "m" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 } layer { name: "l" type: "LRN" bottom: "m" '
     'top: "l" lrn_param { alpha: 0 } }', "alpha and beta above 0, for an ONNX"),
    ('layer { name: "s" type: "Silence" bottom: "x" }', "the net: expected a blob that no layer takes, for an ONNX"),
    ('layer { name: "r" type: "ReLU" bottom: "x" top: "" }', "blob '': expected a name, for an ONNX export"),
])  # fmt: skip
def test_what_onnx_cannot_say_is_refused_by_name(tmp_path, text, said):
    net = Net(parse_net('input: "x" input_shape { dim: 2 dim: 3 }' + text, "n"))
    with pytest.raises(InputError, match=said):
        save_onnx(tmp_path / "n.onnx", net, text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*(name for name in CHAINS if name != "forks"), "cpm"])
def test_of_any_size(tmp_path, name):
    """In ONNX Runtime at three numbers of images and sizes."""
    text = CPM if name == "cpm" else chain(name)
    net = Net(parse_net(text, "n"), seed=1).eval()
    save_onnx(tmp_path / "net.onnx", net, text, dynamic=True)
    checks = check(net, text, tmp_path / "net.onnx", dynamic=True)
    assert len(checks) == 3 and all(made.fits and made.blobs for made in checks)
    (given,) = session(tmp_path / "net.onnx").get_inputs()
    assert given.shape == ["batch", 4, f"{given.name}_height", f"{given.name}_width"]


def test_of_any_size_where_this_project_is_not(tmp_path):
    net = Net(parse_net(CPM, "n"), seed=1).eval()
    save_onnx(tmp_path / "net.onnx", net, CPM, dynamic=True)
    code = "import numpy as np, onnxruntime\n"
    code += "net = onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])\n"
    code += "for h, w in ((21, 26), (46, 46), (33, 80)):\n"
    code += "    print(net.run(None, {'data': np.zeros((2, 4, h, w), np.float32)})[0].shape)\n"
    shapes = [tuple(net({"data": torch.zeros(2, 4, h, w)})["sum"].shape) for h, w in ((21, 26), (46, 46), (33, 80))]
    assert run_alone(code, tmp_path / "net.onnx").splitlines() == [str(shape) for shape in shapes]
