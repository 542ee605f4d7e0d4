"""Reads a large JSON list record by record: in memory is one record, not the file.

The annotation files of MPII and COCO hold hundreds of megabytes of numbers, and several times that once Python has
parsed them.
"""

import codecs
import json
import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from prototxt_import.files import InputError, check_file

_BLOCK = 1 << 20  # bytes read at a time
_LARGEST = 1 << 24  # characters of one record; 255 other people need 100,000


class JsonRecord(NamedTuple):
    """One element of the list, and which bytes of the file it is."""

    value: object
    offset: int
    length: int


def records(path: str | os.PathLike[str]) -> Iterator[JsonRecord]:
    """The elements of the list that is the JSON file at `path`, or its member "root" (there a single record may stand
    without the list). InputError, naming the file, if it is missing, no JSON in UTF-8, or without such a list.
    """
    check_file(path)
    try:
        with open(path, "rb") as file:
            yield from _records(_Text(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (_NotJson, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or a number of too many digits
        raise InputError(f"{path}: expected JSON: {error}") from None
    except _NoList:
        raise InputError(f'{path}: expected a list of annotated persons, or one named "root", found none') from None


def _records(text: "_Text") -> Iterator[JsonRecord]:
    if text.next_character() != "{":
        yield from _list(text)
    else:
        text.take("{")
        while (name := text.value().value) != "root":
            text.take(":")
            text.value()
            if not isinstance(name, str) or text.next_character() != ",":
                raise _NoList
            text.take(",")
        text.take(":")
        if text.next_character() == "{":
            yield text.value()
        else:
            yield from _list(text)
        while text.next_character() != "}":
            text.take(",")
            text.value()
            text.take(":")
            text.value()
        text.take("}")
    text.take("")


def _list(text: "_Text") -> Iterator[JsonRecord]:
    if text.next_character() != "[":
        raise _NoList
    text.take("[")
    while text.next_character() != "]":
        yield text.value()
        if text.next_character() != "]":
            text.take(",")
    text.take("]")


class _NotJson(Exception):
    """What was expected and found, and where."""


class _NoList(Exception):
    """JSON, but no list of records."""


class _Text:
    """A file's text from one place on, of which only what is needed is in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._place = 0  # in _text
        self._offset = 0  # in the file's bytes, of _place
        self._ended = False

    def next_character(self) -> str:
        """What comes after white space; nothing at the file's end."""
        while True:
            end = self._place
            while end < len(self._text) and self._text[end] in " \t\n\r":
                end += 1
            self._move(end)
            if end < len(self._text) or not self._read():
                return self._text[end : end + 1]

    def take(self, character: str) -> None:
        """Step over `character`, or over the file's end (""), which has to come next."""
        found = self.next_character()
        if found != character:
            expected = f"{character!r}" if character else "the end"
            raise _NotJson(f"expected {expected} at byte {self._offset}, found {found!r}")
        self._move(self._place + len(character))

    def value(self) -> JsonRecord:
        """The value that comes next."""
        self.next_character()
        while True:
            try:
                value, end = json.JSONDecoder().raw_decode(self._text, self._place)
                if end < len(self._text) or not self._read():  # else a number may go on in the next block
                    break
            except json.JSONDecodeError as error:
                if len(self._text) - self._place > _LARGEST or not self._read():
                    raise _NotJson(f"{error.msg} in what begins at byte {self._offset}") from None
        start = self._offset
        self._move(end)
        return JsonRecord(value, start, self._offset - start)

    def _move(self, place: int) -> None:
        self._offset += len(self._text[self._place : place].encode())
        self._place = place

    def _read(self) -> bool:
        """Another block, in place of what was taken; False at the file's end."""
        block = self._file.read(_BLOCK)
        if not block and self._ended:
            return False
        self._ended = not block
        self._text = self._text[self._place :] + self._decoder.decode(block, final=self._ended)
        self._place = 0
        return True
