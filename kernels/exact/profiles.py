"""What decides the bits of OpenBLAS on an x86-64 machine: the family of its kernels, and how many threads it runs."""

from dataclasses import dataclass

FAMILIES = {"cooperlake": 0, "skylakex": 1, "haswell": 2, "sandybridge": 3, "nehalem": 4}
"""The number that the kernels know a family by (`src/exact/family.h`)."""


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


DEFAULT_PROFILE = Profile()
"""What the golden files were made with."""
