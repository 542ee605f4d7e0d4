"""What every reader and writer of files in this project shares: the one error for bad input, and atomic output.

`data_lmdb` imports this file and `prototxt_import.formats.schema`, and nothing else of this package.
"""

import errno
import fcntl
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_LONGEST_SENTENCE = 2000  # characters
_UNPACKED, _TIMES_PACKED = 1 << 29, 30
_SCRATCH = ".cpm-writing-"


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


class Note(UserWarning):
    """What a person should know of what they handed in, though the work goes on: one sentence, clean as InputError's.
    Command lines print it on stderr."""

    def __init__(self, sentence: str) -> None:
        super().__init__(str(InputError(sentence)))


def require(where: object, holds: bool, expected: str, found: object) -> None:
    """InputError unless it holds: `where` names file and place."""
    if not holds:
        raise InputError(f"{where}: expected {expected}, found {found}")


@contextmanager
def naming(where: object, *errors: type[Exception]) -> Iterator[None]:
    """InputErrors of the body, and `errors`, become one that names `where` first."""
    caught: tuple[type[Exception], ...] = (InputError, *errors)
    try:
        yield
    except caught as error:
        raise InputError(f"{where}: {error}") from None


def plain(text: str) -> str:
    """The text of a number, as int and float are to take it; ValueError for what other programs would not: digits of
    other scripts and 1_000."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return text


def as_number(value: object) -> float:
    """A number of JSON's, or such a text; ValueError for JSON's true, for what is not finite, and beyond `LARGEST`."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"expected a number, found {value!r}")
    try:
        number = float(plain(value)) if isinstance(value, str) else value
    except ValueError:
        number = math.nan
    if number != number:
        raise ValueError(f"expected a number, found {value!r}")
    if abs(number) > LARGEST:
        raise ValueError(f"expected a number up to {LARGEST}, found {value!r}")
    return float(number)


LARGEST = 1 << 24
"""Of numbers in people's tables: up to here float32 tells one pixel from the next."""


