"""Optional packages of the extra `convert`: asked for where they are needed, and named where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from prototxt_import.files import InputError


@contextmanager
def needing(package: str, purpose: str) -> Iterator[None]:
    """The body imports a package of the extra `convert`; InputError that says what it is for if it is missing."""
    try:
        yield
    except ImportError:
        raise InputError(
            f'{purpose}: expected the package {package} (pip install -e ".[convert]"), found none'
        ) from None
