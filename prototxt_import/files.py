"""What every reader and writer of files in this project shares: the one error for bad input, and atomic output.

`data_lmdb` imports this file and `prototxt_import.schema`, and nothing else of this package.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_LONGEST_SENTENCE = 2000  # characters


class InputError(ValueError):
    """Something a person handed in is wrong; the message is one sentence that names file, place,
    what was expected and what was found. Command lines print it and exit with code 2.

    What the sentence quotes from a file cannot break the line or fill the screen: control characters are escaped, and
    of more than 2,000 characters the middle is left out.
    """

    def __init__(self, sentence: str) -> None:
        clean = (c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in sentence)
        shown = sentence if sentence.isprintable() else "".join(clean)
        half = _LONGEST_SENTENCE // 2
        super().__init__(shown if len(shown) <= 2 * half else f"{shown[:half]} … {shown[-half:]}")


def first_five(differences: Sequence[str]) -> str:
    """The first five of many differences, for one sentence, and how many there are beside them."""
    shown = "; ".join(differences[:5])
    return shown if len(differences) <= 5 else f"{shown}; and {len(differences) - 5} more"


def read_bytes(path: str | os.PathLike) -> bytes:
    """The whole file; InputError if it is missing or unreadable."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it on success and deleted on failure or Ctrl-C.

    The body may write a file there or make a folder of that name; an existing folder is replaced whole.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    try:
        temporary = scratch / path.name
        yield temporary
        if path.is_dir() and temporary.is_dir():
            path.rename(scratch / f"{path.name}.old")
        os.replace(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
