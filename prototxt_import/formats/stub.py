"""Writes `schema.pyi`: what a type checker is told of the message classes that schema.py builds when it is imported.

    python -m prototxt_import.formats.stub

A test compares the file with what this writes.
"""

import keyword
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message

from . import schema

PATH = Path(__file__).with_name("schema.pyi")
_HEAD = '''"""The message classes of schema.py, written by stub.py from caffe.proto and forks.proto."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer, RepeatedScalarFieldContainer
from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper
from google.protobuf.message import Message

TRAIN: int
TEST: int
'''
_SCALARS = {
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_DOUBLE: "float",
    FieldDescriptorProto.TYPE_FLOAT: "float",
    FieldDescriptorProto.TYPE_STRING: "str",
}


def stub() -> str:
    """The text of `schema.pyi`."""
    messages = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, Message)]
    classes = {value.__name__: value for value in messages if value.DESCRIPTOR.file.package == "caffe"}
    return _HEAD + "".join(f"\n{text}\n" for name in sorted(classes) for text in [_message(classes[name])])


def _message(message_class: type[Message]) -> str:
    message = DescriptorProto()
    message_class.DESCRIPTOR.CopyToProto(message)
    for field in [field for field in message.field if keyword.iskeyword(field.name)]:  # SeLuParameter's lambda
        message.field.remove(field)
    lines = [f"class {message.name}(Message):"]
    for enum in message.enum_type:
        lines += _enum(enum)
    lines += [f"    {line}" for field in message.field for line in _field(field)]
    lines += _constructor(message)
    lines += [
        "    @classmethod",
        f"    def FromString(cls, s: bytes, /) -> {message.name}: ...",
    ]
    return "\n".join(lines)


def _enum(enum: EnumDescriptorProto) -> Iterator[str]:
    yield f"    {enum.name}: ClassVar[_EnumTypeWrapper[Any]]"
    yield from (f"    {value.name}: ClassVar[int]" for value in enum.value)


def _field(field: FieldDescriptorProto) -> Iterator[str]:
    kind = _type(field)
    is_message = field.type == FieldDescriptorProto.TYPE_MESSAGE
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        container = "Composite" if is_message else "Scalar"
        yield "@property"
        yield f"def {field.name}(self) -> Repeated{container}FieldContainer[{kind}]: ..."
    elif is_message:
        yield "@property"
        yield f"def {field.name}(self) -> {kind}: ..."
    else:
        yield f"{field.name}: {kind}"


def _constructor(message: DescriptorProto) -> Iterator[str]:
    yield "    def __init__("
    yield "        self,"
    if message.field:
        yield "        *,"
    yield from (f"        {field.name}: {_given(field)} | None = ...," for field in message.field)
    yield "    ) -> None: ..."


def _given(field: FieldDescriptorProto) -> str:
    """What a constructor takes for a field: an enum's value by its name too, a message as a mapping too."""
    kind = _type(field)
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        kind = f"{kind} | Mapping[str, Any]"
    elif field.type == FieldDescriptorProto.TYPE_ENUM:
        kind = "int | str"
    return f"Iterable[{kind}]" if field.label == FieldDescriptorProto.LABEL_REPEATED else kind


def _type(field: FieldDescriptorProto) -> str:
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        return field.type_name.split(".")[-1]
    return _SCALARS.get(field.type, "int")


if __name__ == "__main__":
    PATH.write_text(stub(), encoding="utf-8")
