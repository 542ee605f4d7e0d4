"""What the tools' tests run on: a two-stage CPM with few filters for 64 x 64 inputs, and a person detector."""

from pathlib import Path

import torch

from prototxt_import.net import load_net

HEAD = """
name: "tiny CPM"
input: "data"
input_shape { dim: 1 dim: 4 dim: 64 dim: 64 }
layer { name: "image" type: "Slice" bottom: "data" top: "image" top: "center_map"
  slice_param { axis: 1 slice_point: 3 } }
layer { name: "pool_center_lower" type: "Pooling" bottom: "center_map" top: "pool_center_lower"
  pooling_param { pool: AVE kernel_size: 9 stride: 8 } }
"""
DETECTOR = """
name: "tiny detector"
input: "image"
input_shape { dim: 1 dim: 3 dim: 64 dim: 64 }
layer { name: "conv6_2_CPM" type: "Convolution" bottom: "image" top: "conv6_2_CPM"
  convolution_param { num_output: %d kernel_size: 8 stride: 8 } }
"""


def _convolution(name: str, bottom: str, outputs: int, kernel: int, stride: int = 1) -> str:
    pad = kernel // 2 if stride == 1 else 0
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"\n'
        f"  convolution_param {{ num_output: {outputs} kernel_size: {kernel} pad: {pad} stride: {stride}\n"
        '    weight_filler { type: "gaussian" std: 0.05 } bias_filler { type: "constant" value: 0.1 } } }\n'
    )


def prototxt(parts: int = 14) -> str:
    """The tiny network's deploy prototxt."""
    concat = 'layer { name: "concat_stage2" type: "Concat" bottom: "conv1_stage2" bottom: "conv2_stage1" '
    concat += 'bottom: "pool_center_lower" top: "concat_stage2" concat_param { axis: 1 } }\n'
    return (
        HEAD
        + _convolution("conv1_stage1", "image", 6, 8, 8)
        + _convolution("conv2_stage1", "conv1_stage1", parts + 1, 3)
        + _convolution("conv1_stage2", "conv1_stage1", 4, 3)
        + concat
        + _convolution("Mconv1_stage2", "concat_stage2", parts + 1, 3)
    )


def write_net(folder: Path, parts: int = 14) -> tuple[Path, Path]:
    """(prototxt, caffemodel) of the tiny network, its weights from seed 5."""
    net, weights = folder / "tiny.prototxt", folder / "tiny.caffemodel"
    net.write_text(prototxt(parts))
    weights.write_bytes(load_net(net, seed=5).to_caffemodel().SerializeToString())
    return net, weights


def write_detector(folder: Path, maps: int = 1) -> list:
    """The options of a detector that believes in people where 8 x 8 blocks are redder than blue."""
    prototxt, weights = folder / "person.prototxt", folder / "person.caffemodel"
    prototxt.write_text(DETECTOR % maps)
    net = load_net(prototxt)
    with torch.no_grad():
        net.layer("conv6_2_CPM").weight[:, 2] = 1.8 / 64
        net.layer("conv6_2_CPM").weight[:, 0] = -1.8 / 64
    weights.write_bytes(net.to_caffemodel().SerializeToString())
    return ["--person-prototxt", prototxt, "--person-weights", weights]
