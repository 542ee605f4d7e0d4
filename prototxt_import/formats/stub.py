"""Writes `schema.pyi`: what a type checker is told of the message classes that schema.py builds when it is imported.

    python -m prototxt_import.formats.stub

A test compares the file with what this writes.
"""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
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
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_ENUM: "int",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
}


def stub() -> str:
    """The text of `schema.pyi`."""
    messages = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, Message)]
    classes = {value.__name__: value for value in messages if value.DESCRIPTOR.file.package == "caffe"}
    return _HEAD + "".join(f"\n{text}\n" for name in sorted(classes) for text in [_message(classes[name].DESCRIPTOR)])


def _message(message: Descriptor) -> str:
    lines = [f"class {message.name}(Message):"]
    for enum in message.enum_types:
        lines += _enum(enum)
    lines += [f"    {line}" for field in message.fields for line in _field(field)]
    lines += ["    def __init__(self, **fields: Any) -> None: ..."]
    lines += [
        "    @classmethod",
        f"    def FromString(cls, s: bytes, /) -> {message.name}: ...",
    ]
    return "\n".join(lines)


def _enum(enum: EnumDescriptor) -> Iterator[str]:
    yield f"    {enum.name}: ClassVar[_EnumTypeWrapper[Any]]"
    yield from (f"    {value.name}: ClassVar[int]" for value in enum.values)


def _field(field: FieldDescriptor) -> Iterator[str]:
    kind = _type(field)
    if field.is_repeated if hasattr(type(field), "is_repeated") else field.label == field.LABEL_REPEATED:
        container = "Composite" if field.message_type else "Scalar"
        yield "@property"
        yield f"def {field.name}(self) -> Repeated{container}FieldContainer[{kind}]: ..."
    elif field.message_type:
        yield "@property"
        yield f"def {field.name}(self) -> {kind}: ..."
    else:
        yield f"{field.name}: {kind}"


def _type(field: FieldDescriptor) -> str:
    if field.message_type:
        return str(field.message_type.name)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "bytes" if field.type == FieldDescriptor.TYPE_BYTES else "str"
    return _SCALARS.get(field.cpp_type, "int")


if __name__ == "__main__":
    PATH.write_text(stub(), encoding="utf-8")
