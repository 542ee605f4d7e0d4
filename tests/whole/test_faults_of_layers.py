"""More faults that ports make, planted into a CPM and into a residual net: of layers in place, of weights one by one,
of other bottoms, of arithmetic with few bits."""

import functools

import numpy as np
import pytest
import torch
from torch.nn import functional

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

from . import small_cpm as cpm
from . import small_residual_net as residual
from .small_residual_net import BN

pytestmark = pytest.mark.usefixtures("one_thread")


def cpm_with(change):
    """Blobs of a CPM with every blob of its layers changed, by the name of its key."""
    made = Net(parse_net(cpm.TEXT, "net"))
    made.load_state_dict({key: change(key, blob) for key, blob in cpm.net().state_dict().items()})
    return cpm.blobs(made)


def computed(cast):
    """Blobs of a CPM whose convolutions round their inputs and weights."""

    def convolve(layer, x):
        pad = tuple(layer.window.pad)
        return functional.conv2d(cast(x), cast(layer.weight), layer.bias, padding=pad)

    made = cpm.unfolded(Net(parse_net(cpm.TEXT, "net")))
    made.load_state_dict(cpm.net().state_dict())
    for layer in made.layers.values():
        if layer.spec.type == "Convolution":
            layer.forward = functools.partial(convolve, layer)
    return cpm.blobs(made)


def with_weights_of(**owners):
    """Blobs of a CPM in which layers have the blobs of others."""
    taken = {f"layers.{to}.{blob}": f"layers.{by}.{blob}" for to, by in owners.items() for blob in ("weight", "bias")}
    state = cpm.net().state_dict()
    return cpm_with(lambda key, blob: state[taken.get(key, key)])


def snapshot(key, blob):
    random = torch.Generator().manual_seed(len(key))
    return blob * (1 + 0.05 * torch.randn(blob.shape, generator=random)) if key.endswith(("weight", "bias")) else blob


def to_tf32(x):
    bits = x.contiguous().view(torch.int32)
    return ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)


def rounded(dtype):
    return lambda key, blob: blob.to(dtype).float() if key.endswith(("weight", "bias")) else blob


def flipped(weight):
    changed = weight.detach().numpy().copy()
    changed.view(np.uint32)[3, 2, 1, 1] ^= np.uint32(1 << 24)
    return torch.from_numpy(changed)


def at(index, change):
    def changed(blob):
        blob[index] = change(blob[index])
        return blob

    return changed


def turned_without_bias():
    state = cpm.net().state_dict()
    state = {**state, "layers.conv2.weight": state["layers.conv2.weight"].flip(2, 3)}
    return cpm_with(lambda key, blob: 0 * blob if key == "layers.conv2.bias" else state[key])


def before_relu(x):
    first, second = cpm.net().layer("conv2"), cpm.net().layer("conv3")
    made = functional.conv2d(torch.from_numpy(cpm.blobs()["pool1"]), first.weight, first.bias, padding=1)
    return functional.conv2d(made, second.weight, second.bias, padding=1)


def shuffled(x):
    layer = residual.net().layer("conv2")
    x = x.unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
    return functional.conv2d(x, layer.weight, layer.bias, padding=1, groups=2)


def eps_outside(x):
    mean, variance = (values.reshape(1, -1, 1, 1) for values in residual.net().layer("bn3").statistics())
    return (x - mean) / (variance.sqrt() + 0.1)


def exchanged(x):
    factor, bias = (blob.reshape(1, -1, 1, 1) for blob in residual.net().layer("scale3").parameters())
    return x * bias + factor


def conv2_of(x):
    layer = cpm.net().layer("conv2")
    return functional.relu(functional.conv2d(x, layer.weight, layer.bias, padding=1))


