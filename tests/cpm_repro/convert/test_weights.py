"""`.caffemodel` to `.pt`, `.safetensors`, `.h5` and back, to the bit; state_dicts from elsewhere; other files."""

import json
import pickle
import sys

import numpy as np
import pytest
import torch

import cpm_repro
from cpm_repro.convert.channel_order import swap_red_and_blue
from cpm_repro.convert.weights import WRITERS, convert, naming, read_model
from data_lmdb.joints import PARTS_14
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel, write_caffemodel, write_hdf5
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits

pytest.importorskip("safetensors", reason="the extra `convert` is not installed")


@pytest.fixture
def mini(golden):
    """(weights, prototxt) of the golden 3-stage CPM."""
    return golden / "net/mini_cpm_deploy.caffemodel", golden / "net/mini_cpm_deploy.prototxt"


def assert_same_weights(net, other):
    assert list(net.state_dict()) == list(other.state_dict())
    for name, value in other.state_dict().items():
        assert_same_bits(net.state_dict()[name].numpy(), value.numpy(), name)


@pytest.mark.parametrize("form", ["net.pt", "net.safetensors", "net.caffemodel", "net.caffemodel.h5"])
def test_round_trip_gives_the_same_blobs(mini, tmp_path, form):
    weights, prototxt = mini
    net, text, swapped = convert(weights, tmp_path / form, prototxt)
    assert text == prototxt.read_text() and swapped == []
    own = form.endswith(("pt", "tensors"))
    convert(tmp_path / form, tmp_path / "back.caffemodel", None if own else prototxt)
    assert read_caffemodel(tmp_path / "back.caffemodel") == read_caffemodel(weights)
    if own:
        convert(tmp_path / form, tmp_path / "again.pt")
        assert_same_weights(cpm_repro.load(tmp_path / "again.pt"), net)


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_load_computes_the_golden_blobs(golden, tmp_path, suffix):
    path = tmp_path / f"n.{suffix}"
    convert(golden / "net/mini_cpm_deploy.caffemodel.h5", path, golden / "net/mini_cpm_deploy.prototxt")
    expected = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    blobs = cpm_repro.load(path)({"data": torch.from_numpy(expected["data"])})
    maps = expected["Mconv5_stage3"]
    np.testing.assert_allclose(blobs["Mconv5_stage3"].detach(), maps, rtol=0, atol=1e-5 * np.abs(maps).max())


def test_the_files_say_what_they_are(mini, tmp_path):
    from safetensors import safe_open

    weights, prototxt = mini
    convert(weights, tmp_path / "n.pt", prototxt)
    content = torch.load(tmp_path / "n.pt", weights_only=True)
    assert content["prototxt"] == prototxt.read_text()
    parts = ",".join((*PARTS_14, "background"))
    assert content["meta"] == {"channel_order": "bgr", "parts": parts, "inputs": {"data": [2, 4, 104, 104]}}
    convert(weights, tmp_path / "n.safetensors", prototxt)
    content = (tmp_path / "n.safetensors").read_bytes()
    for _ in range(5):  # the metadata come in another order each time, unless somebody sorts them
        convert(weights, tmp_path / "n.safetensors", prototxt)
        assert (tmp_path / "n.safetensors").read_bytes() == content
    with safe_open(tmp_path / "n.safetensors", framework="pt") as file:
        assert file.metadata()["prototxt"] == prototxt.read_text()


