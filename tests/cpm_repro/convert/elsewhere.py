"""A process that cannot import this project, nor what it needs beside torch; and nets of many layers to take there."""

import subprocess
import sys

_ALONE = """
import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {found!r}:
            raise ImportError(f"{{name}} is not here")
sys.meta_path.insert(0, Nothing())
"""
_FOREIGN = ("cpm_repro", "prototxt_import", "cpm_kernels", "data_lmdb", "safetensors", "google", "h5py", "lmdb")
_INPUT = 'input: "data" input_shape { dim: 2 dim: 4 dim: 21 dim: 26 }\n'

CHAINS = {
    "poolings": [
        'type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 }',
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }',
        'type: "Pooling" pooling_param { pool: MAX kernel_h: 2 kernel_w: 4 stride: 2 pad_h: 1 pad_w: 3 }',
    ],
    "more poolings": [
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 4 stride: 3 }',
        'type: "Pooling" pooling_param { pool: MAX kernel_size: 1 stride: 2 }',
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 2 stride: 2 round_mode: FLOOR }',
        'type: "Pooling" pooling_param { pool: AVE global_pooling: true }',
    ],
    "products": [
        'type: "Convolution" convolution_param { num_output: 6 kernel_size: 3 pad: 2 dilation: 2 group: 2 '
        'weight_filler { type: "xavier" } bias_filler { type: "uniform" } }',
        'type: "ReLU" relu_param { negative_slope: 0.1 }',
        'type: "Deconvolution" convolution_param { num_output: 3 kernel_h: 4 kernel_w: 3 stride: 2 bias_term: false '
        'weight_filler { type: "xavier" } }',
        'type: "ReLU"',
    ],
    "activations": [
        'type: "PReLU"', 'type: "ELU" elu_param { alpha: 0.7 }', 'type: "TanH"', 'type: "Sigmoid"', 'type: "BNLL"',
        'type: "Log" log_param { base: 2 scale: 3 shift: 1 }', 'type: "Exp" exp_param { base: 2 scale: 0.5 }',
        'type: "Power" power_param { power: 2 scale: 0.5 shift: 1 }', 'type: "AbsVal"',
        'type: "Clip" clip_param { min: 0.1 max: 2 }', 'type: "Dropout"',
    ],
    "normalizations": [
        'type: "LRN" lrn_param { local_size: 3 alpha: 0.1 }',
        'type: "LRN" lrn_param { local_size: 3 alpha: 0.1 norm_region: WITHIN_CHANNEL }',
        'type: "BatchNorm"', 'type: "Scale" scale_param { bias_term: true }', 'type: "MVN"',
        'type: "MVN" mvn_param { across_channels: true normalize_variance: false }',
        'type: "Normalize" norm_param { across_spatial: false }', 'type: "Bias"', 'type: "Softmax"',
    ],
    "shapes": [
        'type: "Permute" permute_param { order: 0 order: 2 order: 1 order: 3 }',
        'type: "Permute" permute_param { order: 0 order: 2 order: 1 order: 3 }',
        'type: "Tile" tile_param { tiles: 2 }', 'type: "Reshape" reshape_param { shape { dim: 0 dim: 4 dim: -1 } }',
        'type: "Flatten"', 'type: "Reduction" reduction_param { operation: SUMSQ axis: 1 coeff: 0.5 }',
    ],
    "forks": [
        'type: "BReLU" brelu_param { minval: -1 maxval: 2 }',
        'type: "Transpose" transpose_param { dim: 0 dim: 1 dim: 3 dim: 2 }',
        'type: "Transpose" transpose_param { dim: 0 dim: 1 dim: 3 dim: 2 }',
        'type: "Pooling" pooling_param { pool: MIN kernel_size: 3 pad: 1 }',
        'type: "Eltwise" eltwise_param { coeff: 0.5 }', 'type: "NegReLU" relu_param { negative_slope: 0.5 }',
        'type: "Reverse" reverse_param { axis: 3 }', 'type: "Mish"',
        'type: "HardSwish"', 'type: "HardSigmoid" hard_sigmoid_param { alpha: 0.3 }',
        'type: "SeLu" selu_param { alpha: 1.5 }', 'type: "SeLuDropout"',
        'type: "SpatialDropout"', 'type: "BatchNorm" batch_norm_param { scale_filler { value: 2 } scale_bias: true }',
        'type: "Swish" swish_param { beta: 1.5 }', 'type: "ShuffleChannel" shuffle_channel_param { group: 2 }',
        'type: "BN" bn_param { bn_mode: INFERENCE scale_filler { value: 2 } shift_filler { value: 0.5 } }',
        'type: "BN" bn_param { slope_filler { value: 2 } bias_filler { value: 0.5 } }',
        'type: "BN" bn_param { scale_filler { value: 2 } moving_average: true var_eps: 0.1 }',
        'type: "Interp" interp_param { zoom_factor: 3 pad_beg: -1 }', 'type: "Upsample" upsample_param { scale: 2 }',
        'type: "Reorg" reorg_param { stride: 2 reverse: true }', 'type: "Interp" interp_param { height: 16 width: 12 }',
        'type: "Upsample" upsample_param { scale: 2 }',
    ],
}  # fmt: skip
"""Layers one after the other, from a blob of 4 channels on."""

CPM = (
    _INPUT
    + """
layer { name: "image" type: "Slice" bottom: "data" top: "image" top: "center map" slice_param { slice_point: 3 } }
layer { name: "pool_center" type: "Pooling" bottom: "center map" top: "center"
        pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "conv1_stage1" type: "Convolution" bottom: "image" top: "conv1_stage1"
        convolution_param { num_output: 8 kernel_size: 5 pad: 2 weight_filler { type: "xavier" } } }
layer { name: "relu1_stage1" type: "ReLU" bottom: "conv1_stage1" top: "conv1_stage1" }
layer { name: "pool1_stage1" type: "Pooling" bottom: "conv1_stage1" top: "pool1_stage1"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "conv2_stage1" type: "Convolution" bottom: "pool1_stage1" top: "conv2_stage1"
        convolution_param { num_output: 5 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "concat_stage2" type: "Concat" bottom: "pool1_stage1" bottom: "conv2_stage1" bottom: "center"
        top: "concat_stage2" }
layer { name: "Mconv1_stage2" type: "Convolution" bottom: "concat_stage2" top: "Mconv1_stage2"
        convolution_param { num_output: 5 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "sum_stage2" type: "Eltwise" bottom: "Mconv1_stage2" bottom: "conv2_stage1" top: "sum"
        eltwise_param { coeff: 1 coeff: -0.5 } }
"""
)


def chain(name: str) -> str:
    """The prototxt of a chain."""
    layers = [f'layer {{ name: "l{i}" bottom: "b{i}" top: "b{i + 1}" {spec} }}' for i, spec in enumerate(CHAINS[name])]
    return "\n".join([_INPUT.replace('"data"', '"b0"'), *layers])


def run_alone(code: str, *arguments: object) -> str:
    """What the code prints, in a process without this project; `sys.argv[1:]` are the arguments."""
    command = [sys.executable, "-I", "-c", _ALONE.format(found=_FOREIGN) + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
