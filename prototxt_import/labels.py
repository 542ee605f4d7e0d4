"""Which labels a loss counts, and what it divides by (Caffe: LossParameter, LossLayer::GetNormalizer)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Normalization:
    """mode: FULL (all places of all images), VALID (those whose label counts), BATCH_SIZE (images) or NONE.
    ignored: the label that does not count, if there is one."""

    mode: str
    ignored: int | None = None

    def divisor(self, images: int, places: int, valid: int) -> np.float32:
        """Of a batch with so many images, places in each, and labels that count in all; at least 1."""
        counts = {"FULL": images * places, "VALID": valid, "BATCH_SIZE": images, "NONE": 1}
        return np.float32(max(counts[self.mode], 1))
