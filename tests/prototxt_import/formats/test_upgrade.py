"""V1 nets in today's form, where fields change their places."""

import pytest

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import parse_net


@pytest.mark.parametrize(
    ("kind", "field"),
    [("DATA", "data_param"), ("IMAGE_DATA", "image_data_param"), ("WINDOW_DATA", "window_data_param")],
)
def test_v1_data_layers_transform_as_their_own_fields_say(kind, field):
    said = 'scale: 0.5 mean_file: "m.binaryproto" crop_size: 7 mirror: true'
    text = f'layers {{ name: "d" type: {kind} top: "d" {field} {{ source: "x" batch_size: 2 {said} }} }}'
    (layer,) = parse_net(text, "v1").layer
    transform = layer.transform_param
    assert (transform.scale, transform.mean_file, transform.crop_size, transform.mirror) == (
        0.5,
        "m.binaryproto",
        7,
        True,
    )
    param = getattr(layer, field)
    assert param.source == "x" and not any(
        param.HasField(name) for name in ("scale", "mean_file", "crop_size", "mirror")
    )


def test_v2_data_layers_leave_the_old_fields_alone():
    (layer,) = parse_net('layer { name: "d" type: "Data" top: "d" data_param { source: "x" scale: 0.5 } }', "v2").layer
    assert layer.data_param.scale == 0.5 and not layer.HasField("transform_param")


@pytest.mark.parametrize(
    ("hole", "dilation"), [("hole: 2", [2]), ("hole_h: 2 hole_w: 3", [2, 3]), ("hole_w: 3", [1, 3]), ("", [])]
)
def test_holes_are_dilation(hole, dilation):
    text = f"layers {{ name: 'c' type: CONVOLUTION convolution_param {{ num_output: 1 {hole} }} }}"
    (layer,) = parse_net(text, "net").layer
    assert list(layer.convolution_param.dilation) == dilation and "hole" not in str(layer)
    both = "layer { name: 'c' type: 'Convolution' convolution_param { hole: 1 dilation: 1 } }"
    with pytest.raises(InputError, match="net: layer 'c': expected either dilation or hole, found both"):
        parse_net(both, "net")


def test_pspnets_own_type_for_holes_is_a_convolution():
    (layer,) = parse_net("layer { name: 'c' type: 'HoleConvolution' convolution_param { hole: 4 } }", "net").layer
    assert layer.type == "Convolution" and list(layer.convolution_param.dilation) == [4]


def test_forks_with_v1_layers_keep_their_parameters():
    text = (
        "layers { name: 'b' type: BN bn_param { bn_mode: INFERENCE } } layers { name: 'p' type: PRELU prelu_param { } }"
    )
    bn, prelu = parse_net(text, "net").layer
    assert bn.bn_param.bn_mode == schema.BNParameter.INFERENCE and prelu.HasField("prelu_param")
    assert [bn.type, prelu.type] == ["BN", "PReLU"]


@pytest.mark.parametrize(
    ("kind", "field", "fields", "sizes"),
    [
        ("CONVOLUTION3D", "convolution_param", "kernel_size: 3 kernel_depth: 2 pad: 1 temporal_pad: 0",
         ([2, 3, 3], [1, 1, 1], [0, 1, 1])),
        ("DECONVOLUTION3D", "convolution_param", "kernel_size: 3 stride: 2 temporal_stride: 3",
         ([1, 3, 3], [3, 2, 2], [0, 0, 0])),
        ("POOLING3D", "pooling_param", "pool: AVE kernel_size: 2 kernel_depth: 1 stride: 2 temporal_stride: 1",
         ([1, 2, 2], [1, 2, 2], [0, 0, 0])),
    ],
)  # fmt: skip
def test_c3d_s_volumes_are_caffe_s_own(kind, field, fields, sizes):
    (layer,) = parse_net(f"layers {{ name: 'c' type: {kind} {field} {{ {fields} }} }}", "net").layer
    param = getattr(layer, field)
    assert layer.type == kind[:-2].capitalize()
    assert ([*param.kernel_size], [*param.stride], [*param.pad]) == sizes
    assert "depth" not in str(layer) and "temporal" not in str(layer)


def test_sizes_over_time_are_c3d_s_only():
    text = "layer { name: 'c' type: 'Convolution' convolution_param { kernel_size: 3 kernel_depth: 3 } }"
    with pytest.raises(InputError, match=r"net: layer 'c' \(Convolution\): expected kernel_depth in C3D's"):
        parse_net(text, "net")
    text = "layer { name: 'c' type: 'Pooling3D' pooling_param { kernel_size: [ 3, 2 ] } }"
    with pytest.raises(InputError, match=r"layer 'c': expected one size for rows and columns, found \[3, 2\]"):
        parse_net(text, "net")


def test_an_input_without_dimensions_is_named():
    text = 'input: "a" input_shape { dim: 1 } input: "b" input_shape { } layer { name: "r" type: "ReLU" }'
    with pytest.raises(
        InputError, match=r"^n: expected `input_shape` with the dimensions of input 'b', found an empty"
    ):
        parse_net(text, "n")


def test_lrn_map_is_lrn_within_a_channel():
    """Before LRN had regions."""
    text = 'layers { name: "n" type: LRN_MAP bottom: "x" top: "y" lrn_param { local_size: 3 alpha: 5e-05 } }'
    (layer,) = parse_net(f'input: "x" input_dim: 1 input_dim: 2 input_dim: 5 input_dim: 5 {text}', "v1").layer[1:]
    assert (layer.type, layer.lrn_param.local_size) == ("LRN", 3) and not layer.own_param
    assert layer.lrn_param.norm_region == schema.LRNParameter.WITHIN_CHANNEL


def test_shapes_and_dims_of_inputs_do_not_mix():
    """Which input has which nothing says: the second's shape was taken for the first's."""
    text = 'input: "a" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9 input: "b" input_shape { dim: 5 dim: 5 }'
    text += ' layer { name: "r" type: "ReLU" bottom: "a" top: "r" }'
    with pytest.raises(InputError, match=r"^n: expected either `input_shape` or `input_dim`, found both"):
        parse_net(text, "n")
