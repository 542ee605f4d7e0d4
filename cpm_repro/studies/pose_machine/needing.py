"""Optional packages of the extra `study`: asked for where they are needed, and named where they are missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from prototxt_import.files import InputError


@contextmanager
def needing(package: str, purpose: str) -> Iterator[None]:
    """The body imports a package of the extra `study`; InputError that says what it is for if it is missing."""
    try:
        yield
    except ImportError:
        raise InputError(f'{purpose}: expected the package {package} (pip install ".[study]"), found none') from None


def check_packages() -> None:
    """InputError where a package is missing."""
    with needing("scikit-learn", "the pose machine's predictors"):
        import sklearn.ensemble  # noqa: F401
    with needing("scikit-image", "the pose machine's image features"):
        import skimage.feature  # noqa: F401
