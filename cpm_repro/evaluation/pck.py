"""PCK: the share of joints that lie within a fraction of a person's size of where they should be.

The papers' metrics differ in that size: for LSP the annotated torso, |left shoulder - right hip| (`pck`); for FLIC
the same length of the annotation or, in the release's script, of the prediction (`flic_pck`); for MPII the head
(`pckh.py`). Left and right parts share a row of the tables, and all of a table's parts share its Total.

A joint is right if its distance is at most threshold * size: a tie is a hit. Joints that nobody marked are not
counted; a joint that was not found (NaN) is a miss.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data_lmdb import joints
from prototxt_import.files import InputError

from .ground_truth import GroundTruth

THRESHOLDS = np.arange(0, 51) / 100
PAPER_THRESHOLD = 0.2

# By number of joints, those of the networks and MPII's 16 as they are stored.
NAMES = joints.PARTS | {16: joints.STORED_16}
TABLE_ROWS = joints.TABLE_ROWS | {
    16: {name: tuple(joints.STORED_TO_14[part] for part in row) for name, row in joints.TABLE_ROWS[14].items()}
}

# What the paper reports at its thresholds, in percent, by benchmark and what the network was trained on.
PAPER = {
    "lsp": {"paper, LSP": {"Total": 84.32}, "paper, LSP + MPII": {"Total": 90.5}},
    "flic": {"paper, FLIC": {"Elbow": 97.59, "Wrist": 95.03}},
    "mpii": {
        "paper, MPII": {"Ankle": 78.28, "Total": 87.95},
        "paper, MPII + LSP": {"Ankle": 79.41, "Total": 88.52},
    },
}


@dataclass(frozen=True)
class Pck:
    """Counted hits: hits (K, P) of P parts at K thresholds (fractions of the person's size), counts (P,) joints
    judged, people judged, and people left_out because their annotation gives no size."""

    thresholds: np.ndarray
    hits: np.ndarray
    counts: np.ndarray
    people: int
    left_out: int

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names."""
        return NAMES[len(self.counts)]

    @property
    def joints(self) -> int:
        """How many joints Total judges."""
        return int(self.counts[self._table_parts()].sum())

    def percent(self, parts: Sequence[int] | None = None) -> np.ndarray:
        """(K,) PCK in percent of `parts` together (default: all of the table's); NaN if none was judged."""
        chosen = self._table_parts() if parts is None else list(parts)
        judged = self.counts[chosen].sum()
        return 100 * self.hits[:, chosen].sum(axis=1) / judged if judged else np.full(len(self.hits), np.nan)

    def rows(self) -> dict[str, np.ndarray]:
        """The rows of the papers' tables, left and right together, and Total; each (K,) in percent."""
        rows = TABLE_ROWS[len(self.counts)]
        return {name: self.percent(parts) for name, parts in rows.items()} | {"Total": self.percent()}

    def mean(self) -> np.ndarray:
        """(K,) percent: the mean over the table's parts, each counting the same however often it was judged."""
        judged = [part for part in self._table_parts() if self.counts[part]]
        if not judged:
            return np.full(len(self.hits), np.nan)
        mean: np.ndarray = np.mean([self.percent([part]) for part in judged], axis=0)
        return mean

    def area(self, percent: np.ndarray) -> float:
        """The area under a curve (K,) of percents, as a share of what a perfect detector's covers, in percent."""
        steps = np.diff(self.thresholds)
        return float((steps * (percent[1:] + percent[:-1]) / 2).sum() / steps.sum())

    def at(self, threshold: float) -> int:
        """The index of a threshold; ValueError if PCK was not counted there."""
        found = np.flatnonzero(np.isclose(self.thresholds, threshold, rtol=0, atol=1e-9))
        if not found.size:
            raise ValueError(f"PCK was not counted at {threshold}")
        return int(found[0])

    def _table_parts(self) -> list[int]:
        """MPII's pelvis and thorax are in no row, and so not in Total."""
        return sorted(part for row in TABLE_ROWS[len(self.counts)].values() for part in row)


def count_hits(
    predicted: Sequence[np.ndarray],
    truths: Sequence[GroundTruth],
    sizes: np.ndarray,
    thresholds: np.ndarray = THRESHOLDS,
) -> Pck:
    """The joints of each person, float (P, 2) in 0-based pixels, that are within thresholds * size.

    sizes: (N,) px; people whose size is NaN are left out. A size of 0 makes every joint a miss. InputError unless
    there is a pose of P joints for each of at least one person.
    """
    if len(predicted) != len(truths) or not truths:
        raise InputError(f"PCK: expected a pose for each person, found {len(predicted)} for {len(truths)}")
    places, present = np.stack([truth.parts for truth in truths]), np.stack([truth.present for truth in truths])
    found = np.asarray(predicted, np.float64)
    if found.shape != places.shape:
        raise InputError(f"PCK: expected {places.shape[1]} joints of each person, found {found.shape[1]}")
    judged = ~np.isnan(sizes)
    present = present & judged[:, None]
    thresholds = np.asarray(thresholds, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        distances = np.linalg.norm(found - places, axis=2) / np.asarray(sizes)[:, None]
        hits = np.stack([((distances <= threshold) & present).sum(axis=0) for threshold in thresholds])
    return Pck(thresholds, hits, present.sum(axis=0), int(judged.sum()), int((~judged).sum()))


def pck(predicted: Sequence[np.ndarray], truths: Sequence[GroundTruth], thresholds: np.ndarray = THRESHOLDS) -> Pck:
    """PCK of predicted joints, each float (P, 2) in 0-based pixels, against as many annotated people.

    The size is the annotated torso; people without one, or with one of length 0, are left out.
    """
    return count_hits(predicted, truths, annotated_torsos(truths), thresholds)


def annotated_torsos(truths: Sequence[GroundTruth]) -> np.ndarray:
    """(N,) px; NaN for people without one, or with one of length 0."""
    return np.array([_annotated_torso(truth) for truth in truths])


def _annotated_torso(truth: GroundTruth) -> float:
    shoulder, hip = joints.TORSO[len(truth.parts)]
    torso = float(np.linalg.norm(truth.parts[shoulder] - truth.parts[hip]))
    return torso if truth.present[shoulder] and truth.present[hip] and torso > 0 else np.nan


def flic_pck(
    predicted: Sequence[np.ndarray], truths: Sequence[GroundTruth], thresholds: np.ndarray = THRESHOLDS
) -> Pck:
    """PCK by the *predicted* torso, as in the release's script for FLIC (MODEC's rule); else as `pck`.

    Nobody is left out: a prediction whose torso has no length is wrong everywhere.
    """
    return count_hits(predicted, truths, predicted_torsos(predicted), thresholds)


def predicted_torsos(predicted: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) px; 0 where a pose has none."""
    poses = [np.asarray(pose) for pose in predicted]
    ends = [joints.TORSO[len(pose)] for pose in poses]
    torsos = [np.linalg.norm(pose[shoulder] - pose[hip]) for pose, (shoulder, hip) in zip(poses, ends, strict=True)]
    return np.nan_to_num(np.array(torsos))


def pck_table(
    results: Mapping[str, Pck],
    threshold: float = PAPER_THRESHOLD,
    metric: str = "PCK",
    reference: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """An aligned text table in percent: a line per result, a column per row of the papers' tables.

    The last columns are Total, Mean (over parts) and Total's AUC (over all thresholds). `reference`: lines below
    whose cells are known numbers, as in `PAPER`.
    """
    title, reference = f"{metric}@{threshold:g}", reference or {}
    names = [*next(iter(results.values())).rows(), "Mean", "AUC"]
    cells = {label: _table_cells(result, threshold) for label, result in results.items()} | dict(reference)
    width = max(len(title), *(len(label) for label in cells))
    lines = [title.ljust(width) + "".join(f"{name:>10}" for name in names)]
    for label, known in cells.items():
        texts = (f"{known[name]:10.2f}" if name in known else f"{'-':>10}" for name in names)
        lines.append(label.ljust(width) + "".join(texts))
    return "\n".join(lines)


def _table_cells(result: Pck, threshold: float) -> dict[str, float]:
    at, rows = result.at(threshold), result.rows()
    cells = {name: values[at] for name, values in rows.items()}
    return cells | {"Mean": result.mean()[at], "AUC": result.area(rows["Total"])}


def as_json(result: Pck) -> dict[str, object]:
    """What `--json` writes of a result: numbers only; PCK and AUC in percent, null where no joint was judged."""

    def number(value: float) -> float | None:
        return None if np.isnan(value) else round(float(value), 6)

    def curve(values: np.ndarray) -> list[float | None]:
        return [number(value) for value in values]

    rows = result.rows()
    return {
        "people": result.people,
        "people_left_out": result.left_out,
        "thresholds": [float(value) for value in result.thresholds],
        "rows": {name: curve(values) for name, values in rows.items()},
        "auc": {name: number(result.area(values)) for name, values in rows.items()},
        "parts": {name: curve(result.percent([part])) for part, name in enumerate(result.names)},
        "mean_of_parts": curve(result.mean()),
        "joints_judged": {name: int(count) for name, count in zip(result.names, result.counts, strict=True)},
    }
