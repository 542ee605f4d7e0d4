"""What Ctrl-C does to a command: it ends it at once while something is imported, and interrupts it otherwise.

A KeyboardInterrupt in an import is a page of traceback at best; torch's C++ swallows some, and the run goes on, or
aborts at them.
"""

import os
import signal
from types import FrameType

_PYTHONS = (signal.SIG_DFL, signal.default_int_handler)


def ends_at_once() -> None:
    """From here on Ctrl-C ends the process without a word; one that is ignored or somebody else's stays so."""
    if signal.getsignal(signal.SIGINT) in (*_PYTHONS, _interrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupts() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt, but in an import."""
    if signal.getsignal(signal.SIGINT) in _PYTHONS:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            ends_at_once()
            os.kill(os.getpid(), signal.SIGINT)
        frame = frame.f_back
    raise KeyboardInterrupt
