"""stdout and stderr as a shell may hand them over: closed, full, of a narrow encoding, or gone while a run goes on."""

import codecs
import contextlib
import io
import os
import sys

_SHOWN = "cpm-shown"
"""An encoding's error handler: bytes of a file name that are no text go out as they came, and what the encoding lacks
as an escape."""


def _show(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = ord(error.object[error.start])
    if 0xDC80 <= character <= 0xDCFF:
        return bytes([character - 0xDC00]), error.start + 1
    return error.object[error.start].encode("ascii", "backslashreplace").decode(), error.start + 1


def make_usable() -> None:
    """Opens what was closed on /dev/null, where no file of the run can take its number, and lets every text out."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
        setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    codecs.register_error(_SHOWN, _show)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_SHOWN)


def silence(stream: object) -> None:
    """What is still to be written to stdout or stderr goes nowhere: Python would complain at its exit."""
    with contextlib.suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[attr-defined]


def last_words(text: str) -> None:
    """A line on stderr, where there still is one."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)
