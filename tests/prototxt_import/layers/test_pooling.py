"""Pooling's sizes as the prototxt's fields ask for them, its mask, and the pyramid."""

import pytest
import torch
from torch.nn import functional as F

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.single_layer import single_layer


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("", 5),
        ("ceil_mode: true", 5),
        ("ceil_mode: false", 4),
        ("round_mode: CEIL", 5),
        ("round_mode: FLOOR", 4),
    ],
)
def test_rounding(fields, size):
    text = f"""
        input: "data" input_shape {{ dim: 1 dim: 2 dim: 8 dim: 8 }}
        layer {{ name: "p" type: "Pooling" bottom: "data" top: "p"
                 pooling_param {{ kernel_size: 3 stride: 2 pad: 1 {fields} }} }}"""
    assert Net(parse_net(text, "net")).blob_shapes["p"] == (1, 2, size, size)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_a_second_top_says_where_the_maxima_are(engine):
    more = "pooling_param { kernel_size: 3 stride: 2 pad: 1 }"
    net = single_layer("Pooling", {"x": (2, 3, 6, 5)}, more, engine, ("t", "m"))
    x = torch.randn(2, 3, 6, 5, requires_grad=True)
    blobs = net({"x": x})
    assert blobs["m"].shape == blobs["t"].shape == net.blob_shapes["m"] and not blobs["m"].requires_grad
    assert torch.equal(x.flatten(2).gather(2, blobs["m"].long().flatten(2)), blobs["t"].flatten(2))
    blobs["t"].sum().backward()
    assert float(x.grad.sum()) == blobs["t"].numel()
    with pytest.raises(InputError, match="a second top, the mask, for MAX only"):
        single_layer("Pooling", {"x": (2, 3, 6, 5)}, "pooling_param { pool: AVE kernel_size: 3 }", tops=("t", "m"))


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_pyramid_has_as_many_values_for_a_map_of_any_size(engine, pool):
    for size in ((9, 11), (8, 8)):
        net = single_layer("SPP", {"x": (2, 3, *size)}, f"spp_param {{ pyramid_height: 3 pool: {pool} }}", engine)
        x = torch.randn(2, 3, *size)
        y = net({"x": x})["t"]
        assert y.shape == net.blob_shapes["t"] == (2, 3 * (1 + 4 + 16))
        whole = x.amax((2, 3)) if pool == "MAX" else x.mean((2, 3))
        if size == (8, 8):
            torch.testing.assert_close(y[:, :3], whole)


def test_a_pyramid_that_is_too_high_is_named():
    with pytest.raises(InputError, match="a map of at least 8 x 8"):
        single_layer("SPP", {"x": (2, 3, 7, 9)}, "spp_param { pyramid_height: 4 }")


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("size", [(11,), (7, 8, 6)])
def test_over_one_axis_and_three(engine, size):
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    for fields in ("kernel_size: 3 stride: 2", "kernel_size: 3 stride: 2 pad: 1", "global_pooling: true"):
        for pool in ("MAX", "AVE"):
            more = f"pooling_param {{ pool: {pool} {fields} }}"
            net = single_layer("Pooling", {"x": x.shape}, more, engine)
            y = net({"x": x})["t"]
            assert y.shape == net.blob_shapes["t"]
            torch.testing.assert_close(y, by_two_axes(x, more, engine), rtol=1e-5, atol=1e-6)


def by_two_axes(x, more, engine):
    """Axis after axis, each as the second of a map: a box's maximum and mean are those of its sides."""

    def along(values, axis):
        rows = values.movedim(axis, -1)
        flat = rows.reshape(1, 1, -1, rows.shape[-1])
        kernel = "kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2"
        pad = " pad_h: 0 pad_w: 1" if "pad: 1" in more else ""
        pool = "MAX" if "MAX" in more else "AVE"
        if "global" in more:
            kernel = f"kernel_h: 1 kernel_w: {flat.shape[-1]}"
        net = single_layer("Pooling", {"x": flat.shape}, f"pooling_param {{ pool: {pool} {kernel}{pad} }}", engine)
        y = net({"x": flat.contiguous()})["t"]
        return y.reshape(*rows.shape[:-1], y.shape[-1]).movedim(-1, axis)

    for axis in range(2, x.dim()):
        x = along(x, axis)
    return x


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
def test_a_size_for_each_axis(engine, pool):
    x = torch.randn(1, 2, 5, 6, 7, generator=torch.Generator().manual_seed(1))
    fields = "kernel_size: [ 1, 2, 3 ] stride: [ 1, 2, 2 ] pad: [ 0, 0, 1 ]"
    net = single_layer("Pooling", {"x": x.shape}, f"pooling_param {{ pool: {pool} {fields} }}", engine)
    pooled = F.max_pool3d if pool == "MAX" else F.avg_pool3d
    expected = pooled(x, (1, 2, 3), (1, 2, 2), (0, 0, 1), ceil_mode=True)
    torch.testing.assert_close(net({"x": x})["t"], expected, rtol=1e-5, atol=1e-6)
    flat = f"pooling_param {{ pool: {pool} kernel_size: [ 3, 2 ] stride: [ 1, 3 ] pad: [ 1, 0 ] }}"
    named = f"pooling_param {{ pool: {pool} kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 3 pad_h: 1 pad_w: 0 }}"
    image = x[:, :, 0]
    nets = [single_layer("Pooling", {"x": image.shape}, more, engine) for more in (flat, named)]
    tops = [net({"x": image.contiguous()})["t"] for net in nets]
    assert torch.equal(*tops)
    with pytest.raises(InputError, match="expected 1 or 3 values of stride, found 2"):
        single_layer("Pooling", {"x": x.shape}, "pooling_param { kernel_size: 1 stride: [ 1, 2 ] }", engine)


@pytest.mark.parametrize("engine", ["fast", "exact"])
@pytest.mark.parametrize(
    "param", ["kernel_size: 3 stride: 2 pad: 1", "kernel_h: 2 kernel_w: 3 ceil_mode: false", "global_pooling: true"]
)
def test_the_smallest_of_each_window(engine, param):
    net = single_layer("Pooling", {"x": (2, 3, 6, 5)}, f"pooling_param {{ pool: MIN {param} }}", engine)
    largest = single_layer("Pooling", {"x": (2, 3, 6, 5)}, f"pooling_param {{ {param} }}", engine)
    values = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(2))
    x, opposite = values.clone().requires_grad_(), (-values).requires_grad_()
    y, z = net({"x": x})["t"], largest({"x": opposite})["t"]
    (y.square().sum() + z.square().sum()).backward()
    assert torch.equal(y, -z) and torch.equal(x.grad, -opposite.grad)
    assert float(y.detach().min()) == float(values.min())
    with pytest.raises(InputError, match="the mask, for MAX only, found MIN"):
        single_layer("Pooling", {"x": (2, 3, 6, 5)}, f"pooling_param {{ pool: MIN {param} }}", tops=("t", "m"))
