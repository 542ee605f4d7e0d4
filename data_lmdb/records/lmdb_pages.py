"""The on-disk tree of an LMDB's data.mdb: where each record lies in the file.

LMDB's own library trusts the file: a page number or length that was cut short or overwritten ends the whole
process (SIGBUS) instead of raising. Here every page number, offset and length is checked against the file
before it is used, and pages are read, not mapped: somebody may cut the file short at that moment. Format: LMDB
0.9, data version 1, little-endian, 64-bit, the main database without duplicate keys, as Caffe writes it.
"""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAGIC, VERSION = 0xBEEFC0DE, 1
HEADER_BYTES = 16
BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8  # page flags
INTEGER_KEYS = 8  # database flag, of the list of free pages
BIG_DATA = 1  # node flag: the value lies on overflow pages
NO_PAGE = 2**64 - 1
_CUT_SHORT = "the file is cut short"
_META = struct.Struct("<IIQQ48s48sQQ")  # magic, version, address, map size, free and main database, last page, txn
_DATABASE = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, branch, leaf and overflow pages, entries, root


class BrokenPages(Exception):
    """The file is no LMDB, or a broken one; the message says what was expected and found."""


class Entry(NamedTuple):
    """One record: its key, and the bytes of the file that are its value."""

    key: bytes
    offset: int
    length: int


def empty(page_size: int, map_size: int) -> bytes:
    """A data.mdb without records, whose pages have `page_size` bytes (a power of two, 512 to 32768).

    LMDB itself starts every file with the operating system's page size, and keeps to the one that it finds.
    """
    free = _DATABASE.pack(page_size, INTEGER_KEYS, 0, 0, 0, 0, 0, NO_PAGE)
    main = _DATABASE.pack(0, 0, 0, 0, 0, 0, 0, NO_PAGE)
    meta = _META.pack(MAGIC, VERSION, 0, map_size, free, main, 1, 0)
    pages = (struct.pack("<QHHHH", number, 0, META, 0, 0) + meta for number in range(2))
    return b"".join(page.ljust(page_size, b"\0") for page in pages)


Read = Callable[[int, int], bytes]
"""(offset, length) -> bytes of the file, fewer where it ends."""


def entries(read: Read, size: int) -> list[Entry]:
    """All records of a file of so many bytes, in key order. BrokenPages if anything is amiss."""
    page_size, last_page, count, root = _newest_meta(read, size)
    if (last_page + 1) * page_size > size:
        raise BrokenPages(f"expected {(last_page + 1) * page_size} bytes by its header, found {size}: {_CUT_SHORT}")
    if root == NO_PAGE:
        return []
    found = list(_Tree(read, page_size, last_page).walk(root))
    if len(found) != count:
        raise BrokenPages(f"expected {count} records by its header, found {len(found)}")
    return found


def _newest_meta(read: Read, size: int) -> tuple[int, int, int, int]:
    """(page size, last page, number of records, root page) after the last complete transaction."""
    first = _meta(read, 0, size)
    page_size = first[0]
    if page_size < 512 or page_size > 1 << 16 or page_size & (page_size - 1):
        raise BrokenPages(f"expected a page size of 512 to 65536 bytes, found {page_size}")
    second = _meta(read, page_size, size)
    newest = max(first, second, key=lambda meta: meta[4])
    return page_size, *newest[1:4]


def _meta(read: Read, offset: int, size: int) -> tuple[int, int, int, int, int]:
    stored = read(offset + HEADER_BYTES, _META.size)
    if len(stored) < _META.size:
        raise BrokenPages(f"expected an LMDB's two header pages, found {size} bytes")
    magic, version, _, _, free, main, last_page, transaction = _META.unpack(stored)
    if (magic, version) != (MAGIC, VERSION):
        raise BrokenPages(f"expected an LMDB of data version 1, found {_other_kind(read(0, 24))}")
    page_size = _DATABASE.unpack(free)[0]
    _, flags, _, _, _, _, count, root = _DATABASE.unpack(main)
    if flags:
        raise BrokenPages(f"expected a database with plain, unique keys, found flags {flags:#x}")
    return page_size, last_page, count, root, transaction


