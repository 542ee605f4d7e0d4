"""The C library's rand(), which the original's transformer drew its dice from and never seeded.

glibc's additive generator: r[i] = r[i-3] + r[i-31] mod 2**32, a draw is r[i] >> 1. The seed fills the first 31
words by a multiplicative generator, and 310 draws are thrown away.
"""

from typing import Any

import numpy as np

RAND_MAX = 2**31 - 1


class GlibcRand:
    """rand() and srand() of glibc, as an object; without a seed it starts as a C program does, with seed 1."""

    def __init__(self, seed: int = 1):
        self.srand(seed)

    def srand(self, seed: int) -> None:
        """Start over from `seed` (taken modulo 2**32; 0 counts as 1)."""
        word = seed % 2**32 or 1
        word -= 2**32 if word >= 2**31 else 0
        words = [word]
        for _ in range(30):
            # C's division truncates toward zero, so a negative seed needs the sign taken apart.
            word = _truncated_remainder(16807 * word, RAND_MAX)
            word += RAND_MAX if word < 0 else 0
            words.append(word)
        self._words = [word % 2**32 for word in words]
        self._next = 3  # glibc counts the first three words as drawn
        for _ in range(310):
            self.rand()

    def rand(self) -> int:
        """The next number, 0 .. 2**31 - 1."""
        words, i = self._words, self._next
        words[i] = value = (words[i] + words[i - 3]) & 0xFFFFFFFF
        self._next = i + 1 if i < 30 else 0
        return value >> 1

    def dice(self) -> np.float32:
        """The next number from 0 to 1, float32(rand()) / float32(RAND_MAX); RAND_MAX rounds up to 2**31."""
        return np.float32(self.rand()) / np.float32(RAND_MAX)

    def shuffle(self, values: list[Any]) -> None:
        """Shuffles in place as libstdc++'s std::random_shuffle does: from the second on, each changes places with one
        of those up to itself."""
        for last in range(1, len(values)):
            other = self.rand() % (last + 1)
            values[last], values[other] = values[other], values[last]

    def state(self) -> list[int]:
        """31 words, oldest first: what `restore` takes."""
        return self._words[self._next :] + self._words[: self._next]

    def restore(self, state: list[int]) -> None:
        """Continue from a `state()`; ValueError unless it is 31 integers of 32 bits."""
        words = [int(word) for word in state]
        if len(words) != 31 or not all(0 <= word < 2**32 for word in words):
            raise ValueError("the state of rand() must be 31 integers between 0 and 2**32 - 1")
        self._words, self._next = words, 0


def _truncated_remainder(dividend: int, divisor: int) -> int:
    remainder = abs(dividend) % divisor
    return -remainder if dividend < 0 else remainder