def parse_json(content: str | bytes, where: object, object_hook: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """What the JSON says; InputError, naming `where`, if it is none."""
    try:
        return json.loads(content, object_hook=object_hook)
    except (ValueError, RecursionError) as error:
        known = other_kind(content) if isinstance(content, bytes) else ""
        raise InputError(f"{where}: expected JSON{f', found {known}' if known else f': {error}'}") from None


def first_five(differences: Sequence[str]) -> str:
    """The first five of many differences, for one sentence, and how many there are beside them."""
    shown = "; ".join(differences[:5])
    return shown if len(differences) <= 5 else f"{shown}; and {len(differences) - 5} more"


def unpacked_limit(packed: int) -> int:
    """How many bytes a packed file of so many may have unpacked, all its parts together: what honest files take, while
    zlib could make a thousand bytes of one."""
    return max(_UNPACKED, _TIMES_PACKED * packed)


def check_unpacked(unpacked: int, packed: int, where: str) -> None:
    """InputError, naming `where`, beyond that limit."""
    if unpacked > unpacked_limit(packed):
        raise InputError(
            f"{where}: expected at most {unpacked_limit(packed)} bytes once unpacked ({packed} packed), found "
            f"{unpacked}: a file that is not compressed may be of any size"
        )


def check_file(path: str | os.PathLike[str]) -> None:
    """InputError if there is a device, a pipe or a socket, from which reading may never end, or no file can have that
    name."""
    if "\0" in os.fsdecode(path):
        raise InputError(f"{path}: cannot be read: expected the name of a file, found one with a null byte")
    with suppress(OSError):
        kind = os.stat(path).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise InputError(f"{path}: cannot be read: expected a file, found a device, a pipe or a socket")


def read_bytes(path: str | os.PathLike[str], most: int = -1) -> bytes:
    """The whole file, or its first so many bytes; InputError if it is missing, unreadable or a device or a pipe."""
    check_file(path)
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def other_kind(content: bytes) -> str:
    """What a file is, by its first bytes, that people take for another: behind a "found", or empty."""
    start = content[:1000].lstrip().lower()
    if not content:
        return "an empty file"
    if start.startswith(b"version https://git-lfs"):
        return "Git LFS's pointer to it: `git lfs pull` fetches the file"
    if start.startswith((b"<!doctype html", b"<html")):
        return "a page of the web, as comes where a download went wrong"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "text in UTF-16: save it in UTF-8"
    if content.startswith((b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ")):
        return "a packed file: unpack it"
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif"):
        return "HEIC or AVIF, as telephones write them: save it as JPEG or PNG"
    if content.startswith((b"GIF8", b"%PDF", b"<svg")):
        return "a GIF, PDF or SVG: save it as JPEG or PNG"
    return ""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it on success and deleted on failure or Ctrl-C.

    The body may write a file there or make a folder of that name; an existing folder is replaced whole. What was
    written is on the disk before it has its name. InputError, with the system's reason, if anything of it fails, or
    if `path` is a device or a pipe; what stood there before still stands then.
    """
    path = Path(path)
    with _writing(path):
        _check_kind(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        scratch, lock = _own_scratch(path.parent)
    try:
        with _writing(path):
            temporary = scratch / path.name
            yield temporary
            _put(temporary, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of this run's own among the system's temporary ones, deleted at the end; if the run is killed, by the
    next one that makes such a folder."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise InputError(f"$TMPDIR: {error.strerror}") from None
    with _writing(folder):
        _sweep(folder)
        scratch, lock = _own_scratch(folder)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """The text as a file in UTF-8, whole or not at all; errors as of `replacing`. What UTF-8 cannot hold, bytes of file
    names that are no text, becomes an escape."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def check_target(path: str | os.PathLike[str]) -> None:
    """InputError if it is plain before the work that no file can be written there after it."""
    path = Path(path)
    with _writing(path):
        _check_kind(path)
        folder = next(folder for folder in path.absolute().parents if folder.exists())
    for wrong, reason in (
        (path.is_dir(), errno.EISDIR),
        (not folder.is_dir(), errno.ENOTDIR),
        (not os.access(folder, os.W_OK | os.X_OK), errno.EACCES),
    ):
        if wrong:
            raise InputError(f"{path}: cannot be written: {os.strerror(reason)}")


def _check_kind(path: Path) -> None:
    """InputError if a device or a pipe is there, or no file can have that name."""
    if "\0" in str(path):
        raise InputError(f"{path}: cannot be written: expected the name of a file, found one with a null byte")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: cannot be written: expected a file or nothing there, found a device or a pipe")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """OSErrors of the body become an InputError that names `path`, or the other file that failed."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        if (
            error.filename is not None
            and _SCRATCH not in str(error.filename)
            and str(error.filename) not in (str(path), str(path.parent))
        ):
            raise InputError(f"{error.filename}: {reason}") from None
        raise InputError(f"{path}: cannot be written: {reason}") from None


def _put(temporary: Path, path: Path) -> None:
    """The file or folder gets its name, after its bytes are on the disk and before the folder's entry is."""
    for written in (temporary.rglob("*"), [temporary]):
        for part in written:
            _sync(part)
    if path.is_dir() and temporary.is_dir():
        _put_folder(temporary, path)
    else:
        os.replace(temporary, path)
    _sync(path.parent)


def _put_folder(temporary: Path, path: Path) -> None:
    """In place of a folder, which is put back if that fails."""
    old = temporary.with_name(f"{temporary.name}.old"[-255:])
    path.rename(old)
    try:
        os.replace(temporary, path)
    except OSError:
        old.rename(path)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, lock: Callable[[int, int], None] | None = None) -> bool | None:
    """True: the lock on that file or folder is this process's until it closes it or ends, however it does. False:
    another one has it. None: it is on a file system without locks.

    lock: flock by default; a child does not have the lock of lockf.
    """
    try:
        (lock or fcntl.flock)(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES) else None
    return True


def _own_scratch(folder: Path) -> tuple[Path, int]:
    """A new scratch folder, and the descriptor with its lock. One that another process sweeps away before it is locked
    is made anew."""
    while True:
        scratch = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=folder))
        with suppress(FileNotFoundError):
            lock = os.open(scratch, os.O_RDONLY)
            if try_lock(lock) is not False and scratch.exists():
                return scratch, lock
            os.close(lock)


def _sweep(folder: Path) -> None:
    """Deletes the scratch folders that killed runs left there: those that nobody holds a lock on."""
    for scratch in folder.glob(f"{_SCRATCH}*"):
        with suppress(OSError):
            descriptor = os.open(scratch, os.O_RDONLY)
            if try_lock(descriptor):
                shutil.rmtree(scratch, ignore_errors=True)
            os.close(descriptor)
