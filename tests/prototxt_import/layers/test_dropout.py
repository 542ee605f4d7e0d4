"""DeepLab's `scale_train: false`: the values that stay are left alone in TRAIN, and all are scaled in TEST; ENet's
dropout of channels."""

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer

NET = """
    input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
    layer { name: "d" type: "Dropout" bottom: "data" top: "d"
            dropout_param { dropout_ratio: 0.25 scale_train: false } }"""


def test_train_keeps_values_and_test_scales_them():
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    tested = Net(parse_net(NET, "net"))({"data": x})["d"]
    assert torch.equal(tested, x * 0.75)
    trained = Net(parse_net(NET, "net"), phase="TRAIN", seed=1)({"data": x})["d"]
    kept = trained != 0
    assert 0 < kept.sum() < x.numel()
    assert torch.allclose(trained[kept], x[kept], rtol=1e-6)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_bayesian_segnet_drops_in_test(engine):
    text = "dropout_param { dropout_ratio: 0.25 sample_weights_test: true }"
    x = torch.rand(2, 3, 20, 20) + 1
    net = single_layer("Dropout", {"x": (2, 3, 20, 20)}, text, engine, seed=1)
    first, second = (net({"x": x})["t"] for _ in range(2))
    kept = first != 0
    torch.testing.assert_close(first, torch.where(kept, x / 0.75, 0.0))
    assert 0.65 < kept.float().mean() < 0.85 and not torch.equal(first, second)


SPATIAL = 'type: "SpatialDropout" spatial_dropout_param { dropout_ratio: 0.25 }'
PYTHON = 'type: "Python" python_param { module: "spatial_dropout" layer: "SpatialDropoutLayer" param_str: "%s" }'


def spatial(layer, phase="TEST", engine="fast"):
    text = 'input: "data" input_shape { dim: 6 dim: 8 dim: 3 dim: 4 } '
    text += f'layer {{ name: "d" bottom: "data" top: "d" {layer} }}'
    return Net(parse_net(text, "net"), phase=phase, engine=engine, seed=1)


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(
    ("layer", "phase"),
    [
        (SPATIAL, "TRAIN"),
        (SPATIAL.replace("0.25", "0.25 sample_weights_test: true"), "TEST"),
        (PYTHON % r"{\'phase\': \'TRAIN\', \'p\': \'0.25\'}", "TEST"),
    ],
)
def test_whole_channels_of_an_image_are_dropped(engine, layer, phase):
    x = torch.rand(6, 8, 3, 4).add_(0.5).requires_grad_()
    y = spatial(layer, phase, engine)({"data": x})["d"]
    kept = (y != 0).flatten(2).all(2)
    assert torch.equal(kept, (y != 0).flatten(2).any(2)) and 0 < int(kept.sum()) < 48
    assert len({tuple(row) for row in kept.tolist()}) > 1
    factor = kept[:, :, None, None] / 0.75
    torch.testing.assert_close(y, x * factor)
    y.sum().backward()
    torch.testing.assert_close(x.grad, factor.expand_as(x).float())


def test_in_test_the_layer_in_python_scales_and_the_other_does_not():
    x = torch.rand(6, 8, 3, 4)
    assert torch.equal(spatial(SPATIAL)({"data": x})["d"], x)
    for text in (r"{\'phase\': \'TEST\', \'p\': \'0.2\'}", r"{\'phase\': \'TEST\', \'p\': 0.2}"):
        torch.testing.assert_close(spatial(PYTHON % text, "TRAIN")({"data": x})["d"], x * 1.25)


@pytest.mark.parametrize("text", ["", "{", r"{\'p\': 0.1}", r"{\'phase\': \'TEST\', \'p\': 2}", r"{\'seed\': 1}"])
def test_what_param_str_must_say(text):
    with pytest.raises(InputError, match=r"layer 'd' \(Python.*expected a (param_str|dropout ratio)"):
        spatial(PYTHON % text)


@pytest.mark.parametrize("ratio", [0, 1])
def test_where_nothing_is_dropped_nobody_asks_for_the_ratio(ratio):
    text = NET.replace("0.25 scale_train: false", f"{ratio}")
    x = torch.randn(1, 1, 8, 8)
    assert torch.equal(Net(parse_net(text, "net"))({"data": x})["d"], x)
    with pytest.raises(InputError, match="a dropout_ratio between 0 and 1"):
        Net(parse_net(text, "net"), phase="TRAIN")


def test_selu_dropout_keeps_mean_and_variance():
    text, x = "selu_dropout_param { dropout_ratio: 0.25 }", torch.randn(4, 3, 40, 50, requires_grad=True)
    shapes = {"x": tuple(x.shape)}
    assert torch.equal(single_layer("SeLuDropout", shapes, text)({"x": x})["t"], x)
    y = single_layer("SeLuDropout", shapes, text, seed=1, phase="TRAIN")({"x": x})["t"]
    scale = (0.75 + 1.75809934**2 * 0.75 * 0.25) ** -0.5
    shift = scale * 0.25 * 1.75809934
    dropped = (y + 1.75809934 * scale - shift).abs() < 1e-6
    torch.testing.assert_close(y, torch.where(dropped, -1.75809934, x) * scale + shift)
    assert abs(dropped.float().mean() - 0.25) < 0.02 and abs(y.mean()) < 0.05 and abs(y.var() - 1) < 0.05
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(dropped, 0.0, scale))
