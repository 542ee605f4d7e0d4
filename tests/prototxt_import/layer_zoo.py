"""The single-layer nets that the original computed forward and backward (net/layer_zoo.npz of the first golden set,
net/layer_zoo2.npz and net/layer_zoo_train.npz of the second): their names, and one run of a net with the golden inputs.
"""

import json
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

ZOO = [
    "conv_3x3_pad1", "conv_rect_stride", "conv_group_dilation", "conv_nobias_1x1", "conv_deep_k", "deconv",
    "deconv_group", "pool_max_ceil", "pool_max_pad", "pool_max_pad_even", "pool_ave_9_8", "pool_ave_pad",
    "pool_ave_global", "relu_leaky", "prelu", "prelu_shared", "sigmoid", "tanh", "absval", "elu", "power", "exp",
    "scale", "bias", "batchnorm_test", "lrn_across", "lrn_within", "inner_product", "softmax", "flatten", "reshape",
    "mvn", "dropout_test", "slice_points", "slice_even", "split", "tile", "concat_channels", "concat_batch",
    "eltwise_sum", "eltwise_prod", "eltwise_max", "crop", "euclidean_loss",
]  # fmt: skip
ZOO2 = [
    "bnll", "threshold", "threshold_default", "log", "log_base2", "log_base10", "exp_base", "exp_scale",
    "power_square", "power_root", "power_negative", "power_zero", "power_affine", "power_constant",
    "power_cube_noshift", "power_square_scaleonly", "argmax", "argmax_top2_value", "argmax_axis1",
    "argmax_axis2_value", "argmax_ties", "reduction_sum", "reduction_all_sum", "reduction_last_sum",
    "reduction_asum", "reduction_all_asum", "reduction_last_asum", "reduction_sumsq", "reduction_all_sumsq",
    "reduction_last_sumsq", "reduction_mean", "reduction_all_mean", "reduction_last_mean", "embed",
    "embed_nobias", "im2col", "im2col_dilated", "spp_max", "spp_max3", "spp_ave", "spp_one", "filter",
    "filter_all", "batch_reindex", "batch_reindex_drop", "softmaxloss", "softmaxloss_2d",
    "softmaxloss_ignore_valid", "softmaxloss_ignore_full", "softmaxloss_batch", "softmaxloss_none",
    "softmaxloss_normalize_false", "softmaxloss_ignore_normalize_true", "softmaxloss_axis2",
    "softmaxloss_axis_last", "softmaxloss_all_ignored", "softmaxloss_extreme", "sigmoid_ce",
    "sigmoid_ce_ignore", "sigmoid_ce_valid", "sigmoid_ce_full", "sigmoid_ce_batch_size", "sigmoid_ce_none",
    "sigmoid_ce_soft", "hinge_l1", "hinge_l2", "hinge_l2_weight", "infogain", "multinomial", "multinomial_zero",
    "contrastive", "contrastive_near", "contrastive_legacy", "euclidean_weight", "euclidean_batch7",
    "euclidean_one", "accuracy", "accuracy_top2", "accuracy_ignore", "accuracy_axis_last", "accuracy_ties",
    "mvn_across0_variance0", "mvn_across0_variance1", "mvn_across1_variance0", "mvn_across1_variance1",
    "lrn_across3", "lrn_across_wide", "lrn_within3", "lrn_within5_beta", "eltwise_coeff", "eltwise_sum3",
    "eltwise_prod3", "eltwise_prod3_unstable", "eltwise_max3", "eltwise_max_ties", "slice_axis2", "slice_axis0",
    "slice_axis_last_even", "slice_dim", "slice_one", "concat_axis2", "concat_axis_last", "concat_one",
    "concat_dim", "scale_bias", "scale_axis2", "scale_all", "scale_scalar", "scale_two", "scale_two_axis0",
    "scale_two_last", "scale_two_same", "bias_two", "bias_axis3", "bias_scalar", "softmax_axis2",
    "softmax_axis0", "softmax_last", "softmax_2d", "sigmoid_extreme", "tanh_extreme", "elu_alpha", "relu_zero",
    "relu_negative_slope", "absval_zero", "prelu_2d", "prelu_batch1", "prelu_shared_one", "reshape_infer",
    "reshape_axis", "reshape_insert", "flatten_end", "flatten_axis2", "tile_axis3", "tile_axis0",
    "crop_one_offset", "crop_axis3", "crop_default", "silence", "parameter", "pool_max_mask", "pool_max_global",
    "pool_max_ties", "pool_ave_rect", "pool_stride_gt_kernel", "pool_max_negative", "inner_axis2",
    "inner_transpose", "inner_nobias", "inner_large", "inner_one_row", "conv_1d", "conv_3d", "conv_axis2",
    "conv_force_nd", "conv_two_bottoms", "conv_group_rect", "conv_depthwise", "conv_batch7", "conv_large",
    "conv_1x1_large", "conv_big_bias", "deconv_bilinear", "deconv_bilinear_odd", "deconv_dilation",
    "deconv_large", "deconv_1d", "lstm", "rnn", "lstm_static",
]  # fmt: skip
ZOO_TRAIN = [
    "batchnorm_train", "batchnorm_fraction", "batchnorm_global_in_train", "batchnorm_batch_in_test",
    "batchnorm_2d", "batchnorm_batch1", "batchnorm_zero_factor", "batchnorm_continue", "dropout_3", "dropout_5",
    "dropout_8", "prelu_train", "scale_train_fillers", "bias_train_fillers", "embed_train_fillers",
    "inner_fillers", "lstm_fillers",
]  # fmt: skip


