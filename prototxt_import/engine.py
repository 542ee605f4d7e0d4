"""Which operations the layers compute with: one name, resolved here and nowhere else.

An engine is a class whose static methods are Caffe's operations on torch tensors; layers call `self.ops.<operation>`.
"""

from .fast import FastOperations
from .files import InputError

ENGINES: dict[str, type] = {"fast": FastOperations}


def operations(engine: str) -> type:
    """The operations of the engine of that name."""
    if engine not in ENGINES:
        raise InputError(f"engine: expected one of {', '.join(sorted(ENGINES))}, found '{engine}'")
    return ENGINES[engine]
