"""The fast engine's and the plain one's pooling against a plain NumPy version, and with and without a gradient;
the fast one's BatchNorm beside the plain one's single steps."""

import numpy as np
import pytest
import torch

from cpm_kernels.window import Window
from prototxt_import.engine import make_engine
from prototxt_import.fast.operations import Fast
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from prototxt_import.plain.operations import Plain
from tests.bits import assert_same_bits


def naive_pool(x, window, method):
    """Every window clipped at the edge; AVE divides by the area inside the padded blob (Caffe: pooling_layer.cpp)."""
    height, width = x.shape
    out = np.full(window.pooled(x.shape), np.nan, np.float32)
    for i, j in np.ndindex(out.shape):
        top, left = i * window.stride[0] - window.pad[0], j * window.stride[1] - window.pad[1]
        bottom = min(top + window.kernel[0], height + window.pad[0])
        right = min(left + window.kernel[1], width + window.pad[1])
        part = x[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
        out[i, j] = part.max() if method == "max" else part.sum() / ((bottom - top) * (right - left))
    return out


@pytest.mark.parametrize("method", ["max", "ave"])
def test_pooling_against_numpy(method):
    random = np.random.default_rng(1)
    for _ in range(40):
        kernel = tuple(random.integers(1, 6, 2))
        stride = tuple(int(random.integers(1, k + 1)) for k in kernel)
        pad = tuple(int(random.integers(0, k)) for k in kernel)
        size = tuple(int(random.integers(k, 20)) for k in kernel)
        window = Window(tuple(map(int, kernel)), stride, pad, ceil=bool(random.integers(2)))
        x = random.standard_normal(size).astype(np.float32)
        for engine in (Fast(), Plain()):
            operation = engine.max_pool if method == "max" else engine.ave_pool
            got = operation(torch.from_numpy(x)[None, None], window)[0, 0].numpy()
            wanted, case = naive_pool(x, window, method), str((engine, size, window))
            np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-6, err_msg=case)


@pytest.mark.parametrize(
    "window",
    [
        Window((3, 3), (2, 2)),
        Window((3, 3), (2, 2), (1, 1)),
        Window((2, 5), (1, 3), (0, 2)),
        Window((3, 2), (2, 2), ceil=False),
    ],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_maxima_are_the_same_without_a_gradient(window, layout):
    x = torch.randn(2, 5, 11, 14, generator=torch.Generator().manual_seed(1)).to(memory_format=layout)
    with_gradient = Fast().max_pool(x.clone().requires_grad_(), window)
    assert_same_bits(Fast().max_pool(x, window).numpy(), with_gradient.detach().numpy(), "maxima")


FAST, PLAIN = make_engine("fast"), make_engine("plain")
SHAPES = [(5, 7), (3, 5, 11), (2, 6, 9, 7), (1, 3, 1, 2), (2, 3, 4, 5, 3), (1, 4, 1, 1)]


def values(shape, seed):
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return drawn * 3 + 2


def statistics_and_gradient(engine, x, dy):
    x = x.clone().requires_grad_()
    y, mean, variance = engine.batch_norm_of_batch(x, 1e-5)
    y.backward(dy)
    return y.detach(), mean.detach(), variance.detach(), x.grad


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("channels_last", [False, True])
def test_statistics_of_the_batch(shape, channels_last):
    x, dy = values(shape, 0), values(shape, 1)
    if channels_last and len(shape) == 4:
        x = x.to(memory_format=torch.channels_last)
    expected = statistics_and_gradient(PLAIN, x, dy)
    for name, one, other in zip(
        ("y", "mean", "variance", "gradient"), statistics_and_gradient(FAST, x, dy), expected, strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_stored_statistics(shape):
    x, channels = values(shape, 0), shape[1]
    mean, variance = values((channels,), 2), values((channels,), 3).abs()
    expected = PLAIN.batch_norm(x, mean, variance, 1e-3)
    torch.testing.assert_close(FAST.batch_norm(x, mean, variance, 1e-3), expected, rtol=1e-5, atol=2e-5)


def test_bfloat16_keeps_float32_statistics():
    x = values((4, 8, 9, 9), 0)
    y, mean, variance = make_engine("fast:bf16").batch_norm_of_batch(x.bfloat16(), 1e-5)
    assert y.dtype == torch.bfloat16 and mean.dtype == variance.dtype == torch.float32
    torch.testing.assert_close(mean, x.mean((0, 2, 3)), rtol=0.01, atol=0.01)
    torch.testing.assert_close(variance, x.var((0, 2, 3), unbiased=False), rtol=0.01, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    "operation",
    [
        lambda engine, x: engine.prelu(x, values((8,), 1)),
        lambda engine, x: engine.lrn_across(100 * x, 5, 1e-4, 0.75, 1.0),
        lambda engine, x: engine.lrn_within(100 * x, 3, 1e-4, 0.75),
    ],
    ids=["PReLU", "LRN", "LRN within"],
)
def test_what_follows_a_product_of_fewer_bits(operation, dtype):
    """float16's squares of these run over, and torch has neither prelu nor these means of mixed or short types."""
    x = values((4, 8, 9, 9), 0).to(dtype).requires_grad_()
    y = operation(Fast(dtype), x)
    y.sum().backward()
    expected = operation(FAST, x.detach().float())
    assert y.dtype == x.grad.dtype == dtype and x.grad.isfinite().all()
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((1, 2, 51, 50), 'type: "Pooling" top: "mask" pooling_param { pool: MAX kernel_size: 3 stride: 2 }'),
        ((1, 3001, 2, 2), 'type: "ArgMax" argmax_param { axis: 1 }'),
        ((2, 3001), 'type: "ArgMax" argmax_param { out_max_val: true top_k: 2 }'),
        ((1, 2, 9, 8), 'type: "Resample" resample_param { height: 5 width: 7 }'),
        ((1, 2, 9, 8), 'type: "Downsample" downsample_param { top_height: 5 top_width: 7 }'),
    ],
    ids=["mask", "ArgMax", "ArgMax of images", "Resample", "Downsample"],
)
def test_layers_take_floats_of_16_bits(shape, layer, dtype):
    """As those of a product may be: what they count is not rounded."""
    dims = " ".join(f"dim: {size}" for size in shape)
    text = f'input: "x" input_shape {{ {dims} }} layer {{ name: "l" bottom: "x" top: "y" {layer} }}'
    x = values(shape, 0).to(dtype)
    found, expected = (Net(parse_net(text, "n"))({"x": blob}) for blob in (x, x.float()))
    for name in expected.keys() - {"x"}:
        torch.testing.assert_close(found[name].float(), expected[name], rtol=1e-6, atol=1e-6, msg=name)
