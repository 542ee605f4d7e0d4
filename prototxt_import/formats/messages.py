"""Binary protobuf messages of a class that is asked for, and what protobuf of any year tells of a field."""

import os
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from prototxt_import.files import InputError, other_kind

_Message = TypeVar("_Message", bound=Message)


def parse_message(content: bytes, message: type[_Message], path: str | os.PathLike[str]) -> _Message:
    """A binary protobuf message of that class; InputError if the bytes are not one."""
    try:
        return message.FromString(content)
    except DecodeError:
        found = other_kind(content) or f"{len(content)} bytes that end too early or are not one"
        raise InputError(f"{path}: expected a binary {message.__name__} message, found {found}") from None


def is_repeated(field: Any) -> bool:
    """Of a FieldDescriptor; its default tells in every one: old ones lack `is_repeated`, new ones warn of `label`."""
    return isinstance(field.default_value, list)