IN_A_CPM = {
    "one image for all": (
        lambda: cpm.with_layer("conv2", lambda x: conv2_of(x[:1].expand_as(x))),
        "conv2",
        "images repeated in B",
    ),
    "cut off": (
        lambda: cpm.with_layer("relu_conv2", lambda x: x.clamp(0, 0.5)),
        "conv2",
        "B is cut off at 0.5",
    ),
    "steps of one size": (
        lambda: cpm.with_layer("conv2", lambda x: torch.round(conv2_of(x) * 16) / 16),
        "conv2",
        "B is quantised in steps of 0.0625",
    ),
    "bfloat16 weights": (lambda: cpm_with(rounded(torch.bfloat16)), "conv1", "weights that are rounded to bfloat16"),
    "TF32": (lambda: computed(to_tf32), "conv1", "arithmetic in TF32 (a card's default) or float16"),
    "bfloat16": (
        lambda: computed(lambda x: x.bfloat16().float()),
        "conv1",
        "or arithmetic in bfloat16: the inputs have no more digits",
    ),
    "another snapshot": (lambda: cpm_with(snapshot), "conv1", "B has the weights of another file or snapshot"),
    "one stage's weights twice": (
        lambda: with_weights_of(Mconv2_stage3="Mconv2_stage2"),
        "Mconv2_stage3",
        "those of layer Mconv2_stage2",
    ),
    "two stages' weights exchanged": (
        lambda: with_weights_of(Mconv1_stage2="Mconv1_stage3", Mconv1_stage3="Mconv1_stage2"),
        "Mconv1_stage2",
        "those of layer Mconv1_stage3",
    ),
    "a flipped bit of a weight": (
        lambda: cpm.with_weights("conv2", flipped),
        "conv2",
        "only weight (3, 2, 1, 1) differs, 1.29425 in place of 0.323562",
    ),
    "a weight of more than places": (
        lambda: cpm.with_weights("Mconv1_stage2", at((1, 10, 2, 2), lambda w: w + 1)),
        "Mconv1_stage2",
        "only weight (1, 10, 2, 2) differs",
    ),
    "a filter of zeros": (
        lambda: cpm.with_weights("conv2", at(3, lambda w: 0 * w)),
        "conv2",
        "its weight of output 3 alone, times 0",
    ),
    "a bias": (
        lambda: cpm.with_weights("conv2", at(3, lambda b: b + 1), "bias"),
        "conv2",
        "its bias of output 3 alone, 1.24726 in place of 0.24726",
    ),
    "two filters exchanged": (
        lambda: cpm.with_weights("conv2", lambda w: w[[0, 1, 4, 3, 2, 5, 6, 7]]),
        "conv2",
        "outputs in another order, [0, 1, 4, 3, 2, 5, 6, 7]",
    ),
    "background first": (
        lambda: cpm.with_weights("Mconv2_stage3", lambda w: w.roll(1, 0)),
        "Mconv2_stage3",
        "outputs in another order, [14, 0, 1,",
    ),
    "turned, and no bias": (
        turned_without_bias,
        "conv2",
        "turned by 180°, a convolution against Caffe's correlation, without the bias",
    ),
    "a quarter turned": (lambda: cpm.with_weights("conv2", lambda w: w.rot90(1, (2, 3))), "conv2", "turned by 90°"),
    "a bias moved": (
        lambda: cpm.with_weights("conv2", lambda b: b.roll(1), "bias"),
        "conv2",
        "with the bias moved by one output",
    ),
    "a bias of another layer": (
        lambda: cpm.with_weights("conv2", lambda b: cpm.net().layer("conv3").bias, "bias"),
        "conv2",
        "with the bias of layer conv3",
    ),
    "weights for another order of bottoms": (
        lambda: cpm.with_weights("Mconv1_stage2", lambda w: torch.cat([w[:, 8:23], w[:, :8], w[:, 23:]], 1)),
        "Mconv1_stage2",
        "taking concat_stage2 with weights for its parts in the order 2, 1, 3",
    ),
    "a bottom before its ReLU": (
        lambda: cpm.with_layer("conv3", before_relu),
        "conv3",
        "layer conv3 taking conv2 before layer relu_conv2",
    ),
    "features of another layer": (
        lambda: cpm.with_text(
            'bottom: "conv3" bottom: "centre" top: "features"', 'bottom: "conv2" bottom: "centre" top: "features"'
        ),
        "features",
        "layer features taking conv2 in place of conv3",
    ),
    "beliefs of the stage before": (
        lambda: cpm.with_text('"features" bottom: "Mconv2_stage2"', '"features" bottom: "crop"'),
        "concat_stage3",
        "layer concat_stage3 taking crop in place of Mconv2_stage2",
    ),
    "AVE over the whole window": (
        lambda: cpm.with_layer("centre", lambda x: functional.avg_pool2d(x, 5, 2, ceil_mode=True, divisor_override=25)),
        "centre",
        "AVE pooling that divides by all 25 values of the window",
    ),
    "a ReLU that is cut off": (
        lambda: cpm.with_layer("relu_conv2", lambda x: x.clamp(0, 1)),
        "conv2",
        "ReLU cut off at 1 in place of layer relu_conv2",
    ),
    "ELU": (lambda: cpm.with_layer("relu_conv2", functional.elu), "conv2", "ELU in place of layer relu_conv2"),
    "no padding of a deconvolution": (
        lambda: cpm.with_text("stride: 2 pad: 1 bias_term: false", "stride: 2 pad: 0 bias_term: false"),
        "up",
        "a deconvolution without padding; layer up has 1",
    ),
    "a coefficient's sign": (
        lambda: cpm.with_text("coeff: 0.5 coeff: 0.5", "coeff: 0.5 coeff: -0.5"),
        "halved",
        "Eltwise with coeff [0.5, -0.5]; layer halved has [0.5, 0.5]",
    ),
    "variances": (
        lambda: cpm.with_weights("bn1", lambda v: 1.05 * v, "variance"),
        "bn1",
        "variances times 1.05: of an unbiased estimate",
    ),
    "deviations": (lambda: cpm.with_weights("bn1", lambda v: v * v, "variance"), "bn1", "deviations for variances"),
}


