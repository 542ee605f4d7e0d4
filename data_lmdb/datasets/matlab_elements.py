"""Checks a MATLAB file (versions 5 to 7) before SciPy reads it.

SciPy trusts the sizes that the file declares: a few overwritten bytes make it reserve gigabytes or end the whole
process. Here every element has to lie inside the one around it, and every array has to hold the values that its
dimensions say. Format: MathWorks, "MAT-File Format", level 5, without its objects, functions and sparse matrices.
"""

import math
import struct
import zlib
from collections.abc import Container, Iterator
from typing import NamedTuple

from prototxt_import.files import unpacked_limit

HEADER_BYTES = 128
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED, _UTF8 = 1, 5, 6, 14, 15, 16
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, _UTF8: 1, 17: 2, 18: 4}  # by data type
_CELL, _STRUCT, _CHAR, _OPAQUE, _NUMERIC = 1, 2, 4, 17, range(6, 16)  # array classes
_COMPLEX = 0x0800  # array flag
_DEEPEST = 40  # arrays in arrays; MPII's have seven
_BLOCK = 1 << 16  # bytes decompressed at a time


class BrokenMatlab(Exception):
    """The file is no MATLAB file of these versions, or a broken one; the message says what was expected and found."""


class _Tag(NamedTuple):
    """How an element begins; `padded` is the room that its `length` bytes take up."""

    type: int
    length: int
    padded: int
    small: bytes | None  # the content of an element that is all in its tag


def check_elements(content: bytes, names: Container[str]) -> None:
    """BrokenMatlab if anything in the variables of these names is amiss; SciPy passes over the others."""
    order, file, room = (
        _order(content),
        _Stored(memoryview(content)[HEADER_BYTES:]),
        _Budget(unpacked_limit(len(content))),
    )
    elements = _Elements(file, order, names)
    while file.left:
        tag = elements.tag()
        if tag.type == _COMPRESSED:
            elements.need(file.left >= tag.length, f"{tag.length} compressed bytes", f"{file.left}")
            inside = _Elements(_Compressed(file.take(tag.length), room), order, names)
            inside.matrix(inside.tag())
        else:
            elements.matrix(tag)


