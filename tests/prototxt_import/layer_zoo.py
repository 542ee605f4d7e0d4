"""The single-layer nets of golden/net/layer_zoo.npz: their names (each is a test of its own), and one run of a net."""

import json

import numpy as np
import torch

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

ZOO = [
    "conv_3x3_pad1", "conv_rect_stride", "conv_group_dilation", "conv_nobias_1x1", "conv_deep_k", "deconv",
    "deconv_group", "pool_max_ceil", "pool_max_pad", "pool_max_pad_even", "pool_ave_9_8", "pool_ave_pad",
    "pool_ave_global", "relu_leaky", "prelu", "prelu_shared", "sigmoid", "tanh", "absval", "elu", "power", "exp",
    "scale", "bias", "batchnorm_test", "lrn_across", "lrn_within", "inner_product", "softmax", "flatten", "reshape",
    "mvn", "dropout_test", "slice_points", "slice_even", "split", "tile", "concat_channels", "concat_batch",
    "eltwise_sum", "eltwise_prod", "eltwise_max", "crop", "euclidean_loss",
]  # fmt: skip


def run_layer(zoo: np.lib.npyio.NpzFile, name: str, engine: str, device: str = "cpu") -> dict[str, np.ndarray]:
    """Forward and backward with the golden inputs; the tops and all gradients, by the golden file's keys."""
    net = Net(parse_net(json.loads(str(zoo["prototxt"]))[name], name), engine=engine).to(device)
    layer = net.layers[name]

    def given(key: str) -> torch.Tensor:
        return torch.from_numpy(zoo[f"{name}/{key}"]).to(device)

    with torch.no_grad():
        for index, blob in enumerate(layer.blob_names):
            getattr(layer, blob).copy_(torch.from_numpy(zoo[f"{name}/param{index}"]))
    inputs = {bottom: given(bottom).requires_grad_() for bottom in net.input_shapes}
    blobs = net(inputs)
    tops = list(layer.spec.top)
    assert all(tuple(blobs[top].shape) == net.blob_shapes[top] for top in tops)
    sum((blobs[top] * given(f"{top}.diff")).sum() for top in tops).backward()
    results = {f"{name}/{top}": blobs[top].detach().cpu().numpy() for top in tops}
    for bottom, x in inputs.items():
        results[f"{name}/{bottom}.diff"] = (torch.zeros_like(x) if x.grad is None else x.grad).detach().cpu().numpy()
    for index, blob in enumerate(layer.blob_names):
        if getattr(layer, blob).requires_grad:
            results[f"{name}/param{index}.diff"] = getattr(layer, blob).grad.cpu().numpy()
    return results
