"""Reads a serialized Caffe `Datum` where it lies: its bytes are not copied.

protobuf's own parser copies `data` twice, which for a photograph takes longer than all the rest. Here every length is
checked against the bytes that are there before anything is taken.
"""

from typing import NamedTuple

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_CHANNELS, _HEIGHT, _WIDTH, _DATA, _ENCODED, _META = 1, 2, 3, 4, 7, 100  # caffe.proto's field numbers
_WIRE_TYPES = {
    _CHANNELS: _VARINT, _HEIGHT: _VARINT, _WIDTH: _VARINT, _DATA: _BYTES, _ENCODED: _VARINT, _META: _BYTES
}  # fmt: skip


class BrokenDatum(Exception):
    """The bytes are no serialized Datum."""


class DatumView(NamedTuple):
    """The fields of a Datum that a record uses; `data` and `meta` are views of the bytes it was read from."""

    channels: int
    height: int
    width: int
    data: memoryview
    encoded: bool
    meta: memoryview


def view(value: bytes | memoryview) -> DatumView:
    """The Datum in `value`; of a field that comes twice the last counts, unknown ones are passed over.

    BrokenDatum if the bytes are cut short or something else. (Groups, a wire type that Caffe never had, count as
    something else.)
    """
    value = memoryview(value)
    numbers: dict[int, int] = {}
    contents: dict[int, memoryview] = {}
    place = 0
    while place < len(value):
        tag, place = _varint(value, place)
        number, wire_type = tag >> 3, tag & 7
        content, place = _content(value, place, wire_type)
        if not 0 < number < 1 << 29:
            raise BrokenDatum
        if _WIRE_TYPES.get(number) == wire_type:
            if isinstance(content, int):
                numbers[number] = content
            else:
                contents[number] = content
    channels, height, width = (_int32(numbers.get(number, 0)) for number in (_CHANNELS, _HEIGHT, _WIDTH))
    nothing = value[:0]
    data, meta = contents.get(_DATA, nothing), contents.get(_META, nothing)
    return DatumView(channels, height, width, data, bool(numbers.get(_ENCODED, 0)), meta)


def _content(value: memoryview, place: int, wire_type: int) -> tuple[int | memoryview, int]:
    """A field's number or bytes, and where the next field starts."""
    if wire_type == _VARINT:
        return _varint(value, place)
    if wire_type == _BYTES:
        length, place = _varint(value, place)
    elif wire_type in (_FIXED64, _FIXED32):
        length = 8 if wire_type == _FIXED64 else 4
    else:
        raise BrokenDatum
    end = place + length
    if end > len(value):
        raise BrokenDatum
    return value[place:end], end


def _varint(value: memoryview, place: int) -> tuple[int, int]:
    """An unsigned number, seven bits to each of at most ten bytes, and where it ends."""
    number = 0
    for end in range(place, min(place + 10, len(value))):
        byte = value[end]
        number |= (byte & 127) << 7 * (end - place)
        if byte < 128:
            return number & (1 << 64) - 1, end + 1
    raise BrokenDatum


def _int32(number: int) -> int:
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number