def test_another_prototxt_may_give_another_size(mini, tmp_path):
    weights, prototxt = mini
    convert(weights, tmp_path / "n.pt", prototxt)
    (tmp_path / "small.prototxt").write_text(prototxt.read_text().replace("dim: 104", "dim: 56"))
    net = read_model(tmp_path / "n.pt", tmp_path / "small.prototxt").net
    assert net.input_shapes["data"] == (2, 4, 56, 56)
    assert_same_weights(net, load_net(prototxt, weights))


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code from the file ran",))


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"a": 1}, protocol=2)])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.pt: expected (weights \(a \.caffemodel|a \.pt of this project)"):
        cpm_repro.load(path)
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.safetensors: expected (weights \(a|a \.safetensors file)"):
        cpm_repro.load(path)


def test_a_pt_runs_no_code_and_must_be_ours(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"format": Bomb()}, path)
    with pytest.raises(InputError, match="cannot read"):
        cpm_repro.load(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="expected a prototxt with a state_dict that is not of this project"):
        cpm_repro.load(path)
    torch.save([1], path)
    with pytest.raises(InputError, match="found a list"):
        cpm_repro.load(path)
    torch.save({"format": "cpm_repro.net.1", "prototxt": 3}, path)
    with pytest.raises(InputError, match="expected a prototxt and a state_dict"):
        cpm_repro.load(path)
    with pytest.raises(InputError, match=r"none\.pt: cannot be read"):
        cpm_repro.load(tmp_path / "none.pt")


def test_a_safetensors_header_that_lies_is_refused(tmp_path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    path = tmp_path / "lie.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"lie\.safetensors: expected a \.safetensors file"):
        cpm_repro.load(path)


def test_blobs_that_do_not_fit_are_listed(mini, tmp_path):
    weights, prototxt = mini
    convert(weights, tmp_path / "n.pt", prototxt)
    content = torch.load(tmp_path / "n.pt", weights_only=True)
    state = content["state_dict"]
    state["layers.conv1_stage1.weight"] = torch.zeros(3)
    state["layers.conv1_stage1.bias"] = "no tensor"
    del state["layers.conv2_stage1.weight"]
    state["layers.unknown.weight"] = torch.zeros(1)
    torch.save(content, tmp_path / "n.pt")
    with pytest.raises(InputError) as error:
        cpm_repro.load(tmp_path / "n.pt")
    assert "blob 'conv1_stage1.weight': expected shape (16, 3, 9, 9), as the prototxt has, found (3,)" in str(
        error.value
    )
    assert "blob 'conv1_stage1.bias': expected shape (16,), as the prototxt has, found str" in str(error.value)
    assert "found none" in str(error.value) and "expected no blob 'unknown.weight'" in str(error.value)


def test_conversions_that_make_no_sense(mini, tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("other")
    weights, prototxt = mini
    write_hdf5(folder / "n.caffemodel.h5", load_net(prototxt, weights).to_caffemodel())
    with pytest.raises(InputError, match="expected a prototxt with weights that lack their net"):
        convert(folder / "n.caffemodel.h5", tmp_path / "n.pt")
    with pytest.raises(InputError, match=r"ends in \.pt, .*\.h5, found '\.bin'"):
        convert(weights, tmp_path / "n.bin", prototxt)
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(mini, tmp_path, monkeypatch):
    weights, prototxt = mini
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(InputError, match=r"n\.safetensors: expected the package safetensors \(pip install"):
        convert(weights, tmp_path / "n.safetensors", prototxt)
    assert not list(tmp_path.iterdir())


def test_a_state_dict_from_elsewhere_must_say_its_channel_order(mini, tmp_path):
    weights, prototxt = mini
    net = load_net(prototxt, weights)
    path = tmp_path / "port.pth"
    torch.save({name.removeprefix("layers."): value for name, value in net.state_dict().items()}, path)
    with pytest.raises(InputError, match="expected a prototxt with a state_dict"):
        read_model(path)
    with pytest.raises(InputError, match=r"--channel-order bgr or rgb\).* found none"):
        read_model(path, prototxt)
    assert_same_weights(read_model(path, prototxt, "bgr").net, net)
    torch.save({"state_dict": net.state_dict(), "epoch": 3}, path)
    assert_same_weights(read_model(path, prototxt, "bgr").net, net)


def test_a_net_trained_on_rgb_takes_bgr_after_conversion(mini, tmp_path):
    weights, prototxt = mini
    net = load_net(prototxt, weights)
    swapped, _, layers = convert(weights, tmp_path / "n.pt", prototxt, "rgb")
    assert layers == ["conv1_stage1", "conv1_stage2"]
    x = torch.rand(net.input_shapes["data"], generator=torch.Generator().manual_seed(0)) - 0.5
    rgb = x[:, [2, 1, 0, 3]]
    with torch.inference_mode():
        expected, found = net({"data": x})["Mconv5_stage3"], swapped({"data": rgb})["Mconv5_stage3"]
        other = net({"data": rgb})["Mconv5_stage3"]
        assert torch.allclose(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
        assert not torch.allclose(other, expected, rtol=0, atol=1e-2 * float(expected.abs().max()))
        loaded = cpm_repro.load(tmp_path / "n.pt")
    assert_same_weights(loaded, swapped)


X = 'input: "data" input_shape { dim: 1 dim: 4 dim: 9 dim: 9 }\n'
CONV = 'bottom: "data" top: "t" convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" } '


def swapping_is_undone_by_the_input(text):
    net, swapped = (Net(parse_net(X + text, "n"), seed=4) for _ in range(2))
    with torch.no_grad():
        for name, value in swapped.state_dict().items():
            if name.endswith(("slope", "factor", "mean", "variance")):
                value.copy_(torch.arange(1, value.numel() + 1))
                net.state_dict()[name].copy_(value)
    layers = swap_red_and_blue(swapped)
    x = torch.randn(1, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    expected, found = net({"data": x})["t"], swapped({"data": x[:, [2, 1, 0, 3]]})["t"]
    largest = float(expected.detach().abs().max())  # the channels are added in another order
    assert torch.allclose(expected, found, rtol=0, atol=1e-5 * largest)
    assert not torch.allclose(expected, swapped({"data": x})["t"], rtol=0, atol=1e-3 * largest)
    return layers


def test_everything_on_the_image_is_swapped_once():
    text = (
        'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
        'layer { name: "prelu" type: "PReLU" bottom: "data" top: "data" }'
        'layer { name: "pool" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 1 } }'
        'layer { name: "a" type: "Convolution" bottom: "p" top: "a" param { name: "w" } convolution_param '
        '{ num_output: 4 kernel_size: 3 weight_filler { type: "gaussian" } bias_term: false } }'
        'layer { name: "b" type: "Convolution" bottom: "p" top: "b" param { name: "w" } convolution_param '
        "{ num_output: 4 kernel_size: 3 bias_term: false } }"
        'layer { name: "c" type: "Convolution" bottom: "b" top: "c" convolution_param { num_output: 4 kernel_size: 1 '
        'weight_filler { type: "gaussian" } } }'
        'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "c" top: "t" }'
    )
    assert swapping_is_undone_by_the_input(text) == ["bn", "prelu", "a", "b"]


DEPTHWISE = 'layer { name: "d" type: "%s" bottom: "data" top: "d" convolution_param { num_output: %d group: 4 ' \
    'kernel_size: 3 weight_filler { type: "gaussian" } bias_filler { type: "gaussian" } } }'  # fmt: skip
ON_IT = 'layer { name: "c" type: "Convolution" bottom: "d" top: "t" convolution_param { num_output: 3 kernel_size: 1 ' \
    'weight_filler { type: "gaussian" } } }'  # fmt: skip


@pytest.mark.parametrize("layer_type", ["Convolution", "DepthwiseConvolution", "ConvolutionDepthwise"])
@pytest.mark.parametrize("outputs", [4, 8])
def test_depthwise_convolutions_hand_the_colours_on(layer_type, outputs):
    """One or two outputs of each colour: the next layer's weights are swapped too."""
    assert swapping_is_undone_by_the_input(DEPTHWISE % (layer_type, outputs) + ON_IT) == ["d", "c"]


def test_whole_images_may_be_normalised_first():
    text = 'layer { name: "m" type: "MVN" bottom: "data" top: "m" }'
    text += 'layer { name: "n" type: "Normalize" bottom: "m" top: "d" norm_param { channel_shared: false } }' + ON_IT
    assert swapping_is_undone_by_the_input(text) == ["n", "c"]


def test_weights_that_something_else_shares_are_refused():
    shared = 'param { name: "w" } convolution_param { num_output: 4 kernel_size: 3 bias_term: false } }'
    text = f'layer {{ name: "a" type: "Convolution" bottom: "data" top: "a" {shared}'
    text += f'layer {{ name: "b" type: "Convolution" bottom: "a" top: "b" {shared}'
    with pytest.raises(InputError, match=r"layer 'b' .*blobs that no layer on the image shares"):
        swap_red_and_blue(Net(parse_net(X + text, "n")))


@pytest.mark.parametrize(("text", "said"), [
    (X + f'layer {{ name: "c" type: "Convolution" {CONV} group: 2 }} }}', r"layer 'c' .*a convolution or a layer"),
    (X + 'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 2 } }',
     "layer 'f' .*found InnerProduct"),
    (X + 'layer { name: "s" type: "Slice" bottom: "data" top: "a" top: "b" slice_param { slice_point: 2 } }',
     "layer 's' .*the first slice to hold the three colours"),
    ('input: "gray" input_shape { dim: [1, 1, 5, 5] } layer { name: "r" type: "ReLU" bottom: "gray" top: "t" }',
     "input 'gray': expected N x 3 or more"),
])  # fmt: skip
def test_images_that_cannot_be_swapped_are_refused(text, said):
    with pytest.raises(InputError, match=said):
        swap_red_and_blue(Net(parse_net(text, "n")))


def test_errors_name_the_file_and_the_layer(tmp_path):
    text = X + 'layer { name: "b" type: "ArgMax" bottom: "data" top: "b" argmax_param { top_k: 2 } }\n'
    text += 'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 2 } }'
    prototxt = tmp_path / "n.prototxt"
    prototxt.write_text(text)
    write_caffemodel(tmp_path / "n.caffemodel", Net(parse_net(text, "n"), seed=1).to_caffemodel())
    pytest.importorskip("onnx", reason="the extra `convert` is not installed")
    with pytest.raises(InputError, match=r"n\.onnx: layer 'b' "):
        convert(tmp_path / "n.caffemodel", tmp_path / "n.onnx", prototxt)
    with pytest.raises(InputError, match=r"n\.prototxt: layer 'b' \(ArgMax\): expected a convolution"):
        convert(tmp_path / "n.caffemodel", tmp_path / "n.pt", prototxt, "rgb")
    convert(tmp_path / "n.caffemodel", tmp_path / "n.pt", prototxt)
    prototxt.write_text(text.replace("ArgMax", "Nothing"))
    with pytest.raises(InputError, match=r"n\.prototxt: layer 'b': expected a known type, found 'Nothing'"):
        convert(tmp_path / "n.pt", tmp_path / "m.pt", prototxt)


def test_shared_blobs_convert(tmp_path):
    share = 'param { name: "w" } param { name: "b" } convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }\n'
    text = X + f'layer {{ name: "a" type: "Convolution" bottom: "data" top: "a" {share}'
    text += f'layer {{ name: "b" type: "Convolution" bottom: "a" top: "b" {share}'
    (tmp_path / "n.prototxt").write_text(text)
    net = Net(parse_net(text, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    for form in ("n.pt", "n.safetensors", "n.caffemodel.h5"):
        convert(tmp_path / "n.caffemodel", tmp_path / form, tmp_path / "n.prototxt")
        back = read_model(tmp_path / form, tmp_path / "n.prototxt").net
        assert back.layers["a"].weight is back.layers["b"].weight
        assert_same_weights(back, net)


@pytest.mark.parametrize("suffix", ["caffemodel", "pt", "bin"])
def test_one_loader_for_all_weights_by_their_content(mini, tmp_path, suffix):
    weights, prototxt = mini
    net = load_net(prototxt, weights)
    convert(weights, tmp_path / ("n.pt" if suffix == "pt" else "n.caffemodel"), prototxt)
    path = tmp_path / f"weights.{suffix}"
    (tmp_path / ("n.pt" if suffix == "pt" else "n.caffemodel")).rename(path)
    for given in (None, prototxt):
        again = cpm_repro.load(path, given)
        assert_same_weights(again, net)
        assert not again.training and again.input_shapes == net.input_shapes
    small = cpm_repro.load(path, input_shapes={"data": (1, 4, 56, 64)})
    assert small.input_shapes == {"data": (1, 4, 56, 64)}
    assert str(cpm_repro.load(path, engine="plain").engine) == "plain"
    assert cpm_repro.load(path, phase="TRAIN").training


def test_a_sentence_names_its_file_once():
    for said in ("layer 'a': expected b, found c", "n.py: layer 'a': expected b, found c"):
        with pytest.raises(InputError, match=r"^n\.py: layer 'a': expected b, found c$"), naming("n.py"):
            raise InputError(said)


def test_the_weights_beside_a_python_file_are_named_alone():
    with pytest.raises(InputError, match=r"^a/n\.safetensors: cannot be written$"), naming("a/n.py"):
        raise InputError("a/n.safetensors: cannot be written")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_net_that_has_nothing_to_learn(tmp_path, suffix):
    text = 'input: "x" input_shape { dim: 1 dim: 2 } layer { name: "r" type: "ReLU" bottom: "x" top: "y" }'
    WRITERS[suffix](tmp_path / f"n{suffix}", Net(parse_net(text, "n")), text)
    assert list(cpm_repro.load(tmp_path / f"n{suffix}").layers) == ["input", "r"]
