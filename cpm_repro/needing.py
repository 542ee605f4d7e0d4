"""Optional packages: asked for where they are needed; where one is missing, it and its extra are named."""

from collections.abc import Iterator
from contextlib import contextmanager

from prototxt_import.files import InputError


@contextmanager
def needing(package: str, purpose: str, extra: str = "convert") -> Iterator[None]:
    """The body imports a package of the `extra`; InputError that says what it is for if it is missing."""
    try:
        yield
    except ImportError:
        raise InputError(f'{purpose}: expected the package {package} (pip install ".[{extra}]"), found none') from None
