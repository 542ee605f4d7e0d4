"""V1 nets in today's form, where fields change their places."""

import pytest

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
