"""Caffe's protobuf messages as Python classes, built without a compiler from `caffe.proto` beside this file and from
`forks.proto`, whose fields join those of the messages of the same name.

`schema.NetParameter`, `schema.Datum`, … are ordinary protobuf classes. They live in a descriptor pool of their own,
so that a `caffe_pb2` imported into the same process does not clash with them. `data_lmdb` imports this file too.
"""

import re
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FIELD = re.compile(
    r"(?P<label>optional|repeated) (?P<type>\w+) (?P<name>\w+) = (?P<number>\d+)"
    r"(?: \[(?P<option>default|packed) = (?P<value>[^\]]+)\])?;"
)
_Field = descriptor_pb2.FieldDescriptorProto


def _set_field(field: descriptor_pb2.FieldDescriptorProto, match: re.Match, enums: set[str]) -> None:
    """Fill one field descriptor from one line of caffe.proto; named types are resolved by the pool."""
    field.name, field.number = match["name"], int(match["number"])
    field.label = getattr(_Field, f"LABEL_{match['label'].upper()}")
    scalar = getattr(_Field, f"TYPE_{match['type'].upper()}", None)
    if scalar is None:
        field.type = _Field.TYPE_ENUM if match["type"] in enums else _Field.TYPE_MESSAGE
        field.type_name = match["type"]
    else:
        field.type = scalar
    if match["option"] == "packed":
        field.options.packed = match["value"] == "true"
    elif match["option"] == "default":
        field.default_value = match["value"].strip('"')


def _named(entries: Any, name: str) -> Any:
    """The message or enum of that name, a new one if there is none yet."""
    return next((entry for entry in entries if entry.name == name), None) or entries.add(name=name)


def _parse(text: str) -> descriptor_pb2.FileDescriptorProto:
    """Read the subset of the .proto language that the two files use: one statement a line, nested enums."""
    file = descriptor_pb2.FileDescriptorProto(name="cpm_repro/caffe.proto", package="caffe", syntax="proto2")
    enums = set(re.findall(r"enum (\w+)", text))
    scopes: list[Any] = [file]
    for line in text.splitlines():
        line = line.split("//")[0].strip()
        if line.startswith("message "):
            scopes.append(_named(file.message_type, line.split()[1]))
        elif line.startswith("enum "):
            scopes.append(_named(scopes[-1].enum_type, line.split()[1]))
        elif line == "}":
            scopes.pop()
        elif field := _FIELD.fullmatch(line):
            _set_field(scopes[-1].field.add(), field, enums)
        elif value := re.fullmatch(r"(\w+) = (\d+);", line):
            scopes[-1].value.add(name=value[1], number=int(value[2]))
    return file


def _message_classes() -> dict[str, type]:
    pool = descriptor_pool.DescriptorPool()
    file = _parse("".join(Path(__file__).with_name(name).read_text() for name in ("caffe.proto", "forks.proto")))
    pool.AddSerializedFile(file.SerializeToString())
    names = [message.name for message in file.message_type]
    if hasattr(message_factory, "GetMessageClass"):
        make_class = message_factory.GetMessageClass
    else:  # protobuf 4.21
        make_class = message_factory.MessageFactory(pool).GetPrototype
    return {name: make_class(pool.FindMessageTypeByName(f"caffe.{name}")) for name in names}


globals().update(_message_classes())

TRAIN, TEST = 0, 1  # enum Phase
