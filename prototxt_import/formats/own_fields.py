"""What layers say that no message here has a place for, kept as text: fields of their own, such as
`my_param { gain: 2 }`, fields of forks inside messages that Caffe knows, and names that an enum lacks.

Whoever makes a layer refuses them unless its class is one that takes them (see layers/own.py). So layers of another
phase may have any, and data layers in whose place an input stands.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, cast

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from prototxt_import.files import InputError

from . import schema

_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*)|(?P<mark>[{}<>\[\]:,;])"""
    r"""|(?P<word>[^\s{}<>\[\]:,;"'\#]+)"""
)
_COMPLAINT = re.compile(
    r'Message type "caffe\.(?P<message>[\w.]+)" has no field named "(?P<field>\w+)"'
    r'|Enum type "caffe\.(?P<enum>[\w.]+)" has no value named "?(?P<value>\w+)'
)
_SEPARATOR = re.compile(r"\s*[,;]")
_OPEN, _CLOSE = "{<[", "}>]"
_DEEPEST = 50
_LAYERS: dict[str, type[Message]] = {"layer": schema.LayerParameter, "layers": schema.V1LayerParameter}
_TYPED = {("type",), ("layer", "type"), ("own_param",)}  # V2 and V1, V0, and a type that was set apart
Tokens = list[re.Match[str]]
Apart = dict[int, list[schema.OwnField]]
"""By layer, which a placeholder in the text names by the place of its name among the tokens, its own fields."""


class Complaint(NamedTuple):
    """A message has no such field, or an enum no such value: whose it is, and its name."""

    owner: str
    name: str
    is_value: bool


def complaint(reason: str) -> Complaint | None:
    """What a parser's error says, if it is that."""
    found = _COMPLAINT.search(reason)
    if found is None:
        return None
    if found["message"]:
        return Complaint(found["message"], found["field"], is_value=False)
    return Complaint(found["enum"], found["value"], is_value=True)


class _Field(NamedTuple):
    """A field in the block of a layer, at any depth: its path from there; where its name and the block's stand among
    the tokens."""

    path: tuple[str, ...]
    token: int
    layer: int


def set_apart(text: str) -> tuple[str, Apart]:
    """The prototxt without what layers with a type say that no message has a place for, and that, for `put_back`; lines
    stay where they are."""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "comment"]
    fields = list(_fields(tokens))
    typed = {field.layer for field in fields if field.path in _TYPED}
    line_ends = [place for place, letter in enumerate(text) if letter == "\n"]
    apart: dict[int, list[schema.OwnField]] = {}
    changes = []  # (from, to, what stands there then)
    for field in fields:
        start, name_end = tokens[field.token].span()
        owner = _lacking(tokens, field) if field.layer in typed else None
        if owner is None:
            continue
        end = _end_of_field(tokens, field.token)
        value = text[name_end:end].strip().removeprefix(":").strip()
        line = bisect_left(line_ends, start) + 1
        if field.layer not in apart:
            last = _end_of_field(tokens, field.layer) - 1
            changes.append((last, last, f" own_param {{ line: {field.layer} }} "))
        own = schema.OwnField(name=".".join(field.path), line=line, message=owner, text=value)
        apart.setdefault(field.layer, []).append(own)
        separator = _SEPARATOR.match(text, end)
        end = separator.end() if separator else end
        changes.append((start, end, re.sub(r"[^\n]", " ", text[start:end])))
    return _changed(text, changes), apart


def put_back(message: Message, apart: Apart) -> None:
    """What was set apart becomes `own_param`s of the layers, of a net or of a solver's nets."""
    for layer in _layers(message):
        fields = list(layer.own_param)
        del layer.own_param[:]
        for field in fields:
            layer.own_param.extend([field] if field.HasField("name") else apart.pop(field.line, []))


def _layers(message: Message) -> Iterator[schema.LayerParameter | schema.V1LayerParameter]:
    """All, in a net or in a solver's nets."""
    if isinstance(message, schema.SolverParameter):
        for net in (message.net_param, message.train_net_param, *message.test_net_param):
            yield from _layers(net)
    elif isinstance(message, schema.NetParameter):
        yield from message.layer
        yield from message.layers


