"""Fields and values that no message has: which stand aside until the layer is made, and what is said of them."""

import re
from pathlib import Path

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import format_prototxt, parse_net, read_solver
from prototxt_import.net import Net, load_net

SSD = """
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param {
    mirror: true
    resize_param {  # SSD's
      prob: 1 resize_mode: WARP height: 300 interp_mode: [LINEAR, AREA]
    }, mean_value: 104
    distort_param < brightness_prob: 0.5 >
    crop_size: 8
  }
  annotated_data_param { batch_sampler { max_sample: 1 sampler { min_scale: 0.3 } } }
}
layer { name: "test" type: "Data" top: "data" transform_param { resize_param { prob: 2 } } include { phase: TEST } }
layer { name: "c" type: "ReLU" bottom: "data" top: "c" }
layer { name: "l" type: "MultiBoxLoss" bottom: "c" bottom: "label" loss_param { normalization: NOBODYS } }
"""


def test_a_field_inside_a_message_stands_aside_and_the_rest_is_read() -> None:
    data, test, _, loss = parse_net(SSD, "n").layer
    assert data.transform_param.mirror and data.transform_param.crop_size == 8 and data.type == "Data"
    assert list(data.transform_param.mean_value) == [104]
    found = [(field.name, field.message, field.line) for field in data.own_param]
    assert found == [
        ("transform_param.resize_param", "TransformationParameter", 6),
        ("transform_param.distort_param", "TransformationParameter", 9),
        ("annotated_data_param", "LayerParameter", 12),
    ]
    assert [field.line for field in test.own_param] == [14]
    assert [(field.name, field.text) for field in loss.own_param] == [("loss_param.normalization", "NOBODYS")]
    again = parse_net(format_prototxt(parse_net(SSD, "n")), "n")
    assert again == parse_net(SSD, "n")


def test_a_train_net_with_a_forks_data_layer_can_be_deployed(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(SSD)
    net = load_net(path, input_shapes={"data": (1, 2, 3, 3)})
    assert net.blob_names == ["data", "c"]


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ('type: "Convolution"\nconvolution_param { num_output: 1\nkernal_size: 3 }',
         "'a' (Convolution): expected a field that ConvolutionParameter has, found 'convolution_param.kernal_size' in "
         "line 4 (is kernel_size meant?)"),
        ('type: "Pooling" pooling_param { pool: NOBODYS kernel_size: 2 }',
         "expected a value that PoolingParameter.PoolMethod has, found 'pooling_param.pool: NOBODYS' in line 2 (leave"),
        ('type: "ReLU" relu_param { relu6: true }',
         "found 'relu_param.relu6' in line 2, which Synopsys's Caffe has (leave it out if"),
        ('type: "Convolution" convolution_param { pad_l: 1 }',
         "found 'convolution_param.pad_l' in line 2, which Synopsys's Caffe has (leave it out if"),
        ('type: "ReLU" transform_param { resize_param { } }',
         "found 'transform_param.resize_param' in line 2, which SSD's Caffe has (leave it out if"),
        ('type: "ReLU" transform_param { use_gpu_transform: true }',
         "found 'transform_param.use_gpu_transform' in line 2, which NVIDIA's Caffe has (leave it out if"),
    ],
)  # fmt: skip
def test_they_are_refused_by_the_layer_that_has_them(layer: str, said: str) -> None:
    text = (
        f'input: "x" input_shape {{ dim: 1 dim: 2 dim: 4 dim: 4 }}\nlayer {{ name: "a" bottom: "x" top: "a" {layer} }}'
    )
    with pytest.raises(InputError, match=re.escape(said)) as error:
        Net(parse_net(text, "n"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base_lr: 1\n  rampup_lr: 2", "solver.prototxt:2:3: SolverParameter has no field named 'rampup_lr', which "
         "NVIDIA's Caffe has (leave it out if"),
        ('input: "data"', "solver.prototxt:1:1: SolverParameter has no field named 'input' (is this a net's"),
        ("base_lr: 1\nmomentun: 2", "solver.prototxt:2:1: SolverParameter has no field named 'momentun' (is momentum"),
        ("snapshot_format: XML", "SolverParameter.SnapshotFormat has no value named 'XML'"),
    ],
)  # fmt: skip
def test_outside_of_layers_they_are_refused_at_once(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "solver.prototxt").write_text(text)
    with pytest.raises(InputError, match=re.escape(said)):
        read_solver(tmp_path / "solver.prototxt")


def test_what_nvidia_asks_of_a_card_changes_nothing(tmp_path: Path) -> None:
    shape = 'input: "x" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }'
    layer = (
        'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 3'
    )
    asked = (
        "default_forward_type: FLOAT16 default_backward_type: FLOAT16 default_forward_math: FLOAT "
        'default_backward_math: FLOAT default_conv_algos_override: "-1,0,0" default_cudnn_math_override: 0 '
        f'reduce_buckets: 5 {shape} {layer} conv_algos_override: "1,-1,-1" }} forward_type: FLOAT backward_type: FLOAT '
        "forward_math: FLOAT backward_math: FLOAT16 cudnn_math_override: 1 }"
    )
    plain, other = (Net(parse_net(text, "n"), seed=1) for text in (f"{shape} {layer} }} }}", asked))
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    assert torch.equal(plain({"x": x})["c"], other({"x": x})["c"])
    (tmp_path / "solver.prototxt").write_text('net: "n" base_lr: 1 lr_policy: "fixed" solver_data_type: FLOAT')
    assert read_solver(tmp_path / "solver.prototxt").base_lr == 1


def test_v1_types_of_forks_are_read_by_their_v2_names() -> None:
    text = (
        "layers { name: 'b' type: BN bottom: 'x' top: 'b' } layers { name: 'r' type: ROI_POOLING bottom: 'b' top: 'r' }"
    )
    layers = parse_net(f"{text} layers {{ name: 'n' type: NOBODYS_LAYER nobodys_param {{ a: 1 }} }}", "n").layer
    assert [layer.type for layer in layers] == ["BN", "ROIPooling", "NobodysLayer"]
    assert [[field.name for field in layer.own_param] for layer in layers] == [[], [], ["nobodys_param"]]


@pytest.mark.parametrize(
    "layer",
    [
        'type: "BatchNorm" batch_norm_param { engine: MKL2017 }',
        'type: "Concat" concat_param { engine: MKLDNN }',
        'type: "Eltwise" bottom: "x" eltwise_param { engine: CAFFE }',
        'type: "InnerProduct" inner_product_param { num_output: 2 engine: MKL2017 }',
    ],
)
def test_intels_engines_are_read(layer: str) -> None:
    inputs = 'input: "x" input_shape { dim: 1 dim: 2 dim: 4 dim: 4 }'
    assert Net(parse_net(f'{inputs} layer {{ name: "a" bottom: "x" top: "a" {layer} }}', "n")).blob_shapes["a"]
