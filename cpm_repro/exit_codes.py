"""What a command leaves with, and the one sentence before it: 0, 2 for bad input, 130 and 141 as of signals."""

import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prototxt_import.files import InputError, Note

from . import ctrl_c, streams

BAD_INPUT = 2
INTERRUPTED = 130
BROKEN_PIPE = 141  # as shells say of a process that SIGPIPE ended


def code_of(work: Callable[[], int | None], prog: str) -> int:
    """The exit code of the work, whatever it raised told; other errors than those that a person causes pass."""
    try:
        with _saying_notes(prog):
            return work() or 0
    except InputError as error:
        streams.last_words(f"{prog}: {error}")
        return BAD_INPUT
    except ImportError as error:
        if error.name not in ("cupy", "cpm_kernels._host"):
            raise
        streams.last_words(f"{prog}: {error}")  # from cpm_kernels.cuda_module or cpm_kernels.host
        return BAD_INPUT
    except KeyboardInterrupt:
        ctrl_c.ends_at_once()  # all is tidied up: one more Ctrl-C need not wait for threads
        streams.last_words(f"{prog}: interrupted")
        return INTERRUPTED
    except (MemoryError, RuntimeError) as error:
        asked = _memory_asked(error)
        if asked is None:
            raise
        streams.last_words(f"{prog}: expected more memory than this machine has free, found it short: {asked}")
        return BAD_INPUT
    except OSError as error:
        if error.filename is None:
            return code_of_output(error, prog)
        streams.last_words(f"{prog}: {InputError(f'{error.filename}: {error.strerror}')}")
        return BAD_INPUT


@contextmanager
def _saying_notes(prog: str) -> Iterator[None]:
    """Each Note is a line on stderr once the work is done: before an error, which stands alone, none is. Other warnings
    stay as they are."""
    notes: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", Note)
        others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Note):
                notes.append(str(message))
            else:
                others(message, category, *place, **more)

        warnings.showwarning = show
        yield
    for note in dict.fromkeys(notes):
        streams.last_words(f"{prog}: {note}")


def _memory_asked(error: MemoryError | RuntimeError) -> str | None:
    """What was asked for, of an error that says that there is too little memory, torch's or NumPy's; else None."""
    if isinstance(error, MemoryError):
        return str(error) or "Python's own objects"
    match = _OUT_OF_MEMORY.search(str(error))
    return match[0] if match else None


_OUT_OF_MEMORY = re.compile(r"[Yy]ou tried to allocate \d+ bytes|[Tt]ried to allocate [\d.]+ \w+")


def code_of_output(error: OSError, prog: str) -> int:
    """An error of stdout's, as it has no name: the reader is gone, or the disk behind it is full."""
    streams.silence(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    streams.last_words(f"{prog}: stdout: cannot be written: {error.strerror or error}")
    return BAD_INPUT
