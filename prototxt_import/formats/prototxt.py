"""Reads `.prototxt` files, nets and solvers, in every dialect that the field's models come in.

Protobuf's text format does the parsing. On top of it: comments of any encoding, the spellings of the later
multi-person fork, V0 and V1 `layers`, legacy `input_dim`, and error messages that name file, line, column and layer.
"""

import os
import re
from collections.abc import Mapping, Sequence

from google.protobuf import text_format
from google.protobuf.message import Message

from prototxt_import.files import InputError, other_kind, read_bytes

from . import schema
from .forks import origin
from .own_fields import complaint, put_back, set_apart
from .upgrade import upgrade_net

# The multi-person fork (2017) renamed the message that the 2016 fork calls transform_param.
_LATER_FORK = re.compile(r"\bcpm_transform_param\b")
_LINE_COLUMN = re.compile(r"^(\d+):(\d+) : ")
_TOKEN = re.compile(r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<comment>\#[^\n]*)|[{}<>]""")
_MINUS_APART = re.compile(r"""(?P<kept>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*)|-\s+(?=[\d.])""")
_WORD = re.compile(
    r"""(?P<kept>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*|[A-Za-z_]\w*)"""
    r"""|(?P<number>[-+]?\.?\d[\w.]*(?:(?<=[eE])[-+]\w*)?)"""
)
_PYTHONS_OWN_NUMBER = re.compile(r"\+|.*_|-?0[bBoO]|.*[^\x00-\x7f]")
_QUOTED_VALUE = re.compile(r"""Enum type "caffe\.(?P<enum>[\w.]+)" has no value named (?P<found>["'].*["'])""")
_NAME_OR_TYPE = re.compile(r"""\b(name|type)\s*:\s*(["']?)([^"'\s]*)\2""")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # how `surrogateescape` decodes such bytes


def parse_net(text: str, where: str, input_shapes: Mapping[str, Sequence[int]] | None = None) -> schema.NetParameter:
    """A NetParameter from prototxt text, upgraded to V2 `layer`s and `input_shape`; `where` names it in errors.

    input_shapes: of its `input`s: where they are given for all, what the text says of them does not count.
    """
    net = schema.NetParameter()
    _parse(text, net, where)
    if input_shapes and all(name in input_shapes for name in net.input):
        del net.input_dim[:], net.input_shape[:]
        net.input_shape.extend(schema.BlobShape(dim=input_shapes[name]) for name in net.input)
    return checked_net(net, where)


def checked_net(net: schema.NetParameter, where: str) -> schema.NetParameter:
    """The parsed net itself, upgraded; InputError if it has no layer."""
    if not net.layer and not net.layers:
        raise InputError(f"{where}: expected a net, found no layer in it")
    return upgrade_net(net, where)


def relative_path(path: str | os.PathLike[str], folder: str | os.PathLike[str], where: str) -> str:
    """How a prototxt in `folder` names that path; InputError, naming `where`, for bytes that are no text."""
    relative = os.path.relpath(path, folder)
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise InputError(f"{where}: expected a path in UTF-8, all that a prototxt can hold, found {relative}") from None
    return relative


def read_net(path: str | os.PathLike[str]) -> schema.NetParameter:
    """A net's `.prototxt`, upgraded to V2 (Caffe: ReadNetParamsFromTextFileOrDie)."""
    return parse_net(read_text(path), str(path))


def read_solver(path: str | os.PathLike[str]) -> schema.SolverParameter:
    """A solver's `.prototxt`; the deprecated enum `solver_type` becomes the string `type`, which may not stand beside
    it."""
    solver = schema.SolverParameter()
    _parse(read_text(path), solver, str(path))
    if solver.HasField("solver_type"):
        if solver.HasField("type"):
            raise InputError(f"{path}: expected either type or the old solver_type, found both")
        names = {"NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta"}
        name = schema.SolverParameter.SolverType.Name(solver.solver_type)
        solver.type = {"ADAM": "Adam", "SGD": "SGD", **names}[name]
        solver.ClearField("solver_type")
    return solver


def format_prototxt(message: Message) -> str:
    """The message as prototxt text; floats in their shortest form that reads back to the same float32."""
    return text_format.MessageToString(message, use_short_repeated_primitives=False)


def read_text(path: str | os.PathLike[str]) -> str:
    """The file's text without its byte order mark. Comments may hold any byte, as protobuf skips them unread;
    InputError if the file is missing or is not UTF-8 elsewhere."""
    content = read_bytes(path)
    if found := content and other_kind(content):
        raise InputError(f"{path}: expected prototxt text, found {found}")
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    text = _TOKEN.sub(lambda token: _NOT_UTF8.sub("?", token[0]) if token["comment"] else token[0], text)
    if wrong := _NOT_UTF8.search(text):
        line, column = text.count("\n", 0, wrong.start()) + 1, wrong.start() - text.rfind("\n", 0, wrong.start())
        found = "a binary file" if b"\0" in content else "a byte that is not UTF-8"
        raise InputError(f"{path}:{line}:{column}: expected prototxt text, found {found}")
    return text


def _parse(text: str, message: Message, where: str) -> None:
    try:
        _refuse_pythons_numbers(text)
        _parse_with_own_fields(_LATER_FORK.sub("transform_param", text), message)
    except (text_format.ParseError, RecursionError, ValueError) as error:
        reason = str(error) or "nested too deeply"
        if place := _LINE_COLUMN.match(reason):
            line, column = int(place[1]), int(place[2])
            where = f"{where}:{line}:{column}{_layer_at(text, line, column)}"
            reason = _unknown(reason) or _without_line(reason[place.end() :], text, line)
        raise InputError(f"{where}: {reason.strip()}") from None


def _refuse_pythons_numbers(text: str) -> None:
    """ParseError for a number that text_format in Python reads (1_0, 0o7, +5, ٣) and Caffe's own parser refuses."""
    for word in _WORD.finditer(text):
        if word["number"] and _PYTHONS_OWN_NUMBER.match(word["number"]):
            line, column = text.count("\n", 0, word.start()) + 1, word.start() - text.rfind("\n", 0, word.start())
            raise text_format.ParseError(f"expected a number, found {word['number']}", line, column)


def _parse_with_own_fields(text: str, message: Message) -> None:
    """As text_format does, but that layers keep what no message has a place for (see own_fields); and that a minus may
    stand apart from its number, as in Caffe's parser."""
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        if str(error).endswith((": Couldn't parse float: -", ": Couldn't parse integer: -")):
            message.Clear()
            joined = _MINUS_APART.sub(lambda found: found["kept"] or "-", text)
            if joined != text:
                return _parse_with_own_fields(joined, message)
        changed, apart = set_apart(text) if complaint(str(error)) else (text, {})
        if not apart:
            raise
        message.Clear()
        text_format.Parse(changed, message)
        put_back(message, apart)


def _without_line(reason: str, text: str, line: int) -> str:
    """A parser's reason without the line that it quotes, which may be the whole file."""
    return reason.removeprefix(f"'{text.split(chr(10))[line - 1]}': ")


def _unknown(reason: str) -> str:
    """The sentence for a field or value that there is none of; empty if that is not the reason."""
    if quoted := _QUOTED_VALUE.search(reason):
        return f"expected a value of {quoted['enum']}, which has no quotes, found {quoted['found']}"
    if (found := complaint(reason)) is None:
        return ""
    kind = "value" if found.is_value else "field"
    return f"{found.owner} has no {kind} named '{found.name}'{origin(found.owner, found.name)}"


def _layer_at(text: str, line: int, column: int) -> str:
    """ ": layer '…' (its type)" for the top-level block around a place, counted from 1; "" where none is named."""
    offset = sum(map(len, text.splitlines(keepends=True)[: line - 1])) + column - 1
    depth, start, own = 0, 0, []
    for token in _TOKEN.finditer(text):
        if token[0] not in ("{", "<", "}", ">"):
            continue
        if depth == 0 and token.start() >= offset:
            return ""  # it stands between blocks
        if depth == 1:
            own.append(text[start : token.start()])
        depth = max(depth + (1 if token[0] in "{<" else -1), 0)
        start = token.end()
        if depth == 0:
            if token.start() >= offset:
                break
            own = []
    found = {kind: value for kind, _, value in _NAME_OR_TYPE.findall(" ".join(own))}
    if not found:
        return ""
    return f": layer '{found.get('name', '')}'" + (f" ({found['type']})" if "type" in found else "")