def prototxts(zoo: np.lib.npyio.NpzFile) -> dict[str, str]:
    """The nets' texts by name."""
    return json.loads(str(zoo["prototxt"]))


def _spec(zoo: np.lib.npyio.NpzFile, name: str) -> dict[str, Any]:
    """How the net was run; the first file says nothing and did everything the plain way."""
    plain = {"phase": "TEST", "repeats": 1, "seed": None, "labels": [], "forward_only": False}
    if "spec" not in zoo.files:
        return plain | {"losses": False}
    return json.loads(str(zoo["spec"]))[name] | {"losses": True}


def run_layer(zoo: np.lib.npyio.NpzFile, name: str, engine: str, device: str = "cpu") -> dict[str, np.ndarray]:
    """Forward and backward with the golden inputs, as often as the original did; the tops, all gradients and, if there
    are several passes, the parameters after each, by the golden file's keys."""
    spec = _spec(zoo, name)
    net = Net(parse_net(prototxts(zoo)[name], name), spec["phase"], engine, seed=spec["seed"]).to(device)
    layer, results = net.layers[name], {}
    if spec["seed"] is not None:
        results.update({f"{name}/{key}": values for key, values in _parameters(layer).items()})
    for index, blob in enumerate(layer.blob_names):
        with torch.no_grad():
            getattr(layer, blob).copy_(torch.from_numpy(zoo[f"{name}/param{index}"]))
    for repeat in range(spec["repeats"]):
        prefix = f"{name}/{repeat}" if spec["repeats"] > 1 else name
        given = {key: torch.from_numpy(zoo[f"{prefix}/{key}"]).to(device) for key in _given(net, spec)}
        results.update({f"{prefix}/{key}": values for key, values in _pass(net, layer, given, spec).items()})
        if spec["repeats"] > 1:
            results.update({f"{prefix}/{key}": values for key, values in _parameters(layer).items()})
    return results


def _given(net: Net, spec: dict[str, Any]) -> list[str]:
    tops = [] if spec["forward_only"] else [f"{top}.diff" for top in net.output_names]
    return [*net.input_shapes, *tops]


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().numpy().copy()


def _parameters(layer: Layer) -> dict[str, np.ndarray]:
    return {f"param{index}": _array(getattr(layer, blob)) for index, blob in enumerate(layer.blob_names)}


def _pass(net: Net, layer: Layer, given: dict[str, Tensor], spec: dict[str, Any]) -> dict[str, np.ndarray]:
    """One pass; `labels` are bottoms that get no gradient."""
    inputs = {bottom: given[bottom].requires_grad_(bottom not in spec["labels"]) for bottom in net.input_shapes}
    blobs = net(inputs)
    tops = net.output_names
    results = {top: _array(blobs[top]) for top in tops}
    if spec["losses"]:
        results["weighted_loss"] = _array(torch.as_tensor(net.loss(blobs), dtype=torch.float32))
    if spec["forward_only"]:
        return results
    net.zero_grad()
    sum((blobs[top] * given[f"{top}.diff"]).sum() for top in tops).backward()
    for bottom, x in inputs.items():
        if bottom not in spec["labels"]:
            results[f"{bottom}.diff"] = _array(torch.zeros_like(x) if x.grad is None else x.grad)
    for index, blob in enumerate(layer.blob_names):
        if getattr(layer, blob).requires_grad:
            results[f"param{index}.diff"] = _array(getattr(layer, blob).grad)
    return results
