"""Which operations the layers compute with: one name, resolved here and nowhere else.

An engine is a class whose static methods are Caffe's operations on torch tensors; layers call `self.ops.<operation>`.
"""

from cpm_kernels.exact.gemm import GEMM_PROFILES

from .exact.operations import ExactOperations, exact_operations
from .fast.operations import BFloat16Operations, FastOperations, HalfOperations, Tf32Operations
from .files import InputError

ENGINES: dict[str, type] = {
    "fast": FastOperations,
    "fast:tf32": Tf32Operations,
    "fast:bf16": BFloat16Operations,
    "fast:fp16": HalfOperations,
    "exact": ExactOperations,
    **{f"exact:{profile}": exact_operations(profile) for profile in GEMM_PROFILES},
}
"""By name. "fast" has float32's accuracy, the others of its kind say what they round to; "exact" is the OpenBLAS of the
golden files, the others of its kind are named after theirs."""


def operations(engine: str) -> type:
    """The operations of the engine of that name."""
    if engine not in ENGINES:
        raise InputError(f"engine: expected one of {', '.join(sorted(ENGINES))}, found '{engine}'")
    return ENGINES[engine]
