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


def test_forks_with_v1_layers_keep_their_parameters():
    text = (
        "layers { name: 'b' type: BN bn_param { bn_mode: INFERENCE } } layers { name: 'p' type: PRELU prelu_param { } }"
    )
    bn, prelu = parse_net(text, "net").layer
    assert bn.bn_param.bn_mode == schema.BNParameter.INFERENCE and prelu.HasField("prelu_param")
    assert [bn.type, prelu.type] == ["BN", "PReLU"]
