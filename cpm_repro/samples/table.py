"""`aug_way: "table"`: rotations and flips from two text files instead of dice (the fork's SetAugTable).

`rotate_<A>_<R>.txt` and `flip_<A>_<R>.txt`, with A = num_total_augs and R = the number of records, hold R rows of A
numbers, separated by white space: degrees, and 1 for a flip. Epoch e takes column e mod A of its record's row. The
original looks for them two folders above the one it was started in; here they lie beside the prototxt.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prototxt_import.files import InputError, plain, read_bytes


@dataclass(frozen=True)
class AugmentationTable:
    """degrees: float32 (records, augmentations); flips: bool, likewise."""

    degrees: np.ndarray
    flips: np.ndarray

    def look_up(self, write_count: int, epoch: int) -> tuple[float, bool]:
        """Degree and flip of a record, by its place in the LMDB, in an epoch; ValueError for a record without row."""
        rows, columns = self.degrees.shape
        if not 0 <= write_count < rows:
            raise ValueError(f"expected a write counter below {rows}, the rows of the tables, found {write_count}")
        place = write_count, epoch % columns
        return float(self.degrees[place]), bool(self.flips[place])


def read_table(folder: Path, augmentations: int, records: int) -> AugmentationTable:
    """Both files of a folder; InputError if one is missing or does not hold records x augmentations numbers."""
    if augmentations < 1:
        raise InputError(f"num_total_augs: expected 1 or more, found {augmentations}")
    paths = (folder / f"{name}_{augmentations}_{records}.txt" for name in ("rotate", "flip"))
    degrees, flips = (_numbers(path, records, augmentations) for path in paths)
    return AugmentationTable(degrees, flips == 1)


def _numbers(path: Path, rows: int, columns: int) -> np.ndarray:
    words = read_bytes(path).split()
    if len(words) != rows * columns:
        raise InputError(f"{path}: expected {rows} x {columns} numbers, found {len(words)}")
    try:
        numbers = np.array([float(plain(word.decode("ascii"))) for word in words], np.float32)
    except ValueError as error:
        raise InputError(f"{path}: expected numbers: {error}") from None
    if not np.isfinite(numbers).all():
        raise InputError(f"{path}: expected finite numbers, found NaN or infinity")
    return numbers.reshape(rows, columns)
