"""Convolutions over one axis and three, behind other axes, of several bottoms, and their columns, against torch's."""

import pytest
import torch
from torch.nn import functional as F

from prototxt_import.files import InputError
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])
FILLERS = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.3 }'


def results(net, x, reference):
    """Tops and gradients of the net and of the reference, a function of x, weight and bias."""
    layer, found = net.layers["l"], []
    for compute in (lambda x, *_: net({"x": x})["t"], reference):
        blobs = [x.clone().requires_grad_(), layer.weight, layer.bias]
        net.zero_grad()
        y = compute(*blobs)
        (y * torch.randn(y.shape, generator=torch.Generator().manual_seed(3))).sum().backward()
        found.append([y.detach(), *(blob.grad.clone() for blob in blobs)])
    return zip(*found, strict=True)


@ENGINES
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(("size", "axes"), [((13,), 1), ((5, 4, 6), 3), ((7, 6), 2)])
def test_over_so_many_axes(engine, transposed, size, axes):
    more = f"convolution_param {{ num_output: 6 kernel_size: 3 stride: 2 pad: 1 group: 2 {FILLERS} }}"
    type_name = "Deconvolution" if transposed else "Convolution"
    net = single_layer(type_name, {"x": (2, 4, *size)}, more, engine, seed=1)
    functions = {
        1: (F.conv1d, F.conv_transpose1d),
        2: (F.conv2d, F.conv_transpose2d),
        3: (F.conv3d, F.conv_transpose3d),
    }
    function = functions[axes][transposed]
    for ours, theirs in results(
        net, torch.randn(2, 4, *size), lambda x, w, b: function(x, w, b, stride=2, padding=1, groups=2)
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@ENGINES
def test_axes_before_the_channels_are_images(engine):
    more = f"convolution_param {{ num_output: 5 kernel_size: 3 axis: 2 {FILLERS} }}"
    net = single_layer("Convolution", {"x": (2, 3, 4, 7, 6)}, more, engine, seed=1)
    assert net.blob_shapes["t"] == (2, 3, 5, 5, 4)
    x = torch.randn(2, 3, 4, 7, 6)
    for ours, theirs in results(net, x, lambda x, w, b: F.conv2d(x.flatten(0, 1), w, b).unflatten(0, (2, 3))):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


@ENGINES
def test_several_bottoms_have_the_same_weights(engine):
    more = f"convolution_param {{ num_output: 5 kernel_size: 3 {FILLERS} }}"
    net = single_layer("Convolution", {"x": (2, 4, 7, 6), "y": (2, 4, 7, 6)}, more, engine, ("t", "u"), seed=1)
    x, y = torch.randn(2, 4, 7, 6), torch.randn(2, 4, 7, 6)
    blobs, layer = net({"x": x, "y": y}), net.layers["l"]
    for top, bottom in (("t", x), ("u", y)):
        torch.testing.assert_close(blobs[top], F.conv2d(bottom, layer.weight, layer.bias), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="bottoms of one shape"):
        single_layer("Convolution", {"x": (2, 4, 7, 6), "y": (2, 4, 7, 5)}, more, engine, ("t", "u"))


@ENGINES
def test_im2col_is_unfold(engine):
    more = "convolution_param { kernel_h: 2 kernel_w: 3 dilation: 2 pad_h: 1 pad_w: 0 stride_h: 1 stride_w: 2 }"
    net = single_layer("Im2col", {"x": (2, 4, 9, 9)}, more, engine)
    x = torch.randn(2, 4, 9, 9, requires_grad=True)
    y = net({"x": x})["t"]
    weight = torch.randn(y.shape)
    (y * weight).sum().backward()
    other = x.detach().clone().requires_grad_()
    unfolded = F.unfold(other, (2, 3), 2, (1, 0), (1, 2)).reshape(y.shape)
    (unfolded * weight).sum().backward()
    assert torch.equal(y, unfolded)
    torch.testing.assert_close(x.grad, other.grad, rtol=1e-6, atol=1e-6)


def test_wrong_windows_are_named():
    with pytest.raises(InputError, match="kernel_h and kernel_w for two axes only, found 1 axes"):
        single_layer("Convolution", {"x": (1, 2, 9)}, "convolution_param { num_output: 1 kernel_h: 3 kernel_w: 3 }")
    with pytest.raises(InputError, match="1 or 3 values of kernel, found 2"):
        more = "convolution_param { num_output: 1 kernel_size: 3 kernel_size: 3 }"
        single_layer("Convolution", {"x": (1, 2, 9, 9, 9)}, more)
    with pytest.raises(InputError, match="1 to 3 axes behind axis 1"):
        single_layer("Convolution", {"x": (1, 2)}, "convolution_param { num_output: 1 kernel_size: 3 }")
