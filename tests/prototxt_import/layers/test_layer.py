"""Every layer type against what the original computed, forward and backward, and what is said of wrong ones."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.layer import CONVERTERS, register
from prototxt_import.net import Net
from tests.cpm_repro.convert.elsewhere import CHAINS
from tests.prototxt_import.layer_zoo import ZOO, ZOO2, ZOO_TRAIN, prototxts, run_layer
from tests.prototxt_import.single_layer import single_layer


@pytest.fixture(scope="module")
def zoo(golden):
    return np.load(golden / "net/layer_zoo.npz")


def test_the_lists_are_the_golden_files(zoo, golden2):
    assert sorted(prototxts(zoo)) == sorted(ZOO)
    assert sorted(prototxts(np.load(golden2 / "net/layer_zoo2.npz"))) == sorted(ZOO2)
    assert sorted(prototxts(np.load(golden2 / "net/layer_zoo_train.npz"))) == sorted(ZOO_TRAIN)


def close(actual, expected, name):
    """float32 accuracy: 2e-6 of the largest value (the exact engine's tests compare bits)."""
    scale = max(float(np.abs(expected).max()), 1e-3)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * scale, err_msg=name)


@pytest.mark.parametrize("name", ZOO)
def test_layer_against_the_original(zoo, name):
    for key, values in run_layer(zoo, name, "fast").items():
        assert values.shape == zoo[key].shape
        close(values, zoo[key], key)


@pytest.mark.parametrize("name", ZOO2)
def test_layer_of_the_second_set_against_the_original(golden2, name):
    with np.load(golden2 / "net/layer_zoo2.npz") as zoo:
        for key, values in run_layer(zoo, name, "fast").items():
            assert values.shape == zoo[key].shape
            close(values, zoo[key], key)


@pytest.mark.parametrize("name", [name for name in ZOO_TRAIN if not name.startswith("dropout")])
def test_layer_in_training_against_the_original(golden2, name):
    with np.load(golden2 / "net/layer_zoo_train.npz") as zoo:
        for key, values in run_layer(zoo, name, "fast").items():
            close(values, zoo[key], key)


def test_registering_a_type_twice_is_an_error():
    with pytest.raises(ValueError, match="ReLU is registered twice"):
        register("ReLU")(CONVERTERS["PReLU"])


X = 'input: "x" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 } '
Y = 'input: "y" input_shape { dim: 2 dim: 4 dim: 8 dim: 7 } '


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ('type: "Convolutoin" bottom: "x" top: "t"', "expected a known type, found 'Convolutoin'"),
        ('type: "Convolution" bottom: "x" top: "t" convolution_param { num_output: 2 }', "one or two values of kernel"),
        ('type: "Convolution" bottom: "x" top: "t" convolution_param { kernel_size: 3 }', "num_output above 0"),
        (
            'type: "Convolution" bottom: "x" top: "t" convolution_param { num_output: 4 kernel_size: 3 group: 2 }',
            "groups that divide 3 and 4 channels",
        ),
        (
            'type: "Convolution" bottom: "x" top: "t" convolution_param { num_output: 4 kernel_size: 11 }',
            "every dimension above 0",
        ),
        ('type: "Pooling" bottom: "x" top: "t" pooling_param { }', "a kernel size above 0"),
        ('type: "Pooling" bottom: "x" top: "t" pooling_param { kernel_size: 2 pad: 2 }', "padding below the kernel"),
        ('type: "Pooling" bottom: "x" top: "t" pooling_param { pool: STOCHASTIC kernel_size: 2 }', "found STOCHASTIC"),
        ('type: "ReLU" top: "t"', "expected 1 bottom"),
        ('type: "Concat" bottom: "x" bottom: "y" top: "t"', "bottoms alike but on axis 1"),
        ('type: "Eltwise" bottom: "x" bottom: "y" top: "t"', "bottoms of one shape"),
        ('type: "Slice" bottom: "x" top: "a" top: "b"', "a size that 2 tops divide"),
        ('type: "Slice" bottom: "x" top: "a" top: "b" slice_param { slice_point: 3 }', "slice points that rise"),
        ('type: "Reshape" bottom: "x" top: "t" reshape_param { shape { dim: 5 dim: -1 } }', "as many values as"),
        ('type: "Crop" bottom: "y" bottom: "x" top: "t" crop_param { axis: 2 }', "the crop inside"),
        ('type: "EuclideanLoss" bottom: "x" bottom: "y" top: "t"', "as many images and values"),
        ('type: "InnerProduct" bottom: "x" top: "t" inner_product_param { num_output: 2 axis: 9 }', "an axis of a"),
        ('type: "Dropout" bottom: "x" top: "t" dropout_param { dropout_ratio: 1.5 }', "between 0 and 1"),
        ('type: "Softmax" bottom: "x" top: "t" top: "u"', "expected 1 top"),
        ('type: "LRN" bottom: "x" top: "t" lrn_param { local_size: 4 }', "an odd local_size"),
    ],
)  # fmt: skip
def test_a_wrong_layer_is_named(layer, said):
    with pytest.raises(InputError, match=said) as error:
        Net(parse_net(f'{X}{Y}layer {{ name: "wrong one" {layer} }}', "n"))
    assert "layer 'wrong one'" in str(error.value) and "\n" not in str(error.value)


