"""What a field is, by protobuf of any year."""

import pytest

from prototxt_import.formats import schema
from prototxt_import.formats.messages import is_repeated


@pytest.mark.parametrize(
    ("name", "repeated"),
    [("bottom", True), ("blobs", True), ("loss_weight", True), ("name", False), ("lrn_param", False)],
)
def test_a_repeated_field_is_told(name, repeated):
    assert is_repeated(schema.LayerParameter.DESCRIPTOR.fields_by_name[name]) is repeated
