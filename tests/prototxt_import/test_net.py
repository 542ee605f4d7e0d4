"""The graph: order, phases, in-place tops, splits, shared blobs, loading weights, and the golden CPM."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels.window import Window
from prototxt_import.fast.operations import Fast
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits

X = 'input: "x" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }\n'


def relu(name, bottom, top, more=""):
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{top}" {more} }}\n'


def convolution(name, bottom, top, outputs=2, more=""):
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {more} convolution_param '
        f'{{ num_output: {outputs} kernel_size: 3 pad: 1 weight_filler {{ type: "gaussian" }} }} }}\n'
    )


def net_of(text, **options):
    return Net(parse_net(X + text, "n"), **options)


def test_mini_cpm_blob_by_blob(golden):
    net = load_net(golden / "net/mini_cpm_deploy.prototxt", golden / "net/mini_cpm_deploy.caffemodel")
    expected = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    blobs = net({"data": torch.from_numpy(expected["data"])})
    assert list(blobs) == net.blob_names and set(blobs) == set(expected.files)
    for name in expected.files:
        assert tuple(blobs[name].shape) == expected[name].shape == net.blob_shapes[name], name
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            blobs[name].detach().numpy(), expected[name], rtol=0, atol=1e-5 * scale, err_msg=name
        )


def test_mini_cpm_is_written_as_caffe_wrote_it(golden):
    path = golden / "net/mini_cpm_deploy.caffemodel"
    net = load_net(golden / "net/mini_cpm_deploy.prototxt", path)
    assert net.to_caffemodel() == read_caffemodel(path)


def test_in_place_layers_replace_the_blob_they_read():
    net = net_of(convolution("c", "x", "c") + relu("r", "c", "c"), seed=0)
    blobs = net({"x": torch.randn(1, 2, 6, 6)})
    assert list(blobs) == ["x", "c"] and float(blobs["c"].detach().min()) == 0


def test_phases_and_stages_choose_layers():
    text = (
        relu("train only", "x", "a", "include { phase: TRAIN }")
        + relu("not in train", "x", "b", "exclude { phase: TRAIN }")
        + relu("staged", "x", "c", 'include { stage: "deploy" }')
    )
    assert net_of(text, phase="TRAIN").output_names == ["a"]
    assert net_of(text, phase="TEST").output_names == ["b"]
    assert net_of('state { stage: "deploy" }' + text).output_names == ["b", "c"]


def test_splits_are_named_as_caffe_names_them():
    net = net_of(convolution("c", "x", "c") + relu("r", "c", "c") + relu("a", "c", "a") + relu("b", "c", "b"))
    assert [layer.name for layer in net.param.layer] == ["input", "c", "r", "c_r_0_split", "a", "b"]
    assert net.layers["b"].spec.bottom[0] == "c_r_0_split_1"


def test_an_input_that_feeds_two_layers_is_split():
    assert (
        net_of(relu("a", "x", "a") + relu("b", "x", "b")).layers["x_input_0_split"].spec.top[1] == "x_input_0_split_1"
    )


def test_layers_may_have_the_names_of_torchs_attributes():
    net = net_of(convolution("forward", "x", "train") + convolution("a.b", "train", "type"), seed=0)
    assert set(net.state_dict()) == {f"layers.{n}.{p}" for n in ("forward", "a_b") for p in ("weight", "bias")}
    other = net_of(convolution("forward", "x", "train") + convolution("a.b", "train", "type"))
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.layer("a.b").weight, net.layer("a.b").weight)


def test_shared_blobs_are_one_and_learn_together():
    text = convolution("a", "x", "a", more='param { name: "w" lr_mult: 3 }') + convolution(
        "b", "a", "b", more='param { name: "w" }'
    )
    net = net_of(text, seed=1)
    assert net.layers["a"].weight is net.layers["b"].weight
    assert [(blob.layer, blob.index, blob.lr_mult) for blob in net.learnable] == [("a", 0, 3), ("a", 1, 1), ("b", 1, 1)]
    net({"x": torch.randn(1, 2, 6, 6)})["b"].sum().backward()
    assert net.layers["a"].weight.grad is not None


def test_sharing_blobs_of_other_shapes_is_an_error():
    text = convolution("a", "x", "a", 3, 'param { name: "w" }') + convolution("b", "a", "b", 2, 'param { name: "w" }')
    with pytest.raises(InputError, match=r"layer 'b' .*param 'w' of shape \(3, 2, 3, 3\), as layer 'a'"):
        net_of(text)


def test_lr_mult_zero_freezes_a_blob():
    net = net_of(convolution("a", "x", "a", more="param { lr_mult: 0 }"))
    assert not net.layers["a"].weight.requires_grad and net.layers["a"].bias.requires_grad


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (relu("r", "nowhere", "r"), r"layer 'r' \(ReLU\): bottom 'nowhere': .*found none of that name"),
        (relu("a", "b", "a") + relu("b", "x", "b"), "bottom 'b': .*found that the later layer 'b' does"),
        (relu("a", "c", "a") + relu("b", "a", "b") + relu("c", "b", "c"), "layer 'a' .*without cycles, found that 'c'"),
        (relu("a", "a", "a"), "layer 'a' .*without cycles"),
        (relu("a", "x", "t") + relu("b", "x", "t"), "layer 'b': expected a new top, found 't'"),
        (
            relu("a", "x", "t") + relu("b", "x", "x"),
            "layer 'b': expected a blob of its own .* 'x', which layer 'a' takes",
        ),
        (relu("a", "x", "a", "include { phase: TEST } exclude { phase: TRAIN }"), "found both"),
        (convolution("c", "x", "c", more="param {} param {} param {}"), "layer 'c' .*at most 2 `param`"),
    ],
)
def test_wrong_graphs_name_the_layer(text, said):
    with pytest.raises(InputError, match=said) as error:
        net_of(text)
    assert "\n" not in str(error.value)


def test_weights_of_another_net_are_refused(golden, tmp_path):
    weights = golden / "net/mini_cpm_deploy.caffemodel"
    path = tmp_path / "net.prototxt"
    path.write_text(X + convolution("conv1_stage1", "x", "c"))
    with pytest.raises(InputError, match=r"conv1_stage1', blob 0: expected shape \(2, 2, 3, 3\), .* \(16, 3, 9, 9\)"):
        load_net(path, weights)
    path.write_text(X + convolution("other", "x", "c"))
    with pytest.raises(InputError, match="found none of their names"):
        load_net(path, weights)
    text = (golden / "net/mini_cpm_deploy.prototxt").read_text()
    path.write_text(text + convolution("extra", "Mconv5_stage3", "extra"))
    with pytest.raises(InputError, match="expected weights for layer 'extra'"):
        load_net(path, weights)


def test_a_missing_input_and_an_unknown_engine_are_named():
    with pytest.raises(InputError, match="expected the input blob 'x', found"):
        net_of(relu("r", "x", "r"))({"y": torch.zeros(1)})
    with pytest.raises(InputError, match=r"engine: expected one of .*fast.*, found 'slow'"):
        net_of(relu("r", "x", "r"), engine="slow")


def test_layers_may_have_equal_names_and_none() -> None:
    """As in Caffe, where blobs connect layers and names do not."""
    crop = (
        'layer { name: "crop" type: "Crop" bottom: "%s" bottom: "like" top: "%s" crop_param { axis: 2 offset: 1 } }\n'
    )
    like = 'input: "like" input_shape { dim: 1 dim: 1 dim: 4 dim: 4 }'
    text = like + convolution("conv", "x", "conv", 3) + crop % ("conv", "a") + crop % ("x", "b") + relu("", "b", "c")
    net = net_of(text + 'layer { name: "cat" type: "Concat" bottom: "a" bottom: "c" top: "cat" }', seed=1)
    x = torch.randn(1, 2, 6, 6)
    blobs = net({"x": x, "like": torch.zeros(1, 1, 4, 4)}, ["cat"])
    assert torch.equal(blobs["cat"][:, 3:], x[:, :, 1:5, 1:5].relu()) and blobs["cat"].shape == (1, 5, 4, 4)
    written = net.to_caffemodel()
    assert [layer.name for layer in written.layer if layer.type in ("Crop", "ReLU")] == ["crop", "crop", ""]


def test_learned_layers_of_one_name_keep_their_own_weights() -> None:
    text = convolution("c", "x", "a") + convolution("c", "a", "b") + convolution("c_2", "b", "d") + relu("c", "d", "e")
    net, other = net_of(text, seed=1), net_of(text)
    assert {key.split(".")[1] for key in net.state_dict()} == {"c", "c_3", "c_2"}
    assert [(blob.layer, blob.index) for blob in net.learnable[::2]] == [("c", 0), ("c_3", 0), ("c_2", 0)]
    assert other.load_weights(net.to_caffemodel(), every_layer=True) == ["c", "c", "c_2"]
    for name, value in net.state_dict().items():
        assert_same_bits(other.state_dict()[name].numpy(), value.numpy(), name)


def test_names_that_differ_by_dots_only() -> None:
    net = net_of(convolution("a.b", "x", "a") + convolution("a_b", "a", "b"), seed=1)
    assert net.layer("a.b") is net.layers["a_b"] and net.layer("a_b") is net.layers["a_b_2"]


def test_a_name_of_a_layer_and_index_is_no_name_of_a_param() -> None:
    net = net_of(convolution("a", "x", "a") + convolution("b", "a", "b", more='param { name: "a/0" }'), seed=1)
    assert net.layer("a").weight is not net.layer("b").weight


PERMISSIVE = """
input: "data" input_shape { dim: 2 dim: 1 dim: 9 dim: 9 }
layer { name: "v" type: "Convolution" bottom: "data" top: "v" param { name: "w" }
  convolution_param { num_output: 1 kernel_h: 5 kernel_w: 1 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "h" type: "Convolution" bottom: "v" top: "h" param { name: "w" share_mode: PERMISSIVE }
  convolution_param { num_output: 1 kernel_h: 1 kernel_w: 5 bias_term: false } }
"""


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_blobs_shared_permissively_need_only_equal_counts(engine: str) -> None:
    net = Net(parse_net(PERMISSIVE, "n"), seed=1, engine=engine)
    data = torch.randn(2, 1, 9, 9)
    blobs = net({"data": data})
    weight = net.layer("v").weight.detach().clone().requires_grad_()
    expected = torch.nn.functional.conv2d(torch.nn.functional.conv2d(data, weight), weight.reshape(1, 1, 1, 5))
    torch.testing.assert_close(blobs["h"], expected)
    for result in (blobs["h"], expected):
        result.square().sum().backward()
    torch.testing.assert_close(net.layer("v").weight.grad, weight.grad)
    assert [(blob.layer, blob.index) for blob in net.learnable] == [("v", 0)]
    stored = net.to_caffemodel(diff=True)
    assert [tuple(layer.blobs[0].shape.dim) for layer in stored.layer if layer.blobs] == [(1, 1, 5, 1), (1, 1, 1, 5)]
    other = Net(parse_net(PERMISSIVE, "n"), engine=engine)
    other.load_weights(stored, every_layer=True)
    assert torch.equal(other.layer("h").weight, net.layer("h").weight) and list(net.state_dict()) == ["layers.v.weight"]
    with pytest.raises(InputError, match=r"layer 'h' .*param 'w' of shape \(1, 1, 5, 1\), as layer 'v'"):
        Net(parse_net(PERMISSIVE.replace("share_mode: PERMISSIVE", ""), "n"))


def test_losses_make_their_own_top() -> None:
    """Net::Init's AutoTopBlobs: it has weight 1, is no output, and is not named in what is written."""
    loss = 'layer { name: "%s" type: "EuclideanLoss" bottom: "x" bottom: "y" %s }'
    net = net_of('input: "y" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }' + loss % ("one", "") + loss % ("two", ""))
    blobs = net({"x": torch.ones(1, 2, 6, 6), "y": torch.zeros(1, 2, 6, 6)})
    assert float(net.loss(blobs)) == 2 * 36.0 and net.output_names == []
    assert [list(layer.top) for layer in net.to_caffemodel().layer if layer.type == "EuclideanLoss"] == [[], []]
    assert [list(layer.loss_weight) for layer in net.to_caffemodel().layer if layer.type == "EuclideanLoss"] == [
        [1]
    ] * 2


def test_what_is_written_is_name_and_layers() -> None:
    """Net::ToProto starts from an empty message."""
    written = net_of('force_backward: true debug_info: true state { stage: "s" }' + convolution("c", "x", "c"))
    assert [field.name for field, _ in written.to_caffemodel().ListFields()] == ["name", "layer"]


def test_filling_is_deterministic_and_follows_net_order():
    text = convolution("a", "x", "a") + convolution("b", "a", "b")
    first, again = net_of(text, seed=5).state_dict(), net_of(text, seed=5).state_dict()
    for name, value in first.items():
        assert_same_bits(again[name].numpy(), value.numpy(), name)
    assert not torch.equal(first["layers.a.weight"], first["layers.b.weight"])
    assert torch.equal(net_of(convolution("a", "x", "a"), seed=5).layers["a"].weight, first["layers.a.weight"])


def test_the_loss_is_the_weighted_sum_over_the_losses():
    text = (
        'input: "y" input_shape { dim: 1 dim: 2 dim: 6 dim: 6 }'
        'layer { name: "l1" type: "EuclideanLoss" bottom: "x" bottom: "y" top: "l1" }'
        'layer { name: "l2" type: "EuclideanLoss" bottom: "x" bottom: "y" top: "l2" loss_weight: 3 }'
    )
    net = net_of(text)
    blobs = net({"x": torch.ones(1, 2, 6, 6), "y": torch.zeros(1, 2, 6, 6)})
    assert net.loss_weights == {"l1": 1, "l2": 3}
    assert float(net.loss(blobs)) == 4 * 36.0


@pytest.mark.parametrize(("engine", "worst"), [("fast:tf32", 1e-5), ("fast:bf16", 0.03), ("fast:fp16", 0.004)])
def test_reduced_precisions_stay_near(golden: Path, engine: str, worst: float) -> None:
    blobs = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    files = [golden / f"net/mini_cpm_deploy.{suffix}" for suffix in ("prototxt", "caffemodel")]
    net = load_net(*files, engine=engine)
    with torch.no_grad():
        made = net({"data": torch.from_numpy(blobs["data"])})
    for name in ("conv7_stage1", "Mconv5_stage2", "Mconv5_stage3"):
        expected = blobs[name]
        error = np.abs(made[name].float().numpy() - expected).max() / np.abs(expected).max()
        assert (error < 1e-5) == (engine == "fast:tf32") and error < worst, (name, error)


def test_only_wanted_blobs_are_kept(golden: Path) -> None:
    blobs = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    net = load_net(golden / "net/mini_cpm_deploy.prototxt", golden / "net/mini_cpm_deploy.caffemodel")
    data = {"data": torch.from_numpy(blobs["data"])}
    wanted = ["conv7_stage1", "Mconv5_stage3", "pool2_stage1"]
    with torch.no_grad():
        everything, some = net(data), net(data, wanted)
    assert sorted(some) == sorted(wanted)
    for name in wanted:
        assert_same_bits(some[name].contiguous().numpy(), everything[name].contiguous().numpy(), name)


def pooling(name, bottom, top, more="pool: MAX kernel_size: 3 stride: 2"):
    return f'layer {{ name: "{name}" type: "Pooling" bottom: "{bottom}" top: "{top}" pooling_param {{ {more} }} }}\n'


LEAKY = "relu_param { negative_slope: 0.1 }"
POOLED = convolution("c", "x", "c", 4) + relu("r", "c", "c") + pooling("p", "c", "p") + relu("q", "p", "p")


@pytest.fixture
def pooled(monkeypatch):
    """The windows that convolutions have pooled by."""
    seen, made = [], Fast.pooled_convolution
    monkeypatch.setattr(Fast, "pooled_convolution", lambda *given: seen.append(given[-1]) or made(*given))
    return seen


def test_convolutions_pool_what_nobody_wants(pooled):
    net, blobs = net_of(POOLED, seed=1), {"x": torch.randn(3, 2, 15, 14)}
    with torch.no_grad():
        every = net(blobs)
        both = net(blobs, ["c", "p"])
        assert pooled == [] and list(both) == ["c", "p"]
        alone = net(blobs, ["p"])
    assert list(alone) == ["p"] and pooled == [Window((3, 3), (2, 2))]
    assert_same_bits(alone["p"].numpy(), every["p"].numpy(), "pooled at once")
    assert_same_bits(both["c"].numpy(), every["c"].numpy(), "not pooled")
    with_gradient = net(blobs, ["p"])["p"]
    assert with_gradient.requires_grad and len(pooled) == 1


@pytest.mark.parametrize("engine", ["exact", "plain"])
def test_other_engines_pool_apart(engine):
    net, blobs = net_of(POOLED, seed=1, engine=engine), {"x": torch.randn(3, 2, 15, 14)}
    with torch.no_grad():
        assert_same_bits(net(blobs, ["p"])["p"].numpy(), net(blobs)["p"].numpy(), engine)


def test_who_watches_a_layer_sees_its_own_tops(pooled):
    net, blobs, seen = net_of(POOLED, seed=1), {"x": torch.randn(1, 2, 9, 8)}, []
    with torch.no_grad():
        for name in ("c", "p"):
            hook = net.layer(name).register_forward_hook(lambda layer, given, made: seen.append(given[0].shape[1:]))
            net(blobs, ["p"])
            hook.remove()
        assert seen == [(2, 9, 8), (4, 9, 8)] and pooled == []
        net.layer("c").forward = lambda x: (torch.zeros(1, 4, 9, 8),)
        assert not net(blobs, ["p"])["p"].any() and pooled == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (convolution("c", "x", "c") + pooling("p", "c", "p"), 1),
        (convolution("c", "x", "x") + relu("r", "x", "x") + pooling("p", "x", "p"), 1),
        (convolution("c", "x", "c") + relu("r", "c", "r") + pooling("p", "r", "p"), 0),
        (convolution("c", "x", "c") + relu("r", "c", "c", LEAKY) + pooling("p", "c", "p"), 0),
        (convolution("c", "x", "c") + pooling("p", "c", "p") + pooling("other", "c", "q"), 0),
        (convolution("c", "x", "c") + pooling("p", "c", "p", "pool: AVE kernel_size: 2"), 0),
        (convolution("c", "x", "c") + pooling("p", "c", "p", "pool: MAX global_pooling: true"), 0),
        (convolution("c", "x", "c") + pooling("p", "c", 'p" top: "mask'), 0),
        (convolution("c", "x", "c") + pooling("q", "c", "q") + pooling("p", "q", "p"), 1),
        (convolution("c", "x", "c", more='bottom: "x" top: "d"') + pooling("p", "c", "p"), 0),
        (pooling("q", "x", "q") + convolution("c", "q", "q") + pooling("p", "q", "p"), 1),
        (convolution("c", "x", "c") + pooling("p", "c", "c") + relu("q", "c", "p"), 0),
    ],
)  # fmt: skip
def test_which_poolings_are_folded(pooled, text, count):
    net, blobs = net_of(text, seed=1), {"x": torch.randn(2, 2, 13, 12)}
    with torch.no_grad():
        assert_same_bits(net(blobs, ["p"])["p"].numpy(), net(blobs)["p"].numpy(), "p")
    assert len(pooled) == count
