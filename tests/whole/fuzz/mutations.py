"""Ways to break a file: of any bytes, of text, of protobuf messages field by field, and of JSON value by value.

Each takes the content and a generator, and returns the broken content; the same generator breaks it in the same way.
"""

import copy
import json
import re
import struct
from collections.abc import Callable, Iterator

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from prototxt_import.formats.messages import is_repeated

Random = np.random.Generator
Mutation = Callable[[bytes, Random], bytes]
INTEGERS = (0, 1, 2, 3, 5, 7, 64, 255, 256, 65535, 65536, 10**9, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
INTEGERS += (-1, -2, -3, -(2**31), -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e-30, 0.5, 1e9, 1e30, -1e30, 3.4e38, 1e308, float("nan"), float("inf"))
TEXTS = ("", " ", "x", "\n", "\0", "\x1b[31m", "é", "\ud7ff", "..", "/", "data", "label", "a" * 3000)
_TOKEN = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\"[^\"\n]*\"|\w+|[^\s\w]")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


def pick(random: Random, choices):
    """One of a sequence, as it is (NumPy's own choice would convert it)."""
    return choices[int(random.integers(len(choices)))]


def broken_bytes(content: bytes, random: Random) -> bytes:
    """One to four times: bits flipped, a chunk cut out, repeated, moved or filled, the end cut off, an extreme number
    or noise written somewhere."""
    broken = bytearray(content)
    for _ in range(random.integers(1, 5)):
        start = int(random.integers(len(broken) + 1)) if random.random() < 0.6 else int(random.integers(256))
        length = int(random.integers(1, pick(random, (3, 9, 65, 4097))))
        _break_chunk(broken, start, length, random)
    return bytes(broken)


def _break_chunk(broken: bytearray, start: int, length: int, random: Random) -> None:
    end = start + length
    how = random.integers(9)
    if how == 0 and start < len(broken):
        broken[start] ^= 1 << int(random.integers(8))
    elif how == 1:
        del broken[start:]
    elif how == 2:
        del broken[start:end]
    elif how == 3:
        broken[end:end] = broken[start:end]
    elif how == 4:
        other = int(random.integers(len(broken) + 1))
        broken[start:end] = broken[other : other + length]
    elif how == 5:
        broken[start:end] = bytes([pick(random, (0, 255, 127, 128, 1))]) * len(broken[start:end])
    elif how == 6:
        broken[start:start] = random.bytes(length)
    else:
        start -= start % pick(random, (1, 2, 4, 8))
        number = extreme_bytes(random)
        broken[start : start + len(number)] = number


def extreme_bytes(random: Random) -> bytes:
    """An extreme number in 1, 2, 4 or 8 bytes, little or big-endian, or as a float."""
    if random.random() < 0.3:
        with np.errstate(over="ignore"):
            return np.array(pick(random, FLOATS), pick(random, ("<f4", "<f8"))).tobytes()
    number = struct.pack("<Q", pick(random, INTEGERS) & 2**64 - 1)[: pick(random, (1, 2, 4, 8))]
    return number if random.random() < 0.8 else number[::-1]


def broken_text(content: bytes, random: Random) -> bytes:
    """One to three times: numbers replaced by extremes, tokens and lines cut out, repeated or swapped, brackets piled
    up; now and then as bytes."""
    if random.random() < 0.1:
        return broken_bytes(content, random)
    text = content.decode("utf-8", "replace")
    for _ in range(random.integers(1, 4)):
        text = _broken_once(text, random)
    return text.encode("utf-8", "surrogatepass")


def _broken_once(text: str, random: Random) -> str:
    how = random.integers(8)
    if how <= 2 and (numbers := list(_NUMBER.finditer(text))):
        place = pick(random, numbers)
        return text[: place.start()] + str(pick(random, INTEGERS + FLOATS)) + text[place.end() :]
    if how == 3 and (tokens := list(_TOKEN.finditer(text))):
        one, other = sorted((pick(random, tokens), pick(random, tokens)), key=lambda token: token.start())
        if one.end() <= other.start():
            middle = text[one.end() : other.start()]
            return text[: one.start()] + other[0] + middle + one[0] + text[other.end() :]
    if how == 4 and (tokens := list(_TOKEN.finditer(text))):
        token = pick(random, tokens)
        new = pick(random, ("", token[0] * 2, pick(random, tokens)[0], pick(random, TEXTS)))
        return text[: token.start()] + new + text[token.end() :]
    if how == 5:
        place = int(random.integers(len(text) + 1))
        return text[:place] + pick(random, "{[(}])<>:,") * pick(random, (1, 2, 5000)) + text[place:]
    lines = text.splitlines(keepends=True) or [""]
    at, to = int(random.integers(len(lines))), int(random.integers(len(lines)))
    if how == 6:
        lines[at:at] = [lines[to]] * pick(random, (1, 2, 300))
    else:
        lines[at], lines[to] = lines[to], lines[at]
    return "".join(lines)


