"""Which engine computes a net: the names of engines, resolved here and nowhere else."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from cpm_kernels.exact.profiles import DEFAULT_PROFILE, FAMILIES, Profile, profile_of

from .files import InputError

if TYPE_CHECKING:  # torch and the engines are imported when one is made: names are asked for by every --help
    from .operations import Operations

Plans = str | os.PathLike[str] | None


def _fast(dtype: str = "float32", tf32: bool = False) -> "Callable[[Plans], Operations]":
    def make(plans: Plans) -> "Operations":
        import torch

        from .fast.measured_plans import MeasuredPlans
        from .fast.operations import Fast

        return Fast(getattr(torch, dtype), tf32, None if plans is None else MeasuredPlans(plans))

    return make


def _plain(plans: Plans) -> "Operations":
    from .plain.operations import Plain

    if plans is not None:
        raise InputError(f"{plans}: expected a fast engine to go by these plans, found the plain one")
    return Plain()


def _exact(profile: Profile) -> "Callable[[Plans], Operations]":
    def make(plans: Plans) -> "Operations":
        from .exact.operations import Exact

        if plans is not None:
            raise InputError(f"{plans}: expected a fast engine to go by these plans, found an exact one")
        return Exact(profile)

    return make


ENGINES: "dict[str, Callable[[Plans], Operations]]" = {
    "fast": _fast(),
    "fast:tf32": _fast(tf32=True),
    "fast:bf16": _fast("bfloat16"),
    "fast:fp16": _fast("float16"),
    "plain": _plain,
    "exact": _exact(DEFAULT_PROFILE),
    **{f"exact:{family}": _exact(Profile(family)) for family in FAMILIES if family != DEFAULT_PROFILE.family},
}
"""By name. "fast" has float32's accuracy, the others of its kind say what they round to; "plain" is torch's operations
alone; "exact" is one thread of OpenBLAS on a Cooperlake, the others of its kind are named after the CPU family whose
kernels ran. They also come as "exact:FAMILY-threadsN"."""

NAMES = f"{', '.join(ENGINES)} (exact: also with -threads2, …)"
"""For --help and messages."""


def make_engine(engine: "str | Operations", plans: Plans = None) -> "Operations":
    """The engine of that name; an engine is one already.

    plans: a file of measured plans, for the fast engine to go by and to add to (see `fast.measured_plans`); without
    one a cost model says how it convolves. Raises InputError for a name or a file that is none.
    """
    if not isinstance(engine, str):
        return engine
    return _maker(engine)(plans)


def _maker(name: str) -> "Callable[[Plans], Operations]":
    if name in ENGINES:
        return ENGINES[name]
    if not name.startswith("exact:"):
        raise InputError(f"engine: expected one of {NAMES}, found '{name}'")
    try:
        return _exact(profile_of(name.removeprefix("exact:")))
    except ValueError as error:
        raise InputError(f"engine exact: expected {error}") from None
