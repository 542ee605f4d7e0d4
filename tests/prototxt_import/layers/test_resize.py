"""Maps made larger."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.opencv import opencvs_blob
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])


@ENGINES
def test_upsample_repeats(engine):
    net = single_layer("Upsample", {"x": (1, 2, 2, 3)}, "upsample_param { scale: 2 }", engine)
    x = torch.arange(12.0).reshape(1, 2, 2, 3).requires_grad_()
    y = net({"x": x})["t"]
    assert y.shape == net.blob_shapes["t"] == (1, 2, 4, 6)
    assert y[0, 1].tolist() == np.kron(x[0, 1].detach().numpy(), np.ones((2, 2))).tolist()
    y.sum().backward()
    assert (x.grad == 4).all()


@ENGINES
@pytest.mark.parametrize(("more", "size"), [("scale: 2", (6, 6)), ("scale: 2 pad_out_h: true", (5, 6)),
                                            ("upsample_h: 5 upsample_w: 6", (5, 6))])  # fmt: skip
def test_upsample_by_the_poolings_mask(engine, more, size):
    text = f'input: "x" input_shape {{ dim: 2 dim: 3 dim: {size[0]} dim: {size[1]} }} '
    text += (
        'layer { name: "p" type: "Pooling" bottom: "x" top: "p" top: "m" pooling_param { kernel_size: 2 stride: 2 } } '
    )
    text += f'layer {{ name: "u" type: "Upsample" bottom: "p" bottom: "m" top: "u" upsample_param {{ {more} }} }}'
    net = Net(parse_net(text, "n"), engine=engine)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = net({"x": x})["u"]
    assert y.shape == net.blob_shapes["u"] == x.shape
    kept = y.detach() != 0
    assert int(kept.sum()) == 2 * 3 * 9 and torch.equal(y[kept], x[kept])
    y.sum().backward()
    assert torch.equal(x.grad != 0, kept)


def test_a_mask_of_a_larger_map_is_named():
    net = single_layer("Upsample", {"x": (1, 1, 2, 2), "m": (1, 1, 2, 2)}, "upsample_param { scale: 2 }")
    with pytest.raises(InputError, match="a mask of places in a 4 x 4 map"):
        net({"x": torch.ones(1, 1, 2, 2), "m": torch.full((1, 1, 2, 2), 16.0)})


@pytest.mark.parametrize(
    ("param", "size"),
    [("height: 9 width: 11", (9, 11)), ("zoom_factor: 3", (13, 19)), ("shrink_factor: 2", (3, 4))],
)
def test_interp_against_opencv(tmp_path, param, size):
    text = 'name: "n" input: "data" input_shape { dim: 1 dim: 2 dim: 5 dim: 7 } '
    text += f'layer {{ name: "t" type: "Interp" bottom: "data" top: "t" interp_param {{ {param} }} }}'
    net = Net(parse_net(text, "n"))
    data = np.random.default_rng(1).uniform(-1, 1, (1, 2, 5, 7)).astype(np.float32)
    ours = net({"data": torch.from_numpy(data)})["t"].numpy()
    assert ours.shape == net.blob_shapes["t"] == (1, 2, *size)
    if "shrink" in param:  # which OpenCV does not know
        assert np.array_equal(ours, data[:, :, ::2, ::2])
    else:
        np.testing.assert_allclose(ours, opencvs_blob(net, text, {"data": data}, "t", tmp_path), rtol=0, atol=1e-6)


@ENGINES
def test_interp_cuts_off_and_takes_the_size_of_a_second_bottom(engine):
    net = single_layer(
        "Interp", {"x": (1, 2, 6, 8), "y": (1, 1, 4, 6)}, "interp_param { pad_beg: -1 pad_end: -1 }", engine
    )
    x = torch.randn(1, 2, 6, 8)
    assert torch.equal(net({"x": x, "y": torch.zeros(1, 1, 4, 6)})["t"], x[:, :, 1:-1, 1:-1])
    with pytest.raises(InputError, match="height and width, zoom_factor, shrink_factor or a second bottom"):
        single_layer("Interp", {"x": (1, 2, 6, 8)}, "interp_param { height: 3 }")