def _other_kind(start: bytes) -> str:
    """What a file is, by its first bytes, whose header is not that of an LMDB of this version."""
    (magic, version), (swapped,) = struct.unpack_from("<II", start, 16), struct.unpack_from(">I", start, 16)
    (narrow,) = struct.unpack_from("<I", start, 12)
    if magic == MAGIC:
        made = f"data version {version}"
    elif MAGIC in (swapped, narrow):
        made = f"one of a {'big-endian' if swapped == MAGIC else '32-bit'} machine"
    else:
        return "another kind of file"
    return f"{made}: mdb_dump where it was made and mdb_load here bring it over"


class _Tree:
    """Walks branch and leaf pages of a file whose length covers all pages up to `last_page`."""

    def __init__(self, read: Read, page_size: int, last_page: int):
        self.read, self.page_size, self.last_page = read, page_size, last_page
        self.visited: set[int] = set()

    def walk(self, page: int) -> Iterator[Entry]:
        """The records below `page`, without recursion, so that a broken depth cannot exhaust the stack."""
        waiting = [page]
        while waiting:
            page = waiting.pop()
            if page in self.visited:
                raise BrokenPages(f"expected a tree of pages, found page {page} in it twice")
            self.visited.add(page)
            flags, content, nodes = self._nodes(page)
            if flags == BRANCH:
                waiting += reversed([_child(content, node) for node in nodes])
            else:
                yield from (self._entry(page, content, node) for node in nodes)

    def _start(self, page: int) -> int:
        if not 2 <= page <= self.last_page:  # 0 and 1 are the header pages
            raise BrokenPages(f"expected a page number of 2 to {self.last_page}, found {page}")
        return page * self.page_size

    def _content(self, start: int, length: int) -> bytes:
        content = self.read(start, length)
        if len(content) < length:
            raise BrokenPages(f"expected {start + length} bytes or more, found {start + len(content)}: {_CUT_SHORT}")
        return content

    def _nodes(self, page: int) -> tuple[int, bytes, tuple[int, ...]]:
        """The page's kind, its bytes, and where in them its nodes are, each with room for a node's header."""
        content = self._content(self._start(page), self.page_size)
        number, _, flags, lower, upper = struct.unpack_from("<QHHHH", content)
        if number != page or flags not in (BRANCH, LEAF) or not HEADER_BYTES <= lower <= upper <= self.page_size:
            raise BrokenPages(f"expected a branch or leaf as page {page}, found something else")
        nodes = struct.unpack_from(f"<{(lower - HEADER_BYTES) // 2}H", content, HEADER_BYTES)
        if any(not upper <= node <= self.page_size - 8 for node in nodes):
            raise BrokenPages(f"expected nodes inside page {page}, found one outside")
        return flags, content, nodes

    def _entry(self, page: int, content: bytes, node: int) -> Entry:
        low, high, flags, key_length = struct.unpack_from("<HHHH", content, node)
        length = low | high << 16
        key, value = node + 8, node + 8 + key_length
        stored = 8 if flags == BIG_DATA else length
        if flags not in (0, BIG_DATA) or value + stored > self.page_size:
            raise BrokenPages(f"expected a record inside page {page}, found one that runs over it")
        if flags == BIG_DATA:
            start = self._overflow(struct.unpack_from("<Q", content, value)[0], length)
        else:
            start = page * self.page_size + value
        return Entry(content[key:value], start, length)

    def _overflow(self, page: int, length: int) -> int:
        """Where a value of `length` bytes starts that has pages of its own."""
        start = self._start(page)
        number, _, flags, pages = struct.unpack("<QHHI", self._content(start, HEADER_BYTES))
        fits = HEADER_BYTES + length <= pages * self.page_size and page + pages - 1 <= self.last_page
        if number != page or flags != OVERFLOW or not fits:
            raise BrokenPages(f"expected {length} bytes of a record from page {page} on, found something else")
        return start + HEADER_BYTES


def _child(content: bytes, node: int) -> int:
    low, high, top = struct.unpack_from("<HHH", content, node)
    child: int = low | high << 16 | top << 32
    return child
