"""What decides the bits of OpenBLAS on an x86-64 machine: the family of its kernels, and how many threads it runs."""

import re
from dataclasses import dataclass

FAMILIES = {
    "cooperlake": 0,
    "skylakex": 1,
    "haswell": 2,
    "zen": 3,
    "haswell-0.3.7": 4,
    "sandybridge": 5,
    "nehalem": 6,
}
"""The number that the kernels know a family by (`src/exact/family.h`); "haswell-0.3.7" is what OpenBLAS up
to 0.3.7 computes on Haswell and Zen."""


@dataclass(frozen=True)
class Profile:
    """One of FAMILIES, and the number of threads (OPENBLAS_NUM_THREADS)."""

    family: str = "cooperlake"
    threads: int = 1

    def __str__(self) -> str:
        return self.family if self.threads == 1 else f"{self.family}-threads{self.threads}"

    @property
    def numbers(self) -> tuple[int, int]:
        """Family and threads as the kernels take them."""
        return FAMILIES[self.family], self.threads

    @property
    def has_avx512(self) -> bool:
        """Whether its kernels use AVX-512: small products and short sums have kernels of their own."""
        return self.family in ("cooperlake", "skylakex")

    @property
    def is_fused(self) -> bool:
        """Whether its products multiply and add with one rounding."""
        return self.has_avx512 or self.family in ("haswell", "zen", "haswell-0.3.7")


DEFAULT_PROFILE = Profile()
"""What the golden files were made with."""

ALIASES = {"openblas-0.3.21": "cooperlake"}
"""Other names of a family: what earlier versions said."""

RENAMED = {"openblas-0.3.21-threads": "cooperlake-threads2", "openblas-0.3.30": "skylakex"}
"""Names of earlier versions that promised what they did not keep, and what to say instead."""

MOST_THREADS = 64
"""Of the OpenBLAS that distributions build."""


def profile_of(name: str) -> Profile:
    """The profile of a name such as "haswell" or "haswell-threads2"; ValueError for one that is none."""
    if name in RENAMED:
        raise ValueError(f"'{RENAMED[name]}' instead of '{name}', whose rule was wrong")
    family, threads = name, 1
    if found := re.fullmatch(r"(.+)-threads([1-9]\d?)", name):
        family, threads = found[1], int(found[2])
    family = ALIASES.get(family, family)
    if family not in FAMILIES or threads > MOST_THREADS:
        known = ", ".join((*FAMILIES, *ALIASES))
        raise ValueError(f"one of {known}, alone or with -threads2 … -threads{MOST_THREADS}, not '{name}'")
    return Profile(family, threads)
