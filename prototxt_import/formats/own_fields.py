"""Fields of layers that no message here has, such as `my_param { gain: 2 }`, kept as text for layers of one's own.

Whoever makes a layer refuses them unless its class is one that takes them (see layers/layer.py).
"""

import re
from typing import Any

from prototxt_import.files import InputError

_TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*)|(?P<mark>[{}<>\[\]:,;])"""
    r"""|(?P<word>[^\s{}<>\[\]:,;"'\#]+)"""
)
_UNKNOWN = re.compile(r'Message type "caffe\.LayerParameter" has no field named "(\w+)"')
_OPEN, _CLOSE = "{<[", "}>]"
_DEEPEST = 50
Tokens = list[re.Match[str]]


def unknown_field(reason: str) -> str | None:
    """The field of a layer that a parser's complaint is about, if it is that the message has none of that name."""
    found = _UNKNOWN.search(reason)
    return found[1] if found else None


def set_apart(text: str, name: str) -> str:
    """The prototxt with each such field of a top-level block that has a type as an `own_param`; lines stay where they
    are."""
    tokens = [token for token in _TOKEN.finditer(text) if token.lastgroup != "comment"]
    typed = _typed_blocks(tokens)
    parts, done, depth, block = [], 0, 0, 0
    for index, token in enumerate(tokens):
        if token.start() < done:
            continue
        block += depth == 0
        if depth == 1 and block in typed and token["word"] == name:
            end = _end_of_field(tokens, index)
            field = text[token.end() : end]
            line = text.count("\n", 0, token.start()) + 1
            quoted = field.strip().removeprefix(":").strip().encode("unicode_escape").decode().replace('"', '\\"')
            parts += [text[done : token.start()], f'own_param {{ name: "{name}" line: {line} text: "{quoted}" }}']
            parts.append("\n" * field.count("\n"))
            done = end
        elif token["mark"] and token["mark"] in _OPEN:
            depth += 1
        elif token["mark"] and token["mark"] in _CLOSE:
            depth = max(depth - 1, 0)
    return "".join([*parts, text[done:]])


def _typed_blocks(tokens: Tokens) -> set[int]:
    """The top-level blocks with a `type`, each by the number of tokens outside of blocks up to its opening brace."""
    typed, depth, block = set(), 0, 0
    for token in tokens:
        block += depth == 0
        if depth == 1 and token["word"] == "type":
            typed.add(block)
        depth += (token["mark"] or " ") in _OPEN
        depth = max(depth - ((token["mark"] or " ") in _CLOSE), 0)
    return typed


def _end_of_field(tokens: Tokens, index: int) -> int:
    """Where the value ends of the field whose name is token `index`."""
    place = index + 1
    while place < len(tokens) and tokens[place]["mark"] == ":":
        place += 1
    depth, end = 0, tokens[index].end()
    for token in tokens[place:]:
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
