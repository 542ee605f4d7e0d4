"""A residual net in small, with what a CPM has not: layers in place behind a convolution, groups, a shortcut, fully
connected layers; its blobs, and those of the same net with a fault in it."""

import functools

import numpy as np
import torch

from cpm_repro.compare.dump import dump_net
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

from .small_cpm import unfolded

FILLED = 'weight_filler { type: "msra" } bias_filler { type: "uniform" min: -0.2 max: 0.3 }'
RELU, BN, SCALE = (
    f'layer {{ name: "{name}1" type: "{kind}" bottom: "conv1" top: "conv1" {settings} }}\n'
    for name, kind, settings in (
        ("relu", "ReLU", ""),
        ("bn", "BatchNorm", ""),
        ("scale", "Scale", "scale_param { bias_term: true }"),
    )
)
TEXT = f"""
input: "data" input_shape {{ dim: 2 dim: 3 dim: 33 dim: 40 }}
layer {{ name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param {{ num_output: 8 kernel_size: 5
  stride: 2 pad: 2 bias_term: false weight_filler {{ type: "msra" }} }} }}
{BN}{SCALE}{RELU}
layer {{ name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param {{ kernel_size: 3 stride: 2 }} }}
layer {{ name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param {{ num_output: 8 kernel_size: 3 pad: 1 group: 2 {FILLED} }} }}
layer {{ name: "prelu2" type: "PReLU" bottom: "conv2" top: "conv2" }}
layer {{ name: "conv3" type: "Convolution" bottom: "conv2" top: "conv3"
  convolution_param {{ num_output: 8 kernel_size: 3 pad: 2 dilation: 2 {FILLED} }} }}
layer {{ name: "bn3" type: "BatchNorm" bottom: "conv3" top: "bn3" }}
layer {{ name: "scale3" type: "Scale" bottom: "bn3" top: "scale3" scale_param {{ bias_term: true }} }}
layer {{ name: "sum" type: "Eltwise" bottom: "scale3" bottom: "pool1" top: "sum" }}
layer {{ name: "relu_sum" type: "ReLU" bottom: "sum" top: "sum" }}
layer {{ name: "pow" type: "Power" bottom: "sum" top: "pow" power_param {{ power: 2 scale: 0.5 shift: 0.1 }} }}
layer {{ name: "elu" type: "ELU" bottom: "scale3" top: "elu" elu_param {{ alpha: 0.7 }} }}
layer {{ name: "up2" type: "Deconvolution" bottom: "sum" top: "up2"
  convolution_param {{ num_output: 4 kernel_size: 4 stride: 2 pad: 1 {FILLED} }} }}
layer {{ name: "cropped" type: "Crop" bottom: "up2" bottom: "pool1" top: "cropped"
  crop_param {{ axis: 2 offset: 2 offset: 3 }} }}
layer {{ name: "normalize" type: "Normalize" bottom: "conv3" top: "normalize" norm_param {{ across_spatial: false
  channel_shared: false scale_filler {{ type: "constant" value: 20 }} }} }}
layer {{ name: "permute" type: "Permute" bottom: "conv3" top: "permute"
  permute_param {{ order: 0 order: 2 order: 3 order: 1 }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "sum" top: "fc" inner_product_param {{ num_output: 40 {FILLED} }} }}
layer {{ name: "relu_fc" type: "ReLU" bottom: "fc" top: "fc" }}
layer {{ name: "drop" type: "Dropout" bottom: "fc" top: "fc" dropout_param {{ dropout_ratio: 0.4 }} }}
layer {{ name: "prob" type: "Softmax" bottom: "fc" top: "prob" }}
"""
MEAN = np.reshape((104, 117, 123), (1, 3, 1, 1))


def pixels(mean=MEAN, seed=5):
    """Pictures of 8 bits, BGR, less a mean."""
    return (np.random.default_rng(seed).integers(0, 256, (2, 3, 33, 40)) - mean).astype(np.float32)


@functools.cache
def net(text=TEXT):
    """The net with its weights; those of layers that `text` shares with TEXT are the same."""
    made = unfolded(Net(parse_net(text, "net"), seed=7))
    if text != TEXT:
        made.load_state_dict(net().state_dict(), strict=False)
        return made
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, spread in (("bn1", 40.0), ("bn3", 1.0)):  # sums, of which 0.7 are averages
            made.layer(name).mean.normal_(0, 0.7 * spread, generator=random)
            made.layer(name).variance.uniform_(0.01, 2 * spread**2, generator=random)
            made.layer(name).factor.fill_(0.7)
        for name in ("scale1", "scale3"):
            made.layer(name).factor.uniform_(0.5, 1.5, generator=random)
            made.layer(name).bias.normal_(0, 0.3, generator=random)
    return made


@functools.cache
def _right():
    return dump_net(net(), {"data": pixels()}, False)


def blobs(of=None, data=None):
    """Every blob of a forward pass of `net()`, or of another."""
    if of is data is None:
        return dict(_right())
    return dump_net(of or net(), {"data": pixels() if data is None else data.astype(np.float32)}, False)


def with_text(old, new):
    """Blobs of the net with other settings."""
    assert old in TEXT, old
    return blobs(net(TEXT.replace(old, new)))


def _copy():
    made = unfolded(Net(parse_net(TEXT, "net")))
    made.load_state_dict(net().state_dict())
    return made


def with_weights(layer, change, blob="weight"):
    """Blobs of the net with one blob changed."""
    made = _copy()
    parameter = getattr(made.layer(layer), blob)
    with torch.no_grad():
        parameter.copy_(change(parameter.clone()))
    return blobs(made)


def with_layer(layer, function):
    """Blobs of the net with another function in place of a layer's."""
    made = _copy()
    made.layer(layer).forward = function
    return blobs(made)
