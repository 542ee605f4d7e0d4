"""Decompresses Snappy's raw format, with suspicion: nothing is taken that is not there, and no more is made than was
announced.

Format: the length as a varint; then literals (tag 0: their bytes follow) and copies (tags 1 to 3: of what was made
before, that many bytes back), the tag in the two low bits of each element's first byte.
"""

MOST_TIMES_LARGER = 64
"""A copy of 64 bytes takes at least 2 or 3 bytes, so a file cannot announce much more than 32 times its size."""


class BrokenSnappy(ValueError):
    """The bytes are no Snappy block."""


def varint(data: bytes | memoryview, place: int) -> tuple[int, int]:
    """An unsigned number, seven bits to each of at most ten bytes, and where it ends; ValueError if it has no end."""
    number = 0
    for end in range(place, min(place + 10, len(data))):
        byte = data[end]
        number |= (byte & 127) << 7 * (end - place)
        if byte < 128:
            return number, end + 1
    raise ValueError("a number without an end")


def decompress(data: bytes | memoryview) -> bytes:
    """What was compressed; BrokenSnappy if the bytes are something else."""
    try:
        length, place = varint(data, 0)
    except ValueError as error:
        raise BrokenSnappy(str(error)) from None
    if length > MOST_TIMES_LARGER * len(data):
        raise BrokenSnappy(f"{length} bytes announced by {len(data)}")
    made = bytearray()
    while place < len(data) and len(made) <= length:
        tag = data[place] & 3
        if tag == 0:
            count, place = _literal_length(data, place)
            if place + count > len(data):
                raise BrokenSnappy("a literal that runs over the end")
            made += data[place : place + count]
            place += count
        else:
            count, distance, place = _copy(data, place, tag)
            _repeat(made, distance, count)
    if len(made) != length:
        raise BrokenSnappy(f"{length} bytes announced, {len(made)} found")
    return bytes(made)


def _literal_length(data: bytes | memoryview, place: int) -> tuple[int, int]:
    short, place = data[place] >> 2, place + 1
    if short < 60:
        return short + 1, place
    end = place + short - 59
    if end > len(data):
        raise BrokenSnappy("a literal without a length")
    return int.from_bytes(data[place:end], "little") + 1, end


def _copy(data: bytes | memoryview, place: int, tag: int) -> tuple[int, int, int]:
    """Length, distance, and where the next element starts."""
    first, end = data[place], place + (2, 3, 5)[tag - 1]
    if end > len(data):
        raise BrokenSnappy("a copy that runs over the end")
    if tag == 1:
        return 4 + (first >> 2 & 7), (first >> 5) << 8 | data[place + 1], end
    return 1 + (first >> 2), int.from_bytes(data[place + 1 : end], "little"), end


def _repeat(made: bytearray, distance: int, count: int) -> None:
    """Appends `count` bytes from `distance` back on, which may reach into what it appends."""
    start = len(made) - distance
    if distance == 0 or start < 0:
        raise BrokenSnappy(f"a copy of what lies {distance} bytes before, found {len(made)}")
    piece = bytes(made[start : start + count])
    while len(piece) < count:
        piece += piece
    made += piece[:count]
