"""Writes small LevelDBs for tests, by the format's description: tables, logs, manifests, Snappy with literals and
copies."""

import struct
from pathlib import Path

from data_lmdb.records.leveldb_files import MAGIC

Write = tuple[bytes, bytes | None]
"""A key, and its value; None deletes it."""


def number(value: int) -> bytes:
    """A varint."""
    low = bytes([value & 127 | (128 if value > 127 else 0)])
    return low + number(value >> 7) if value > 127 else low


def text(value: bytes) -> bytes:
    return number(len(value)) + value


def squeezed(data: bytes) -> bytes:
    """Snappy: runs of one byte as a literal and copies, all else as literals."""
    out, place = number(len(data)), 0
    while place < len(data):
        run = len(data[place:]) - len(data[place:].lstrip(data[place : place + 1]))
        literal = data[place : place + (1 if run > 8 else min(70, len(data) - place))]
        size = len(literal) - 1
        out += (bytes([size << 2]) if size < 60 else bytes([60 << 2, size])) + literal
        place += len(literal)
        if run > 8:
            for start in range(0, run - 1, 64):
                out += bytes([(min(64, run - 1 - start) - 1) << 2 | 2]) + (1).to_bytes(2, "little")
            place += run - 1
    return out


def log_file(records: list[bytes]) -> bytes:
    """Records in parts where they do not fit into a block."""
    out = b""
    for record in records:
        begun = False
        while True:
            left = 32768 - len(out) % 32768
            if left < 7:
                out += bytes(left)
                continue
            part, record = record[: left - 7], record[left - 7 :]
            kind = (3 if record else 4) if begun else (2 if record else 1)
            out += struct.pack("<IHB", 0, len(part), kind) + part
            begun = True
            if not record:
                break
    return out


def batch(sequence: int, writes: list[Write]) -> bytes:
    entries = [text(key) if value is None else text(key) + text(value) for key, value in writes]
    kinds = [bytes([value is not None]) for _, value in writes]
    pairs = zip(kinds, entries, strict=True)
    return struct.pack("<QI", sequence, len(writes)) + b"".join(kind + entry for kind, entry in pairs)


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Entries whose keys share what they can with the one before."""
    out, before = b"", b""
    for key, value in entries:
        shared = next(
            (k for k, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        out += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def table(sequence: int, writes: list[Write], per_block: int = 2, snappy: bool = True) -> bytes:
    entries = [(key + struct.pack("<Q", sequence << 8 | (value is not None)), value or b"") for key, value in writes]
    out, index = b"", []
    for start in range(0, len(entries), per_block):
        part = entries[start : start + per_block]
        packed = squeezed(block(part)) if snappy else block(part)
        index.append((part[-1][0], number(len(out)) + number(len(packed))))
        out += packed + bytes([snappy]) + bytes(4)
    handles = b""
    for packed in (block([]), block(index)):
        handles += number(len(out)) + number(len(packed))
        out += packed + bytes(5)
    return out + handles.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def write_leveldb(
    folder: Path, tables: dict[int, bytes], logs: dict[int, bytes], deleted: tuple[int, ...] = ()
) -> Path:
    """A folder of these files, by number; `deleted` tables are in the manifest, and then not."""
    folder.mkdir()
    edit = b"\x01" + text(b"leveldb.BytewiseComparator") + b"\x02" + number(min(logs, default=99)) + b"\x04" + number(9)
    for name in (*tables, *deleted):
        edit += b"\x07" + number(0) + number(name) + number(1) + text(b"a" * 8) + text(b"z" * 8)
    gone = b"".join(b"\x06" + number(0) + number(name) for name in deleted)
    (folder / "CURRENT").write_text("MANIFEST-000004\n")
    (folder / "MANIFEST-000004").write_bytes(log_file([edit, *([gone] if gone else [])]))
    for name, content in tables.items():
        (folder / f"{name:06d}.ldb").write_bytes(content)
    for name, content in logs.items():
        (folder / f"{name:06d}.log").write_bytes(content)
    return folder