def broken_message(message: Message, random: Random) -> Message:
    """A copy with one to three fields changed, dropped, added, repeated or swapped, at any depth."""
    broken = type(message)()
    broken.CopyFrom(message)
    for _ in range(random.integers(1, 4)):
        inside = list(_messages(broken))
        _break_field(pick(random, inside), random, inside)
    return broken


def _messages(message: Message) -> Iterator[Message]:
    yield message
    for field, value in message.ListFields():
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for inner in value if is_repeated(field) else [value]:
                yield from _messages(inner)


def _break_field(message: Message, random: Random, others: list[Message]) -> None:
    present = [field for field, _ in message.ListFields()]
    if not present or random.random() < 0.15:  # any field there is, set or not
        present = list(message.DESCRIPTOR.fields)
    if not present:
        return
    field = pick(random, present)
    if is_repeated(field):
        _break_repeated(getattr(message, field.name), field, random)
    elif random.random() < 0.2:
        message.ClearField(field.name)
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        alike = [other for other in others if other.DESCRIPTOR is field.message_type]
        getattr(message, field.name).SetInParent()
        if alike:
            getattr(message, field.name).MergeFrom(copy.deepcopy(pick(random, alike)))
    else:
        setattr(message, field.name, _scalar(field, random))


def _break_repeated(values, field: FieldDescriptor, random: Random) -> None:
    how = random.integers(5)
    if how == 0 and values:
        del values[int(random.integers(len(values)))]
    elif how == 1 and values:
        one, other = (int(random.integers(len(values))) for _ in range(2))
        kept = copy.deepcopy(values[one])
        if field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            values[one].CopyFrom(values[other])
            values[other].CopyFrom(kept)
        else:
            values[one], values[other] = values[other], kept
    elif how == 2 and values:
        values.extend([copy.deepcopy(pick(random, values))] * pick(random, (1, 2, 100)))
    elif field.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
        values.add()
    elif values and how == 3:
        values[int(random.integers(len(values)))] = _scalar(field, random)
    else:
        values.append(_scalar(field, random))


def _scalar(field: FieldDescriptor, random: Random):
    """A value that the field's type can hold."""
    kind = field.cpp_type
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return pick(random, FLOATS)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(random.integers(2))
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return pick(random, [value.number for value in field.enum_type.values])
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = pick(random, TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
    signed = kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return pick(random, [number for number in INTEGERS if low <= number <= high])


def broken_json(content: bytes, random: Random) -> bytes:
    """One to three values replaced, dropped, repeated, swapped or buried; now and then as text."""
    if random.random() < 0.25:
        return broken_text(content, random)
    document = [json.loads(content)]
    for _ in range(random.integers(1, 4)):
        _break_value(document, random)
    return json.dumps(document[0]).encode()


def _break_value(document: list, random: Random) -> None:
    containers = list(_containers(document))
    container = pick(random, containers)
    keys = list(container) if isinstance(container, dict) else range(len(container))
    if not keys:
        return
    key = pick(random, keys)
    how = random.integers(6)
    if how == 0 and container is not document:
        del container[key]
    elif how == 1 and isinstance(container, list) and container is not document:
        container.extend([copy.deepcopy(container[key])] * pick(random, (1, 2, 300)))
    elif how == 2:
        other = pick(random, keys)
        container[key], container[other] = container[other], container[key]
    elif how == 3 and isinstance(container, dict):
        container[pick(random, TEXTS)] = container.pop(key)
    elif how == 4:
        for _ in range(pick(random, (1, 2, 300))):
            container[key] = [container[key]]
    else:
        container[key] = pick(random, (*INTEGERS, *FLOATS, *TEXTS, None, True, False, [], {}, 10**400))


def _containers(value) -> Iterator[list | dict]:
    if isinstance(value, list | dict):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)
