"""Where a run speaks: stdout, which may go away while the run goes on, and its log file, which may not."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from cpm_repro import streams
from prototxt_import.files import InputError


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

    begun: whether an earlier run wrote to it.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self.begun = os.fstat(descriptor).st_size > 0

    def write(self, lines: Sequence[str]) -> None:
        """The lines; InputError, with the system's reason, if the disk does not take them."""
        self.append("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))

    def append(self, content: bytes) -> None:
        """Bytes as they are; InputError as above."""
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(self.descriptor, rest) :]
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written: {error.strerror or error}") from None
