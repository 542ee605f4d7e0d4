"""Fillers: the original's bits, ranges and moments, the order of the draws, and what a wrong one is told."""

import hashlib
import json
import math

import numpy as np
import pytest
import torch

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.fillers import fill
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits

SHAPE = (40, 30, 5, 5)
FAN_IN, FAN_OUT = 30 * 25, 40 * 25
KINDS = ["gaussian", "gaussian_mean", "gaussian_sparse", "xavier", "xavier_avg", "msra", "uniform", "constant"]
KINDS += ["positive_unitball", "bilinear"]


def filled(shape=SHAPE, **fields):
    blob = torch.full(shape, math.nan)
    fill(blob, schema.FillerParameter(**fields), CaffeRandom(1), "layer 'c'")
    return blob.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_the_originals(golden, kind):
    expected = np.load(golden / "net/fillers.npz")
    net = Net(parse_net(str(expected[f"{kind}/prototxt"]), kind), seed=int(expected["seed"]))
    for blob in net.learnable:
        name = f"{kind}/{blob.layer}" + ("_bias" if blob.index else "")
        assert_same_bits(blob.parameter.detach().contiguous().numpy(), expected[name], name)


def test_the_full_networks_parameters_are_the_originals(golden):
    expected = json.loads((golden / "net/cpm6_full.json").read_text())
    net = load_net(golden / "net/cpm6_full_deploy.prototxt", seed=expected["random_seed"])
    found = {
        f"{blob.layer}/{blob.index}": hashlib.sha256(blob.parameter.detach().contiguous().numpy()).hexdigest()
        for blob in net.learnable
    }
    assert found == expected["params_sha256"]


@pytest.mark.parametrize(("name", "seed"), [("replay", 1701), ("replay_dropout", 1702), ("replay_itersize", 1703)])
def test_a_data_layer_takes_two_draws_first(golden, name, seed):
    trace = np.load(golden / f"solver/{name}_trace.npz")
    net = load_net(golden / f"solver/{name}_train.prototxt", phase="TRAIN", seed=seed)
    for blob in net.learnable:
        key = f"iter0/{blob.layer}/{blob.index}"
        assert_same_bits(blob.parameter.detach().contiguous().numpy(), trace[key], key)


def test_a_shared_blob_draws_although_it_is_not_kept():
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ name: "{2}" }} '
        'inner_product_param {{ num_output: 3 bias_term: false weight_filler {{ type: "gaussian" }} }} }}'
    )
    text = 'input: "x" input_shape { dim: 1 dim: 3 }' + "".join(
        layer.format(*names) for names in (("a", "x", "w"), ("b", "a", "w"), ("c", "b", "v"))
    )
    net = Net(parse_net(text, "n"), seed=4)
    expected = CaffeRandom(4).normal(0, 1, 27)
    assert net.layer("b").weight is net.layer("a").weight
    assert_same_bits(net.layer("a").weight.detach().numpy().ravel(), expected[:9])
    assert_same_bits(net.layer("c").weight.detach().numpy().ravel(), expected[18:])


def test_constant_uniform_and_gaussian():
    assert (filled(type="constant", value=0.7) == np.float32(0.7)).all()
    uniform = filled(type="uniform", min=-2, max=5)
    assert uniform.min() >= -2 and uniform.max() <= 5 and uniform.mean() == pytest.approx(1.5, abs=0.05)
    gaussian = filled(type="gaussian", mean=1, std=3)
    assert gaussian.mean() == pytest.approx(1, abs=0.05) and gaussian.std() == pytest.approx(3, rel=0.02)


@pytest.mark.parametrize(
    ("norm", "fan"), [("FAN_IN", FAN_IN), ("FAN_OUT", FAN_OUT), ("AVERAGE", (FAN_IN + FAN_OUT) / 2)]
)
def test_xavier_and_msra_scale_by_fan(norm, fan):
    xavier = filled(type="xavier", variance_norm=norm)
    assert np.abs(xavier).max() == pytest.approx(math.sqrt(3 / fan), rel=1e-3)
    assert filled(type="msra", variance_norm=norm).std() == pytest.approx(math.sqrt(2 / fan), rel=0.02)


def test_positive_unitball_and_bilinear():
    ball = filled(type="positive_unitball")
    assert (ball >= 0).all() and ball.reshape(40, -1).sum(1) == pytest.approx(1, rel=1e-5)
    np.testing.assert_array_equal(filled((1, 1, 4, 4), type="bilinear")[0, 0, 0], [0.0625, 0.1875, 0.1875, 0.0625])


def test_a_blob_without_axes_is_one_value():
    assert filled((), type="msra").shape == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "gausian"}, "layer 'c': expected a known filler, found 'gausian'"),
        ({"type": "uniform", "min": 2, "max": 1}, "uniform filler: expected min <= max, found 2.0 and 1.0"),
        ({"type": "gaussian", "std": -1}, "gaussian filler: expected a std of 0 or more, found -1.0"),
        ({"type": "gaussian", "sparse": 41}, "gaussian filler: expected sparse up to 40, found 41"),
        ({"type": "bilinear"}, None),
    ],
)
def test_a_wrong_filler_is_told(fields, said):
    if said is None:
        with pytest.raises(InputError, match="expected a square 4-axis blob"):
            filled((3, 3, 4, 5), **fields)
        return
    with pytest.raises(InputError, match=said):
        filled(**fields)


def test_a_uniform_filler_as_wide_as_floats_go_is_refused():
    filler = schema.FillerParameter(type="uniform", min=-3e38, max=3e38)
    with pytest.raises(InputError, match="max - min to be a float32, found inf"):
        fill(torch.empty(3), filler, CaffeRandom(1), "layer 'a'")


def test_caffe_windows_msra_knows_the_slope_behind_it():
    np.testing.assert_allclose(filled(type="msra", alpha=0.75), filled(type="msra") / 1.25, rtol=1e-6)
    with pytest.raises(InputError, match="an alpha of the filler msra only, found one of 'xavier'"):
        filled(type="xavier", alpha=0.5)


def test_the_filler_file_reads_as_many_numbers(tmp_path):
    path = tmp_path / "identity.txt"
    path.write_text("1 0 0\n0 1 0.5\n")
    np.testing.assert_array_equal(filled((6,), type="file", file=str(path)), [1, 0, 0, 0, 1, 0.5])
    with pytest.raises(InputError, match=r"identity.txt: expected 5 numbers for the filler of layer 'c', found 6"):
        filled((5,), type="file", file=str(path))
    path.write_text("1 x")
    with pytest.raises(InputError, match="expected numbers"):
        filled((2,), type="file", file=str(path))
    with pytest.raises(InputError, match="expected the name of a file"):
        filled((2,), type="file")
    with pytest.raises(InputError, match="expected a file of the filler file only"):
        filled((2,), type="constant", file=str(path))
