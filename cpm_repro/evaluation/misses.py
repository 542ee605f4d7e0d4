"""What the joints that PCK (the paper's section 4) counts as misses were taken for: the same joint of the other side,
another part of the person, nearly the right place, or none of these.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from data_lmdb import joints

from .ground_truth import GroundTruth
from .pck import NAMES, TABLE_ROWS

KINDS = ("right", "other side", "another part", "near", "elsewhere")
NEAR = 2.0
"""A joint is near within so many times the threshold."""


class Misses(NamedTuple):
    """counts: int (P, 5), how many of each part's judged joints are of each of KINDS."""

    counts: np.ndarray

    def rows(self) -> dict[str, np.ndarray]:
        """The rows of the papers' tables, left and right together, and Total: (5,) in percent of the judged joints."""
        rows = TABLE_ROWS[len(self.counts)]
        every = sorted(part for row in rows.values() for part in row)
        summed = {name: self.counts[list(parts)].sum(axis=0) for name, parts in {**rows, "Total": every}.items()}
        return {name: 100 * count / count.sum() if count.sum() else count * np.nan for name, count in summed.items()}


def counted(kinds: np.ndarray) -> Misses:
    """How often the joints of poses are of each kind, see `kinds_of_joints`."""
    return Misses(np.stack([(kinds == kind).sum(axis=0) for kind in range(len(KINDS))], axis=1))


def kinds_of_joints(
    predicted: np.ndarray, truths: Sequence[GroundTruth], sizes: np.ndarray, threshold: float
) -> np.ndarray:
    """Where the joints of poses (N, P, 2), 0-based px, lie beside the annotated people's: int (N, P), a place in KINDS;
    -1 for joints that nobody marked.

    sizes: (N,) px, those of PCK; people without one are -1 altogether. A joint that is not right within threshold *
    size is the nearest of the person's other annotated joints within that distance; failing that near (`NEAR`), or
    elsewhere.
    """
    places = np.stack([truth.parts for truth in truths])
    present = np.stack([truth.present for truth in truths])
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.linalg.norm(np.asarray(predicted)[:, :, None] - places[:, None], axis=3) / sizes[:, None, None]
    between = np.where(present[:, None] & ~np.isnan(between), between, np.inf)
    own, taken = np.einsum("npp->np", between), between.min(axis=2) <= threshold
    sides = taken & (between.argmin(axis=2) == _other_side(places.shape[1]))
    kinds = np.select([own <= threshold, sides, taken, own <= NEAR * threshold], range(4), 4)
    return np.where(present & ~np.isnan(sizes)[:, None], kinds, -1)


def worst(kinds: np.ndarray, count: int) -> np.ndarray:
    """The indices of the `count` people of whom the least share of joints is right, the worst first; people of whom
    nothing is judged are left out."""
    judged = (kinds >= 0).sum(axis=1)
    share = (kinds == 0).sum(axis=1) / np.maximum(judged, 1)
    order = np.argsort(share, kind="stable")
    return np.asarray(order[judged[order] > 0][:count])


def _other_side(number_of_parts: int) -> np.ndarray:
    """(P,) each part's mirror image; -1 for those of the middle."""
    other = np.array(joints.mirrored(NAMES[number_of_parts]))
    return np.where(other == np.arange(number_of_parts), -1, other)


def misses_table(found: Mapping[str, Misses]) -> str:
    """An aligned text table of Total in percent of the judged joints: a line per run, a column per kind."""
    width = max(len("joints"), *(len(run) for run in found))
    lines = ["joints".ljust(width) + "".join(f"{kind:>14}" for kind in KINDS)]
    for run, each in found.items():
        lines.append(run.ljust(width) + "".join(f"{share:14.2f}" for share in each.rows()["Total"]))
    return "\n".join(lines)


def misses_as_json(found: Misses) -> dict[str, dict[str, float | None]]:
    """What `--json` writes: percent by row of the tables and kind, null where no joint was judged."""
    return {
        name: {
            kind: None if np.isnan(share) else round(float(share), 6) for kind, share in zip(KINDS, row, strict=True)
        }
        for name, row in found.rows().items()
    }