def single_elements(content: bytes) -> Iterator[range]:
    """Where the file's elements lie, one a variable; they were checked."""
    order, at = _order(content), HEADER_BYTES
    while at < len(content):
        kind, length = struct.unpack_from(order + "II", content, at)
        end = at + 8 + (length if kind == _COMPRESSED else -(-length // 8) * 8)
        yield range(at, end)
        at = end


def _order(content: bytes) -> str:
    """That of bytes, as `struct` calls it."""
    order = {b"IM": "<", b"MI": ">"}.get(content[HEADER_BYTES - 2 : HEADER_BYTES])
    if order is None or 0 in content[:4]:
        raise BrokenMatlab("expected a MATLAB file of version 5 to 7, found another kind of file")
    return order


class _Stored:
    """Bytes that lie in the file as they are."""

    def __init__(self, content: memoryview):
        self._content = content

    @property
    def left(self) -> int:
        return len(self._content)

    def take(self, count: int) -> memoryview:
        """The next `count` bytes, or fewer at the end."""
        taken, self._content = self._content[:count], self._content[count:]
        return taken

    def skip(self, count: int) -> int:
        """Steps over `count` bytes; how many there were."""
        return len(self.take(count))


class _Budget:
    """How much all variables of a file may unpack to, together."""

    def __init__(self, limit: int):
        self._limit = self._left = limit

    def take(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise BrokenMatlab(
                f"expected at most {self._limit} bytes once unpacked, found more: save it again without compression"
            )


class _Compressed:
    """Bytes as zlib packed them, unpacked a block at a time."""

    def __init__(self, packed: memoryview, room: _Budget):
        self._room, self._packed = room, packed
        self._started: bytes | memoryview = b""  # the piece of them that is being unpacked
        self._zlib = zlib.decompressobj()
        self._block = b""

    def take(self, count: int) -> bytes:
        taken = bytearray()
        while len(taken) < count and self._fill():
            piece = self._block[: count - len(taken)]
            self._block = self._block[len(piece) :]
            taken += piece
        return bytes(taken)

    def skip(self, count: int) -> int:
        skipped = 0
        while skipped < count and self._fill():
            piece = min(count - skipped, len(self._block))
            self._block = self._block[piece:]
            skipped += piece
        return skipped

    def _fill(self) -> bool:
        while not (self._block or self._zlib.eof):
            if not self._started:
                self._started, self._packed = self._packed[:_BLOCK], self._packed[_BLOCK:]
            try:
                self._block = self._zlib.decompress(self._started, _BLOCK)
            except zlib.error as error:
                raise BrokenMatlab(f"expected data that zlib can unpack, found other ({error})") from None
            self._started = self._zlib.unconsumed_tail
            self._room.take(len(self._block))
            if not (self._block or self._started or self._packed):
                break
        return bool(self._block)


class _Elements:
    """Reads elements one after another."""

    def __init__(self, file: _Stored | _Compressed, order: str, names: Container[str]):
        self._file, self._order, self._names = file, order, names

    def need(self, holds: bool, expected: str, found: object) -> None:
        if not holds:
            raise BrokenMatlab(f"expected {expected}, found {found}")

    def tag(self) -> _Tag:
        """The next element's tag; with a small element also its content."""
        stored = self.take(8)
        first, length = self._unpack("II", stored)
        if first >> 16:
            kind, length = first & 0xFFFF, first >> 16
            self.need(length <= 4, "at most 4 bytes in a small element", length)
            return _Tag(kind, length, 0, bytes(stored[4 : 4 + length]))
        return _Tag(first, length, length if first == _COMPRESSED else -(-length // 8) * 8, None)

    def matrix(self, tag: _Tag, depth: int = 0) -> int:
        """Steps over the array whose tag was read; returns the bytes it took, without the tag."""
        self.need(tag.type == _MATRIX and tag.small is None, "an array", f"an element of type {tag.type}")
        self.need(depth <= _DEEPEST, f"arrays at most {_DEEPEST} deep in arrays", "more")
        if tag.length == 0:  # []
            return 0
        room = _Room(self, tag.length)
        kind, flags = self._flags(room)
        if depth == 0 and kind == _OPAQUE:  # has no name here, and is none of those that are asked for
            return room.skip_rest()
        count = self._count(room)
        name = bytes(room.content((_INT8,), "a name")).decode("latin-1")
        if depth == 0 and name not in self._names:
            return room.skip_rest()
        self.need(count <= tag.length or kind in _NUMERIC, f"{count} elements in an array", f"{tag.length} bytes")
        if kind in (_CELL, _STRUCT):
            inner = count * (self._fields(room) if kind == _STRUCT else 1)
            self.need(8 * inner <= room.left, f"{inner} arrays in an array", f"{room.left} bytes")
            for _ in range(inner):
                room.use(self.matrix(room.tag(), depth + 1))
        elif kind == _CHAR or kind in _NUMERIC:
            for _ in range(2 if flags & _COMPLEX else 1):
                self._values(room, count, kind)
        else:
            raise BrokenMatlab(f"expected numbers, texts, cells and structs, found an array of class {kind}")
        self.need(room.left == 0, "an array as long as its tag says", f"{room.left} bytes more")
        return room.size

    def _flags(self, room: "_Room") -> tuple[int, int]:
        content = room.content((_UINT32,), "array flags")
        self.need(len(content) == 8, "8 bytes of array flags", len(content))
        flags = self._unpack("II", content)[0]
        return flags & 0xFF, flags & 0xFF00

    def _count(self, room: "_Room") -> int:
        """Product of the dimensions."""
        content = room.content((_INT32,), "dimensions")
        count = len(content) // 4
        self.need(2 <= count <= 32 and len(content) == 4 * count, "2 to 32 dimensions", f"{len(content)} bytes")
        dimensions = self._unpack(f"{count}i", content)
        self.need(min(dimensions) >= 0, "dimensions of 0 or more", list(dimensions))
        return math.prod(dimensions)

    def _fields(self, room: "_Room") -> int:
        """Number of a struct's fields."""
        content = room.content((_INT32,), "the length of a field's name")
        self.need(len(content) == 4, "the length of a field's name in 4 bytes", len(content))
        (length,) = self._unpack("i", content)
        names = bytes(room.content((_INT8,), "names of fields"))
        if not names:
            return 0
        whole = length > 0 and len(names) % length == 0
        self.need(whole, "names of fields of one length", f"{len(names)} bytes for names of {length}")
        found = [names[start : start + length].split(b"\0")[0] for start in range(0, len(names), length)]
        self.need(all(map(_is_name, found)) and len(set(found)) == len(found), "different names of fields", found[:5])
        return len(found)

    def _values(self, room: "_Room", count: int, kind: int) -> None:
        tag = room.tag()
        size = _VALUE_BYTES.get(tag.type, 0)
        numeric = tag.type < _UTF8
        self.need(size > 0 and (numeric or kind == _CHAR), "values", f"an element of type {tag.type}")
        longest = 4 if tag.type == _UTF8 else 1  # bytes of one character
        fits = size * count <= tag.length <= size * count * longest
        self.need(fits, f"{count} values of {size} bytes", f"{tag.length} bytes")
        room.skip(tag)

    def take(self, count: int) -> bytes | memoryview:
        taken = self._file.take(count)
        self.need(len(taken) == count, f"{count} bytes more", f"{len(taken)}")
        return taken

    def skip(self, count: int) -> None:
        skipped = self._file.skip(count)
        self.need(skipped == count, f"{count} bytes more", f"{skipped}")

    def _unpack(self, layout: str, content: bytes | memoryview) -> tuple[int, ...]:
        return struct.unpack(self._order + layout, content)


class _Room:
    """The bytes of one array, of which its elements take what they need."""

    def __init__(self, elements: _Elements, size: int):
        self._elements, self.size, self.left = elements, size, size

    def use(self, count: int) -> None:
        self._elements.need(count <= self.left, f"an element in the {self.left} bytes left of its array", count)
        self.left -= count

    def tag(self) -> _Tag:
        self.use(8)
        tag = self._elements.tag()
        self._elements.need(tag.length <= self.left or tag.small is not None, "an element inside its array", tag.length)
        return tag

    def content(self, types: tuple[int, ...], what: str) -> bytes | memoryview:
        """All of the next element, which has to be short and of one of the data types."""
        tag = self.tag()
        self._elements.need(tag.type in types, what, f"an element of type {tag.type}")
        if tag.small is not None:
            return tag.small
        self.use(tag.padded)
        return self._elements.take(tag.padded)[: tag.length]

    def skip(self, tag: _Tag) -> None:
        if tag.small is None:
            self.use(tag.padded)
            self._elements.skip(tag.padded)

    def skip_rest(self) -> int:
        """Steps over what is left; returns the bytes of the whole array."""
        self._elements.skip(self.left)
        return self.size


def _is_name(name: bytes) -> bool:
    return name.replace(b"_", b"").isalnum() and not name[:1].isdigit()
