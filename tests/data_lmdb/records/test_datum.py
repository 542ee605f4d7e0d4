"""The Datum reader against protobuf's own: the same fields, and nothing taken that protobuf refuses."""

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from data_lmdb.records.datum import BrokenDatum, view
from prototxt_import.formats import schema

GROUPS = (3, 4)  # wire types that this reader refuses and protobuf may skip


def random_datum(rng):
    values = {
        "channels": int(rng.integers(-(2**31), 2**31)),
        "height": int(rng.integers(0, 300)),
        "width": int(rng.integers(0, 2**20)),
        "data": rng.bytes(int(rng.integers(0, 400))),
        "label": int(rng.integers(-5, 5)),
        "encoded": bool(rng.integers(2)),
        "meta": rng.bytes(int(rng.integers(0, 300))),
        "float_data": rng.normal(size=3),
    }
    return schema.Datum(**{name: value for name, value in values.items() if rng.random() < 0.8})


def assert_same_fields(value, datum):
    found = view(value)
    for name in found._fields:
        assert getattr(found, name) == getattr(datum, name), name


def test_the_fields_that_protobuf_finds():
    rng = np.random.default_rng(0)
    for _ in range(300):
        first, second = random_datum(rng), random_datum(rng)
        unknown = schema.NetParameter(name="x" * int(rng.integers(200)), force_backward=True)
        value = b"".join(part.SerializeToString() for part in (first, second))  # what comes last counts
        assert_same_fields(value, schema.Datum.FromString(value))
        value += unknown.SerializeToString()
        assert_same_fields(value, schema.Datum.FromString(value))
        assert_same_fields(memoryview(value), schema.Datum.FromString(value))


def test_data_and_meta_are_views():
    value = schema.Datum(data=b"abc", meta=b"de").SerializeToString()
    found = view(value)
    assert found.data.obj is value and found.meta.obj is value


def test_changed_and_shortened_bytes_are_refused_where_protobuf_refuses_them():
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(3000):
        value = bytearray(random_datum(rng).SerializeToString() or b"\0")
        for _ in range(rng.integers(0, 4)):
            value[rng.integers(len(value))] = rng.integers(256)
        value = bytes(value[: rng.integers(len(value) + 1)] if rng.random() < 0.4 else value)
        try:
            datum = schema.Datum.FromString(value)
        except DecodeError:
            refused += 1
            with pytest.raises(BrokenDatum):
                view(value)
            continue
        try:
            found = view(value)
        except BrokenDatum:
            assert any(byte & 7 in GROUPS for byte in value)
            continue
        assert all(getattr(found, name) == getattr(datum, name) for name in found._fields), value
    assert refused > 300


@pytest.mark.parametrize(
    "value", [b"\x08", b"\x22\x05abcd", b"\x08" + b"\xff" * 10 + b"\1", b"\x0d\0\0\0", b"\0\0", b"\x0b"]
)
def test_what_is_no_datum(value):
    with pytest.raises(BrokenDatum):
        view(value)
