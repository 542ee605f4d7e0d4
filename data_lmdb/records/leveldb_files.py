"""LevelDB's files, read with suspicion: the manifest, which says what is alive, tables, and logs of what is in none.

Every offset and length is checked against the bytes that are there before it is used. Checksums are not computed:
Caffe's reader does not ask for them either. Format: LevelDB 1.x with its bytewise order of keys.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .snappy import decompress, varint

MAGIC = 0xDB4775248B80FB57
_BLOCK = 32768  # of a log file
_HEADER = struct.Struct("<IHB")  # checksum, length, kind
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_FOOTER = 48
_TRAILER = 5  # behind a table's block: kind of compression and checksum
_ORDER = b"leveldb.BytewiseComparator"
VALUE = 1
"""The kind of an entry that has a value; 0 is a deletion."""

Bytes = bytes | memoryview


class Broken(ValueError):
    """The file is not what it should be; the message says what was expected and found."""


class Files(NamedTuple):
    """What is alive: numbers of tables, and the number from which logs count (and the one before, while it does)."""

    tables: list[int]
    log: int
    previous_log: int


class Entry(NamedTuple):
    """One entry of a table's block or of a log: key, sequence number, kind, and where in the block its value is."""

    key: bytes
    sequence: int
    kind: int
    offset: int
    length: int


def log_records(data: Bytes) -> Iterator[bytes]:
    """The records of a log file, put together; one that was cut short at the end, as by a crash, is left out."""
    place, parts = 0, list[bytes]()
    while place + _HEADER.size <= len(data):
        left = _BLOCK - place % _BLOCK
        if left < _HEADER.size:
            place += left
            continue
        _, length, kind = _HEADER.unpack_from(data, place)
        if kind == 0 and length == 0:
            place += left  # a file made longer in advance
            continue
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or _HEADER.size + length > left:
            raise Broken(f"expected a record at byte {place}, found something else")
        start = place + _HEADER.size
        if start + length > len(data):
            return
        if (kind in (_MIDDLE, _LAST)) != bool(parts):
            raise Broken(f"expected the records' parts in order, found another at byte {place}")
        parts.append(bytes(data[start : start + length]))
        place = start + length
        if kind in (_FULL, _LAST):
            yield b"".join(parts)
            parts = []


def live_files(manifest: Bytes) -> Files:
    """What the edits of a manifest come to."""
    tables: dict[int, None] = {}
    numbers = {2: 0, 9: 0}
    for record in log_records(manifest):
        place = 0
        while place < len(record):
            tag, place = _number(record, place)
            if tag in (2, 3, 4, 9):
                numbers[tag], place = _number(record, place)
            elif tag == 1:
                order, place = _string(record, place)
                if order != _ORDER:
                    raise Broken(f"expected keys in the order of {_ORDER.decode()}, found {order[:40]!r}")
            elif tag == 5:
                _, place = _string(record, _number(record, place)[1])
            elif tag == 6:
                number, place = _number(record, _number(record, place)[1])
                tables.pop(number, None)
            elif tag == 7:
                number, place = _number(record, _number(record, place)[1])
                _, place = _number(record, place)
                _, place = _string(record, place)
                _, place = _string(record, place)
                tables[number] = None
            else:
                raise Broken(f"expected a manifest, found an edit with the tag {tag}")
    return Files(list(tables), numbers[2], numbers[9])


def batch_entries(record: Bytes) -> Iterator[Entry]:
    """What a log's record writes and deletes."""
    if len(record) < 12:
        raise Broken(f"expected a batch of 12 bytes or more, found {len(record)}")
    sequence, count = struct.unpack_from("<QI", record)
    place = 12
    for index in range(count):
        if place >= len(record):
            raise Broken(f"expected {count} entries in a batch, found {index}")
        kind = record[place]
        key, place = _string(record, place + 1)
        start, end = place, place
        if kind == VALUE:
            length, start = _number(record, place)
            end = start + length
            if end > len(record):
                raise Broken("expected a value inside its batch, found one that runs over it")
        elif kind != 0:
            raise Broken(f"expected a value or a deletion, found the kind {kind}")
        yield Entry(key, sequence + index, kind, start, end - start)
        place = end


def table_blocks(data: Bytes) -> Iterator[tuple[int, int]]:
    """Offset and length of each block of entries of a table, in order."""
    if len(data) < _FOOTER:
        raise Broken(f"expected a table of {_FOOTER} bytes or more, found {len(data)}")
    footer = data[len(data) - _FOOTER :]
    if int.from_bytes(footer[40:], "little") != MAGIC:
        raise Broken("expected a table's footer, found something else: the file is cut short")
    _, place = _handle(footer, 0)
    index, _ = _handle(footer, place)
    block, end = table_block(data, *index), 0
    for _, place, _ in _block_entries(block):
        (offset, length), _ = _handle(block, place)
        if offset < end:
            raise Broken(f"expected the blocks of a table one after the other, found one at byte {offset} again")
        end = offset + length
        yield offset, length


def table_block(data: Bytes, offset: int, length: int) -> bytes:
    """A block of a table, decompressed."""
    if offset + length + _TRAILER > len(data):
        raise Broken(f"expected a block of {length} bytes at byte {offset}, found the file's end at {len(data)}")
    stored, kind = data[offset : offset + length], data[offset + length]
    if kind not in (0, 1):
        raise Broken(f"expected a block as it is or compressed by Snappy, found kind {kind} at byte {offset}")
    try:
        return decompress(stored) if kind else bytes(stored)
    except ValueError as error:
        raise Broken(f"expected a block compressed by Snappy at byte {offset}, found {error}") from None


def block_entries(block: bytes) -> Iterator[Entry]:
    """The entries of a table's block."""
    for key, offset, length in _block_entries(block):
        if len(key) < 8:
            raise Broken(f"expected a key of 8 bytes or more, found {len(key)}")
        tail = int.from_bytes(key[-8:], "little")
        if tail & 255 not in (0, VALUE):
            raise Broken(f"expected a value or a deletion, found the kind {tail & 255}")
        yield Entry(key[:-8], tail >> 8, tail & 255, offset, length)


def _block_entries(block: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Key, and offset and length of the value. A key repeats the start of the one before."""
    if len(block) < 4:
        raise Broken(f"expected a block of 4 bytes or more, found {len(block)}")
    end = len(block) - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise Broken("expected a block's restart points inside it, found more of them")
    place, key = 0, b""
    while place < end:
        shared, place = _number(block, place)
        own, place = _number(block, place)
        length, place = _number(block, place)
        value = place + own
        if shared > len(key) or value + length > end:
            raise Broken(f"expected an entry inside its block at byte {place}, found one that runs over it")
        key = key[:shared] + block[place:value]
        yield key, value, length
        place = value + length


def _number(data: Bytes, place: int) -> tuple[int, int]:
    try:
        return varint(data, place)
    except ValueError:
        raise Broken(f"expected a number at byte {place}, found none") from None


def _string(data: Bytes, place: int) -> tuple[bytes, int]:
    length, place = _number(data, place)
    if place + length > len(data):
        raise Broken(f"expected {length} bytes at byte {place}, found {len(data) - place}")
    return bytes(data[place : place + length]), place + length


def _handle(data: Bytes, place: int) -> tuple[tuple[int, int], int]:
    offset, place = _number(data, place)
    length, place = _number(data, place)
    return (offset, length), place