def _lacking(tokens: Tokens, field: _Field) -> str | None:
    """The message that has no such field, or the enum that has no such value; None if there is a place for it, or for
    nothing around it."""
    message = _message_at(tokens[field.layer]["word"], field.path[:-1])
    if message is None:
        return None
    known = message.fields_by_name.get(field.path[-1])
    if known is None:
        return message.full_name.removeprefix("caffe.")
    values, value = known.enum_type, tokens[min(field.token + 2, len(tokens) - 1)]["word"]
    if values is None or value is None or not value[0].isalpha() or value in values.values_by_name:
        return None
    return values.full_name.removeprefix("caffe.")


@lru_cache(maxsize=4096)
def _message_at(block: str, path: tuple[str, ...]) -> Descriptor | None:
    """The message of the block that `path` leads to from a layer's."""
    if not path:
        return cast(Descriptor, _LAYERS[block].DESCRIPTOR)
    around = _message_at(block, path[:-1])
    field = None if around is None else around.fields_by_name.get(path[-1])
    return None if field is None else field.message_type


def _fields(tokens: Tokens) -> Iterator[_Field]:
    """Those of layers' blocks, in their order."""
    around: list[tuple[str, int]] = []  # the open blocks: name, and its token
    name, place = "", 0
    for index, (token, after) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        mark = token["mark"] or " "
        if token["word"] and after and after["mark"] in (":", "{", "<"):
            name, place = token["word"], index
            layer = next((depth for depth, (block, _) in enumerate(around[:_DEEPEST]) if block in _LAYERS), None)
            if layer is not None and len(around) <= _DEEPEST:
                yield _Field((*(block for block, _ in around[layer + 1 :]), name), index, around[layer][1])
        elif mark in _OPEN:
            around.append((name, place))
        elif mark in _CLOSE and around:
            name, place = around.pop()


def _changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    parts, done = [], 0
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def _end_of_field(tokens: Tokens, index: int) -> int:
    """Where the value ends of the field whose name is token `index`."""
    place = index + 1
    while place < len(tokens) and tokens[place]["mark"] == ":":
        place += 1
    depth, end = 0, tokens[index].end()
    for after in range(place, len(tokens)):
        token = tokens[after]
        if token["mark"] and token["mark"] in _CLOSE and depth == 0:
            return end
        end = token.end()
        depth += (token["mark"] or " ") in _OPEN
        depth -= (token["mark"] or " ") in _CLOSE
        if depth == 0:
            return end
    return end


def values(text: str, where: str) -> Any:
    """What an own field says: a number, a bool, a string (an enum's name too), or a dict of them by name; a list where
    a name comes more than once."""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "comment"]
    try:
        value, end = _value(tokens, 0, 0)
    except (IndexError, ValueError):
        end = -1
    if end != len(tokens):
        raise InputError(f"{where}: expected the value of a field as prototxts have them, found {text[:60]!r}")
    return value


def _value(tokens: Tokens, place: int, depth: int) -> tuple[Any, int]:
    """The value that begins at a token, and the place behind it."""
    token = tokens[place]
    if depth > _DEEPEST:
        raise ValueError
    if token["mark"] in ("{", "<"):
        return _message(tokens, place + 1, depth + 1)
    if token["mark"] == "[":
        return _list(tokens, place + 1, depth + 1)
    if token["string"]:
        return token["string"][1:-1].encode("latin-1", "backslashreplace").decode("unicode_escape"), place + 1
    if token["word"]:
        return _scalar(token["word"]), place + 1
    raise ValueError


def _message(tokens: Tokens, place: int, depth: int) -> tuple[dict[str, Any], int]:
    fields: dict[str, Any] = {}
    lists = set()
    while tokens[place]["mark"] not in ("}", ">"):
        name = tokens[place]["word"]
        if not name:
            raise ValueError
        place += 1 + (tokens[place + 1]["mark"] == ":")
        value, place = _value(tokens, place, depth)
        place += tokens[place]["mark"] in (",", ";")
        if name in fields and name not in lists:
            fields[name] = [fields[name]]
            lists.add(name)
        fields.update({name: [*fields[name], value]} if name in lists else {name: value})
    return fields, place + 1


def _list(tokens: Tokens, place: int, depth: int) -> tuple[list[Any], int]:
    found = []
    while tokens[place]["mark"] != "]":
        value, place = _value(tokens, place, depth)
        place += tokens[place]["mark"] == ","
        found.append(value)
    return found, place + 1


def _scalar(word: str) -> Any:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    for kind in (lambda text: int(text, 0), lambda text: float(text.rstrip("fF"))):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