OF_EVERY_LAYER = ("bfloat16 weights", "TF32", "bfloat16", "another snapshot")


@pytest.mark.parametrize("name", [n for n in IN_A_CPM if n not in OF_EVERY_LAYER])
def test_in_a_cpm(name):
    make, layer, said = IN_A_CPM[name]
    where, what = cpm.first_cause(make())
    assert where == layer and said in what


@pytest.mark.slow  # all layers' weights are tried, in every way
@pytest.mark.parametrize("name", OF_EVERY_LAYER)
def test_of_every_layer(name):
    test_in_a_cpm(name)


def of_bn1(settings):
    return lambda: residual.with_text(BN, BN.replace(" }", f" batch_norm_param {{ {settings} }} }}"))


IN_A_RESIDUAL_NET = {
    "eps": (of_bn1("eps: 77"), "conv1", "layer bn1: eps 77, not 1e-05"),
    "the batch's statistics": (of_bn1("use_global_stats: false"), "conv1", "by the batch's own mean and variance"),
    "sums for averages": (
        lambda: residual.with_weights("bn1", torch.ones_like, "factor"),
        "conv1",
        "layer bn1: the stored sums not divided by their factor, 0.7",
    ),
    "no mean": (lambda: residual.with_weights("bn3", lambda m: 0 * m, "mean"), "bn3", "layer bn3: without the mean"),
    "a mean of another layer": (
        lambda: residual.with_weights("bn3", lambda m: residual.net().layer("bn1").mean, "mean"),
        "bn3",
        "B has other weights of layer bn3: with the mean of layer bn1",
    ),
    "a factor of 0": (
        lambda: residual.with_weights("bn3", lambda f: 0 * f, "factor"),
        "bn3",
        "mean and variance of 0, as a stored factor of 0 makes them",
    ),
    "eps outside of the root": (
        lambda: residual.with_layer("bn3", eps_outside),
        "bn3",
        "eps 0.1 added to the deviation, not under the root",
    ),
    "factor and bias exchanged": (
        lambda: residual.with_layer("scale3", exchanged),
        "scale3",
        "with its factor and its bias exchanged",
    ),
    "a ReLU before a sum": (
        lambda: residual.with_layer("sum", lambda a, b: a.relu() + b),
        "sum",
        "a sum whose bottom 1 had a ReLU before in place of layer sum",
    ),
    "no bias of a Scale": (
        lambda: residual.with_weights("scale1", lambda b: 0 * b, "bias"),
        "conv1",
        "layer scale1: without the bias",
    ),
    "no Scale": (lambda: residual.with_layer("scale1", lambda x: x), "conv1", "a net without layer scale1 (Scale)"),
    "ReLU first": (
        lambda: residual.with_text(
            residual.BN + residual.SCALE + residual.RELU, residual.RELU + residual.BN + residual.SCALE
        ),
        "conv1",
        "the layers in place in the order relu1, bn1, scale1",
    ),
    "slopes": (lambda: residual.with_weights("prelu2", lambda s: s * 0 + 0.1, "slope"), "conv2", "ReLU of slope 0.1"),
    "slopes of channels": (
        lambda: residual.with_weights("prelu2", lambda s: s * torch.linspace(0, 1, 8), "slope"),
        "conv2",
        "other slopes of the channels than layer prelu2",
    ),
    "ReLU for PReLU": (lambda: residual.with_layer("prelu2", torch.relu), "conv2", "ReLU in place of layer prelu2"),
    "groups of outputs": (
        lambda: residual.with_weights("conv2", lambda w: w.roll(4, 0)),
        "conv2",
        "layer conv2: outputs in another order, [5, 6, 7, 1] at [1, 2, 3, 5]",
    ),
    "channels shuffled": (lambda: residual.with_layer("conv2", shuffled), "conv2", "channels shuffled over 2 groups"),
    "a shortcut": (
        lambda: residual.with_text('"scale3" bottom: "pool1"', '"scale3" bottom: "conv2"'),
        "sum",
        "layer sum taking conv2 in place of pool1",
    ),
    "a shift": (lambda: residual.with_text("shift: 0.1", ""), "pow", "Power with shift 0; layer pow has 0.1"),
    "a power": (lambda: residual.with_text("power: 2 scale", "power: 1 scale"), "pow", "Power with power 1"),
    "ELU's alpha": (lambda: residual.with_text("alpha: 0.7", ""), "elu", "ELU with alpha 1; layer elu has 0.7"),
    "a crop": (
        lambda: residual.with_text("offset: 2 offset: 3", "offset: 3 offset: 2"),
        "cropped",
        "Crop with offset [3, 2]; layer cropped has [2, 3]",
    ),
    "across the map": (
        lambda: residual.with_text("across_spatial: false", "across_spatial: true"),
        "normalize",
        "Normalize with across_spatial true; layer normalize has false",
    ),
    "axes": (
        lambda: residual.with_text("order: 0 order: 2 order: 3 order: 1", "order: 0 order: 1 order: 3 order: 2"),
        "permute",
        "",
    ),
    "channels last": (
        lambda: residual.with_layer(
            "fc",
            lambda x: functional.linear(x.permute(0, 2, 3, 1).flatten(1), *residual.net().layer("fc").parameters()),
        ),
        "fc",
        "layer fc of its bottom flattened channels last (H, W, C)",
    ),
    "dropout that scales": (
        lambda: residual.with_layer("drop", lambda x: 0.6 * x),
        "fc",
        "dropout that multiplies by 0.6 in a test",
    ),
    "dropout left on": (
        lambda: residual.with_layer("drop", lambda x: functional.dropout(x, 0.4)),
        "fc",
        "dropout is at work in B",
    ),
}


@pytest.mark.parametrize("name", IN_A_RESIDUAL_NET)
def test_in_a_residual_net(name):
    torch.manual_seed(0)
    make, layer, said = IN_A_RESIDUAL_NET[name]
    first = cpm.origins(residual.blobs(), make(), of=residual.net())[0]
    assert first.name == layer and said in first.causes[0].what


def test_a_fault_of_many_layers_is_said_once():
    (origin,) = cpm.origins(cpm.blobs(), cpm_with(rounded(torch.float16)))
    assert origin.causes[0].evidence.startswith(
        "the same in conv2, conv3, conv4_stage1, Mconv1_stage2, Mconv2_stage2; "
    )


def test_rounding_has_no_other_cause():
    found = cpm.origins(cpm.blobs(), computed(lambda x: x))
    assert all("rounding" in cause.what for origin in found for cause in origin.causes)
