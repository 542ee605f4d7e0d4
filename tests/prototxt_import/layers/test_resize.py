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


@ENGINES
@pytest.mark.parametrize(
    ("more", "size"), [("unpool_size: 7", (7, 7)), ("unpool_h: 6 unpool_w: 8", (6, 8)), ("", (7, 9))]
)
def test_deconvnets_unpooling(engine, more, size):
    text = 'input: "x" input_dim: 2 input_dim: 3 input_dim: 6 input_dim: 8 '
    text += (
        'layers { name: "p" type: POOLING bottom: "x" top: "p" top: "m" pooling_param { kernel_size: 2 stride: 2 } }'
    )
    text += 'layers { name: "u" type: UNPOOLING bottom: "p" bottom: "m" top: "u" unpooling_param { unpool: MAX '
    net = Net(parse_net(text + f"kernel_size: 2 stride: 2 {more} }} }}", "n"), engine=engine)
    values = np.random.default_rng(2).standard_normal((2, 3, 6, 8)).astype(np.float32)
    x = torch.from_numpy(values).requires_grad_()
    blobs = net({"x": x})
    expected, pooled = np.zeros((2, 3, size[0] * size[1]), np.float32), blobs["p"].detach().numpy()
    for n, c, i, j in np.ndindex(pooled.shape):
        expected[n, c, int(blobs["m"][n, c, i, j])] = pooled[n, c, i, j]
    assert blobs["u"].shape == net.blob_shapes["u"] == (2, 3, *size)
    np.testing.assert_array_equal(blobs["u"].detach().numpy().reshape(expected.shape), expected)
    blobs["u"].sum().backward()
    assert x.grad.sum() == 2 * 3 * 12


@pytest.mark.parametrize(
    ("param", "sentence"),
    [("} pooling_param { kernel_size: 2", r"an unpooling_param \(DeconvNet's\), found a pooling_param"),
     ("unpool: TILE kernel_size: 2", "unpool: MAX .* found TILE"), ("kernel_size: 2 pad: 1", "no pad"),
     ("stride: 2", "kernel and stride above 0"), ("kernel_size: 2 unpool_h: 4", "unpool_h and unpool_w, or neither")],
)  # fmt: skip
def test_unpoolings_that_are_refused(param, sentence):
    with pytest.raises(InputError, match=sentence):
        single_layer("Unpooling", {"x": (1, 1, 2, 2), "m": (1, 1, 2, 2)}, f"unpooling_param {{ {param} }}")


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


def resampled(x, new, kernel, widens):
    """FlowNet's Resample in plain loops, float64; kernel: of a distance, and how far it reaches."""
    size, (weight, reach) = x.shape[2:], kernel
    fy, fx = (a / b for a, b in zip(size, new, strict=True))
    ay, ax = (1 / fy, 1 / fx) if widens else (1, 1)
    out = np.zeros((*x.shape[:2], *new))
    for i, j in np.ndindex(new):
        y, c, total = i * fy + fx / 2 - 0.5, j * fx + fy / 2 - 0.5, 0
        for r, s in np.ndindex(size):
            if abs((y - r) * ay) < reach and abs((c - s) * ax) < reach:
                w = weight((y - r) * ay) * weight((c - s) * ax)
                out[:, :, i, j] += w * x[:, :, r, s]
                total += w
        out[:, :, i, j] /= total or 1
    return out


def cubic(x):
    x = abs(x)
    return 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2


KERNELS = {"LINEAR": (lambda x: 1 - abs(x), 1), "CUBIC": (cubic, 2)}


@ENGINES
@pytest.mark.parametrize(("new", "more", "widens"), [
    ((13, 16), "", False), ((3, 4), "", True), ((3, 4), "antialias: false", False), ((9, 5), "", True),
])  # fmt: skip
@pytest.mark.parametrize("method", KERNELS)
def test_resample_against_plain_loops(engine, method, new, more, widens):
    param = f"resample_param {{ height: {new[0]} width: {new[1]} type: {method} {more} }}"
    net = single_layer("Resample", {"x": (2, 3, 7, 9)}, param, engine)
    x = torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = net({"x": x})["t"]
    wanted = resampled(x.detach().numpy(), new, KERNELS[method], widens)
    np.testing.assert_allclose(y.detach(), wanted, rtol=1e-5, atol=2e-6)
    g = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    y.backward(g)
    product = (resampled(x.grad.numpy() * 0 + 1, new, KERNELS[method], widens) * g.numpy()).sum()
    assert float(x.grad.sum()) == pytest.approx(product, abs=1e-3)  # a linear map: 1 · gradient = f(1) · g


def test_resample_nearest_and_like_a_second_bottom():
    shapes = {"x": (1, 1, 2, 3), "y": (1, 1, 4, 6)}
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    y = single_layer("Resample", shapes, "resample_param { type: NEAREST }")({"x": x, "y": torch.zeros(1, 1, 4, 6)})[
        "t"
    ]
    assert y[0, 0].tolist() == np.kron(x[0, 0].numpy(), np.ones((2, 2))).tolist()


@pytest.mark.parametrize(("param", "said"), [
    ("type: AREA height: 1 width: 1", "AREA"), ("height: 2", "neither"), ("factor: 2", "factor 2"),
])  # fmt: skip
def test_what_resample_cannot_do(param, said):
    with pytest.raises(InputError, match=rf"layer 'l' \(Resample\): .*found .*{said}"):
        single_layer("Resample", {"x": (1, 2, 3, 4)}, f"resample_param {{ {param} }}")
