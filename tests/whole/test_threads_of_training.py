"""The default engine trains to the same bits whatever the number of threads: torch's own kernels do not."""

from itertools import product

import pytest
import torch

from prototxt_import.fast.operations import Fast
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits

THREADS = (1, 2, 3, 5)


def layer(kind: str, fields: str = "", bottom: str = "x") -> str:
    return f'layer {{ name: "{kind}" type: "{kind}" bottom: "{bottom}" top: "y" {fields} }}'


def convolution(fields: str) -> str:
    return layer("Convolution", f'convolution_param {{ {fields} weight_filler {{ type: "xavier" }} }}')


SHAPE = (6, 12, 44, 47)  # so many values that torch shares the work, and no thread's share is whole vectors
LAYERS = {
    "by FFT": convolution("num_output: 20 kernel_size: 7 pad: 3"),
    "by Winograd": convolution("num_output: 64 kernel_size: 3 pad: 1"),
    "1 x 1": convolution("num_output: 20 kernel_size: 1"),
    "strides": convolution("num_output: 64 kernel_size: 3 pad: 1 stride: 2"),
    "dilation": convolution("num_output: 16 kernel_size: 3 dilation: 2"),
    "groups": convolution("num_output: 12 kernel_size: 3 group: 12"),
    "deconvolution": layer(
        "Deconvolution",
        'convolution_param { num_output: 7 kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "xavier" } }',
    ),
    "deconvolution of few outputs": layer(
        "Deconvolution",
        'convolution_param { num_output: 1 kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "xavier" } }',
    ),
    "deconvolution of each channel": layer(
        "Deconvolution",
        'convolution_param { num_output: 12 group: 12 kernel_size: 4 stride: 2 weight_filler { type: "xavier" } }',
    ),
    "inner product": layer("InnerProduct", 'inner_product_param { num_output: 9 weight_filler { type: "xavier" } }'),
    "BatchNorm": layer("BatchNorm"),
    "LRN": layer("LRN"),
    "LRN within": layer("LRN", "lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }"),
    "MVN": layer("MVN"),
    "Scale": layer("Scale", "scale_param { bias_term: true }"),
    "PReLU": layer("PReLU"),
    "PReLU of one slope": layer("PReLU", "prelu_param { channel_shared: true }"),
    "Scale of one factor": layer("Scale", "scale_param { num_axes: 0 bias_term: true }"),
    "Normalize": layer("Normalize"),
    "ELU": layer("ELU"),
    "BNLL": layer("BNLL"),
    "Sigmoid": layer("Sigmoid"),
    "TanH": layer("TanH"),
    "Mish": layer("Mish"),
    "Exp": layer("Exp"),
    "Power": layer("Power", "power_param { power: 3.5 scale: 0.01 shift: 2 }"),
    "Softmax": layer("Softmax"),
    "MAX": layer("Pooling", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"),
    "AVE": layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"),
    "Reduction": layer("Reduction", "reduction_param { operation: SUMSQ }"),
}
LOSSES = ("EuclideanLoss", "SigmoidCrossEntropyLoss", "SmoothL1Loss", "L1Loss")


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(text: str, blobs: dict[str, torch.Tensor], threads: int) -> dict[str, torch.Tensor]:
    """The top, and the gradients by the bottom and by what the layer learns."""
    torch.set_num_threads(threads)
    inputs = "".join(
        f'input: "{name}" input_shape {{ {" ".join(f"dim: {size}" for size in blob.shape)} }} '
        for name, blob in blobs.items()
    )
    net = Net(parse_net(f"{inputs}{text}", "n"), phase="TRAIN", seed=1)
    x = blobs["x"].clone().requires_grad_()
    y = net({**blobs, "x": x})["y"]
    y.backward(random(tuple(y.shape), 3))
    learned = [blob.parameter.grad for blob in net.learnable if blob.parameter.grad is not None]
    return {"top": y.detach(), "of the bottom": x.grad, **{f"of blob {i}": g for i, g in enumerate(learned)}}


def check(text: str, blobs: dict[str, torch.Tensor]) -> None:
    one, *others = (made(text, blobs, threads) for threads in THREADS)
    for threads, found in zip(THREADS[1:], others, strict=True):
        for name, values in found.items():
            assert_same_bits(values.numpy(), one[name].numpy(), f"{name} with {threads} threads")


@pytest.mark.parametrize("name", LAYERS)
def test_of_a_layer(name):
    check(LAYERS[name], {"x": random(SHAPE, 1)})


ONEDNN = {  # shared otherwise by oneDNN with other numbers of threads, if it takes them as they are
    "1 x 1 over many channels": ((1, 512, 46, 46), convolution("num_output: 15 kernel_size: 1")),
    "1 x 1 to many outputs": ((2, 7, 23, 23), convolution("num_output: 400 kernel_size: 1")),
    "1 x 1 of a mean": ((3, 512, 1, 1), convolution("num_output: 21 kernel_size: 1")),
    "few outputs": ((1, 3, 46, 46), convolution("num_output: 9 kernel_size: 3")),
}

ONE_SUM = {  # of more values than torch leaves to one thread
    "MVN": ((1, 24, 44, 47), layer("MVN", "mvn_param { across_channels: true }")),
    "Normalize": ((1, 24, 44, 47), layer("Normalize", "norm_param { across_spatial: true }")),
    "one output": ((3, 2, 113, 117), convolution("num_output: 1 kernel_size: 3")),
    "one output by FFT": ((3, 2, 113, 117), convolution("num_output: 1 kernel_size: 9")),
}


@pytest.mark.parametrize(("shape", "text"), (ONEDNN | ONE_SUM).values(), ids=(ONEDNN | ONE_SUM).keys())
def test_of_a_blob_of_that_shape(shape, text):
    check(text, {"x": random(shape, 1)})


@pytest.mark.parametrize("name", LOSSES)
def test_of_a_loss(name):
    text = f'layer {{ name: "l" type: "{name}" bottom: "x" bottom: "t" top: "y" }}'
    check(text, {"x": random(SHAPE, 1), "t": random(SHAPE, 2).abs().clamp(max=1)})


def test_of_softmax_with_loss():
    labels = torch.randint(12, (6, 1, 44, 47), generator=torch.Generator().manual_seed(1)).float()
    text = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "y" }'
    check(text, {"x": random(SHAPE, 1), "t": labels})


def test_of_a_step_of_an_lstm():
    made = {}
    for threads in THREADS:
        torch.set_num_threads(threads)
        gates = (3 * random((67, 4 * 1031), 1)).requires_grad_()
        state, hidden = Fast().lstm_unit(random((67, 1031), 2), gates, torch.ones(67))
        hidden.backward(random((67, 1031), 3))
        made[threads] = [values.detach().numpy() for values in (state, hidden, gates.grad)]
    for threads, name in product(THREADS[1:], range(3)):
        assert_same_bits(made[threads][name], made[1][name], f"with {threads} threads")