def test_eltwise_max_gives_a_tie_to_the_second_bottom():
    z = 'input: "z" input_shape { dim: 2 dim: 3 dim: 8 dim: 8 } '
    layer = 'layer { name: "m" type: "Eltwise" bottom: "x" bottom: "z" top: "m" eltwise_param { operation: MAX } }'
    net = Net(parse_net(X + z + layer, "n"))
    x, z = (torch.ones(2, 3, 8, 8, requires_grad=True) for _ in range(2))
    net({"x": x, "z": z})["m"].sum().backward()
    assert float(x.grad.abs().sum()) == 0 and bool((z.grad == 1).all())


def test_batch_norm_in_training_normalises_and_keeps_moving_sums():
    text = (
        X
        + 'layer { name: "b" type: "BatchNorm" bottom: "x" top: "b" batch_norm_param { moving_average_fraction: 0.5 } }'
    )
    net = Net(parse_net(text, "n"), "TRAIN")
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 3 + 1
    for _ in range(2):
        y = net({"x": x})["b"]
    layer = net.layers["b"]
    assert torch.allclose(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert float(layer.factor) == pytest.approx(1.5)
    assert torch.allclose(layer.mean / layer.factor, x.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(layer.variance / layer.factor, x.var((0, 2, 3)), rtol=1e-4)


WITH_IMAGES = (2, 4, 21, 26)
BEHIND_A_DETECTOR = [spec for chain in CHAINS.values() for spec in chain] + [
    'type: "InnerProduct" inner_product_param { num_output: 3 }', 'type: "SPP" spp_param { pyramid_height: 2 }',
    'type: "Reshape" reshape_param { shape { dim: -1 dim: 4 dim: 21 dim: 26 } }', 'type: "ArgMax"',
    'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 } }', 'type: "Im2col" convolution_param { kernel_size: 3 }',
    'type: "Reshape" reshape_param { shape { dim: 0 dim: 0 dim: -1 } }', 'type: "ArgMax" argmax_param { axis: 1 }',
]  # fmt: skip


@pytest.mark.parametrize("engine", ["fast", "exact", "plain"])
def test_a_batch_of_no_images_as_where_nothing_is_found(engine):
    for spec in BEHIND_A_DETECTOR:
        _, type_name, more = spec.split('"', 2)
        net = single_layer(type_name, {"x": WITH_IMAGES}, more, engine, seed=1)
        y = net({"x": torch.zeros(0, *WITH_IMAGES[1:])})["t"]
        assert y.shape == (0, *net.blob_shapes["t"][1:]), spec
