"""Activation checkpointing: the same bits from fewer kept blobs."""

import numpy as np
import pytest
import torch
from google.protobuf import text_format

from prototxt_import.formats import schema
from prototxt_import.net import Net
from prototxt_import.recomputation import segments
from tests.bits import assert_same_bits

NET = """
layer { name: "d" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 dim: 3 dim: 25 dim: 21 } shape { dim: 2 dim: 4 dim: 6 dim: 5 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 9 kernel_size: 5 pad: 2 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "b" type: "Convolution" bottom: "p" top: "b" convolution_param { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "drop" type: "Dropout" bottom: "b" top: "b" }
layer { name: "q" type: "Pooling" bottom: "b" top: "q" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "both" type: "Concat" bottom: "q" bottom: "q" top: "both" }
layer { name: "c" type: "Convolution" bottom: "both" top: "c" convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "gaussian" std: 0.1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "c" bottom: "label" top: "loss" }
"""  # noqa: E501


def made(engine: str, recompute: bool) -> tuple[Net, int, float]:
    """The net after one backward pass, how many values forward kept for it, and the loss."""
    torch.manual_seed(3)
    net = Net(text_format.Parse(NET, schema.NetParameter()), "TRAIN", engine, seed=5)
    forward = net.forward_recomputing if recompute else net
    random = np.random.default_rng(1)
    blobs = {
        name: torch.tensor(random.standard_normal(shape).astype(np.float32)) for name, shape in net.input_shapes.items()
    }
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = net.loss(forward(blobs))
        loss.backward()
    return net, sum(kept.values()), float(loss.detach())


@pytest.mark.parametrize("engine", ["exact", "fast"])
def test_the_same_bits_from_fewer_values(engine: str) -> None:
    (net, kept, loss), (other, fewer, same) = (made(engine, recompute) for recompute in (False, True))
    assert loss == same
    for blob, twin in zip(net.learnable, other.learnable, strict=True):
        assert_same_bits(twin.parameter.grad.numpy(), blob.parameter.grad.numpy(), blob.layer)
    assert fewer < kept - 2 * 9 * 25 * 21


def test_segments_end_with_poolings_and_leave_dropout_alone() -> None:
    net = Net(text_format.Parse(NET, schema.NetParameter()), "TRAIN", "exact")
    cut = segments([layer for name, layer in net.layers.items() if name != "d"], net.output_names)
    names = [[layer.spec.name for layer in segment.layers] for segment in cut]
    assert names == [["a", "r", "p"], ["b", "drop"], ["q"], ["q_q_0_split", "both", "c", "loss"]]
    assert [segment.recomputed for segment in cut] == [True, False, False, False]
    assert [(segment.bottoms, segment.tops) for segment in cut[:2]] == [(["data"], ["p"]), (["p"], ["b"])]
    assert cut[-1].bottoms == ["q", "label"] and cut[-1].tops == ["loss"]


def test_statistics_of_a_batch_are_taken_once() -> None:
    """Forward moves BatchNorm's averages: done again in backward, it would move them twice."""
    norm = 'layer { name: "n" type: "BatchNorm" bottom: "a" top: "a" }'
    text = NET.replace('layer { name: "p"', norm + '\nlayer { name: "p"')
    net = Net(text_format.Parse(text, schema.NetParameter()), "TRAIN", seed=5)
    random = torch.Generator().manual_seed(1)
    blobs = {name: torch.randn(shape, generator=random) for name, shape in net.input_shapes.items()}
    net.loss(net.forward_recomputing(blobs)).backward()
    assert net.layers["n"].factor == 1


def test_only_what_is_kept_is_returned() -> None:
    net, *_ = made("exact", True)
    blobs = net.forward_recomputing({name: torch.zeros(shape) for name, shape in net.input_shapes.items()})
    assert set(blobs) == {"data", "label", "p", "b", "q", "loss"}
