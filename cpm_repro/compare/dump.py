"""Writes down what a net or a data layer computes, array by array, to hold against what the original computed.

Keys are those of the original's own files. A net: `<blob>`, and with gradients `<blob>.diff` and `<layer>/<i>.diff` for
the i-th parameter. A data layer: `image_u8` (N, 3, H, W) uint8 BGR, `center_map` (N, H, W), `label` (N, 2(P+1), H/s,
W/s), float32, and `config`, JSON.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from google.protobuf.json_format import MessageToDict
from torch import Tensor

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.data_layer import DEFAULT_OPTIONS, CPMData, DataOptions, read_data_layer, source_of
from cpm_repro.training.trace import BlobRecorder
from prototxt_import.deployment import TRAINING, Variant
from prototxt_import.files import InputError, require
from prototxt_import.formats import schema
from prototxt_import.net import Net


def dump_net(net: Net, inputs: dict[str, np.ndarray], gradients: bool, where: str = "input") -> dict[str, np.ndarray]:
    """Every blob of one forward pass and, if asked, every gradient of one backward pass.

    `inputs` holds an array for each input blob (float64 is rounded to float32, as pycaffe does) and, for gradients,
    `<blob>.diff` for outputs whose incoming gradient is given; losses start from their loss_weight. `where` names the
    inputs in an InputError.
    """
    blobs = {name: _input(net, inputs, name, gradients, where) for name in net.input_shapes}
    with torch.set_grad_enabled(gradients), BlobRecorder(net) as recorder:
        made = net({name: recorder.keep(name, blob) for name, blob in blobs.items()})
        if not gradients:
            return recorder.values()
        _backward(net, made, inputs, where)
    arrays = recorder.values()
    arrays.update({f"{name}.diff": array for name, array in recorder.gradients().items()})
    for blob in net.learnable:
        gradient = blob.parameter.grad
        gradient = torch.zeros_like(blob.parameter) if gradient is None else gradient
        arrays[f"{blob.layer}/{blob.index}.diff"] = gradient.detach().cpu().contiguous().numpy()
    return arrays


def _input(net: Net, inputs: dict[str, np.ndarray], name: str, gradients: bool, where: str) -> Tensor:
    if name not in inputs:
        raise InputError(f"{where}: expected the input blob '{name}', found {', '.join(sorted(inputs)) or 'none'}")
    array, shape = inputs[name], net.input_shapes[name]
    if array.dtype.kind not in "fiu" or array.ndim != len(shape) or 0 in array.shape:
        raise InputError(f"{where}: {name}: expected numbers of shape {shape}, found {array.dtype} {array.shape}")
    device = next((blob.parameter.device for blob in net.learnable), torch.device("cpu"))
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float32)
    fits = np.array_equal(np.isfinite(rounded), np.isfinite(array))
    require(f"{where}: {name}", fits, "numbers of float32's range", "larger ones")
    return torch.from_numpy(rounded).to(device).requires_grad_(gradients)


def _backward(net: Net, blobs: dict[str, Tensor], inputs: dict[str, np.ndarray], where: str) -> None:
    starts, incoming = [], []
    for name, weight in net.loss_weights.items():
        starts.append(blobs[name])
        incoming.append(torch.full_like(blobs[name], weight))
    for name in net.output_names:
        if f"{name}.diff" in inputs and name not in net.loss_weights:
            starts.append(blobs[name])
            incoming.append(_incoming(inputs[f"{name}.diff"], blobs[name], f"{where}: {name}.diff"))
    if not starts:
        outputs = " or ".join(f"'{name}.diff'" for name in net.output_names)
        raise InputError(f"{where}: expected a net with a loss or the incoming gradient {outputs}, found neither")
    torch.autograd.backward(starts, incoming)


def _incoming(array: np.ndarray, blob: Tensor, where: str) -> Tensor:
    if array.shape != tuple(blob.shape) or array.dtype != np.float32:
        raise InputError(f"{where}: expected float32 of shape {tuple(blob.shape)}, found {array.dtype} {array.shape}")
    return torch.from_numpy(array).to(blob.device)


def dump_data(
    prototxt: Path, samples: int, srand: int = 1, variant: Variant = TRAINING, options: DataOptions = DEFAULT_OPTIONS
) -> dict[str, np.ndarray]:
    """The first samples of a net's CPMData layer, consecutive draws from rand() seeded by `srand`."""
    layer = read_data_layer(prototxt, variant)
    with CPMData(layer, Path(prototxt).resolve().parent, GlibcRand(srand), variant.phase, options) as data:
        tops = _first(data, layer.top, samples)
    arrays = {
        "image_u8": np.rint(tops[0][:, :3] * 256 + 128).astype(np.uint8),
        "config": np.array(json.dumps(_config(layer, samples, srand))),
    }
    if tops[0].shape[1] == 4:  # put_gaussian
        arrays["center_map"] = np.ascontiguousarray(tops[0][:, 3])
    return {**arrays, "label": tops[1]} if len(tops) > 1 else arrays


def _first(data: CPMData, tops: Sequence[str], samples: int) -> list[np.ndarray]:
    """The blobs of the first samples. Asks for all memory at once: what there is not is told before the work."""
    batch = data.next_batch()
    arrays = [np.empty((samples, *batch[top].shape[1:]), np.float32) for top in tops]
    for start in range(0, samples, data.batch_size):
        if start:
            batch = data.next_batch()
        for array, top in zip(arrays, tops, strict=True):
            rows = array[start : start + data.batch_size]
            rows[:] = batch[top][: len(rows)].cpu().numpy()
    return arrays


def _config(layer: schema.LayerParameter, samples: int, srand: int) -> dict[str, object]:
    transform = MessageToDict(layer.transform_param, preserving_proto_field_name=True)
    return {
        "lmdb": Path(source_of(layer).source).name,
        "srand": srand,
        "samples": samples,
        "transform_param": transform,
    }
