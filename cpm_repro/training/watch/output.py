"""Where a run speaks: stdout, which may go away while the run goes on, and its log file, which may not."""

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cpm_repro import streams
from prototxt_import.files import InputError, check_target, require, try_lock


class Screen:
    """stdout, for a run that goes on when nobody reads it any more.

    gone: the system's reason, from then on.
    """

    def __init__(self) -> None:
        self.gone: str | None = None

    def write(self, lines: Sequence[str]) -> None:
        """The lines at once, above a progress bar if there is one; none any more once stdout is gone."""
        if self.gone is not None:
            return
        try:
            for line in lines:
                tqdm.write(line)
            sys.stdout.flush()
        except OSError as error:
            self.gone = error.strerror or str(error)
            streams.silence(sys.stdout)


class LogFile:
    """A file that grows at its end, without a buffer: what was written is there, however the run ends.

    Made with its folder if need be; InputError if it cannot be written. Who removes or moves it while the run goes on
    gets a new one there, which starts with `heading`. begun: whether an earlier run wrote to it. taken: whether another
    run has it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.heading, self.taken = path, b"", False
        self._locked = False
        self._descriptor = _opened(path)
        self.begun = os.fstat(self._descriptor).st_size > 0

    def lock(self) -> None:
        """From here on it is this run's alone; InputError if another one has it."""
        self._locked = True
        self.taken = try_lock(self._descriptor) is False
        require(self.path, not self.taken, "to be the only run with this snapshot_prefix", "another one at it")

    def write(self, lines: Sequence[str]) -> None:
        """The lines; InputError, with the system's reason, if the disk does not take them."""
        self.append("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))

    def append(self, content: bytes) -> None:
        """Bytes as they are; InputError as above."""
        if content and not self._there():
            streams.last_words(f"{self.path}: was removed or moved while the run wrote to it: it goes on in a new one")
            self._renew()
            content = self.heading + content
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Nothing is written any more; a lock ends."""
        os.close(self._descriptor)

    def _there(self) -> bool:
        """Whether the file has its name still."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False
        except OSError:  # a disk that answers nothing: the write says so
            return True

    def _renew(self) -> None:
        before, self._descriptor = self._descriptor, _opened(self.path)
        os.close(before)
        if self._locked:
            self.lock()


def _opened(path: Path) -> int:
    check_target(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be written: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path}: cannot be written: expected a file or nothing there, found a device or a pipe")
    return descriptor
