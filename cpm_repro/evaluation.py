"""PCK: the share of joints that lie within a fraction of the torso of where they should be.

As for LSP in the paper (person-centric): the torso is the ground truth's own, |left shoulder - right hip|, and
left and right parts share a row of the table. The mean pose, which looks at no picture, is the floor that any
detector must clear.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cpm_repro import inference, joints
from data_lmdb.reader import LmdbReader
from data_lmdb.record import Person, Record, decode
from prototxt_import.files import InputError

THRESHOLDS = np.arange(0, 51) / 100
PAPER_THRESHOLD = 0.2


@dataclass(frozen=True)
class GroundTruth:
    """One annotated person in 0-based pixels.

    parts: float64 (P, 2), x and y; present: bool (P,), False where nobody marked the joint;
    center: (x, y) of objpos; scale: height / 200 px.
    """

    parts: np.ndarray
    present: np.ndarray
    center: tuple[float, float]
    scale: float


def ground_truth(
    stored_joints: np.ndarray, objpos: np.ndarray, scale_provided: float, number_of_parts: int = 14
) -> GroundTruth:
    """The annotation of one person (of an LMDB record or of the JSON, 1-based pixels) as the network's parts.

    stored_joints: (16, 3) for 14 or 28 parts, (9, 3) for 9; x, y, visible. A joint counts as missing where
    both coordinates are 0 or less (MPII's dummy 0, 0; LSPET's unmarked joints); an occluded one is present.
    """
    stored = np.asarray(stored_joints, np.float64)
    pairs = np.array(joints.PAIRS_OF_STORED[number_of_parts])
    expected = 9 if number_of_parts == 9 else 16
    if stored.shape != (expected, 3):
        raise InputError(f"a person's joints: expected {expected} x 3 numbers, found {stored.shape}")
    missing = (stored[:, :2] <= 0).all(axis=1)
    parts = stored[pairs, :2].mean(axis=1) - 1
    center = tuple(float(value) - 1 for value in objpos)
    return GroundTruth(parts, ~missing[pairs].any(axis=1), center, float(scale_provided))


def person_truth(person: Person, number_of_parts: int = 14) -> GroundTruth:
    """`ground_truth` of a person as an LMDB record holds him or her."""
    return ground_truth(person.joints, person.objpos, person.scale_provided, number_of_parts)


def record_picture(record: Record) -> np.ndarray:
    """The record's picture, uint8 (H, W, 3) BGR, without the padding to 64 columns of narrow ones."""
    return record.image[: int(record.img_height), : int(record.img_width)]


def read_people(
    reader: LmdbReader, limit: int | None = None, number_of_parts: int = 14
) -> Iterator[tuple[inference.Person, GroundTruth]]:
    """The primary person of each of the first `limit` records (default: all), as asked and as annotated."""
    number_of_joints = 9 if number_of_parts == 9 else 16
    for index in range(len(reader) if limit is None else min(limit, len(reader))):
        where = reader.where(index)
        record = decode(reader.value(index), number_of_joints, where)
        truth = person_truth(record.self_person, number_of_parts)
        yield inference.Person(record_picture(record), truth.center, truth.scale, where), truth


def estimate_people(
    people: Iterable[tuple[inference.Person, GroundTruth]],
    net: torch.nn.Module,
    stages: Sequence[int],
    **protocol,
) -> tuple[list[GroundTruth], dict[int, list[np.ndarray]]]:
    """Run the testing protocol on people (see `read_people`) as they come.

    Returns the annotations, and for each stage of `stages` (1-based) the joints found, (P, 2) per person.
    protocol: `scales`, `target_dist`, `sigma_center` and `batch_size` of `inference.estimate_poses`.
    Raises InputError if the network has other parts than the annotations.
    """
    truths: list[GroundTruth] = []
    found: dict[int, list[np.ndarray]] = {stage: [] for stage in stages}

    def asked() -> Iterator[inference.Person]:
        for person, truth in people:
            truths.append(truth)
            yield person

    for poses in inference.estimate_poses(asked(), net, stages=stages, **protocol):
        for stage, pose in zip(stages, poses, strict=True):
            if len(pose.joints) != len(truths[0].parts):
                raise InputError(
                    f"the network: expected belief maps of {len(truths[0].parts)} parts and the background, "
                    f"found {len(pose.maps)} maps"
                )
            found[stage].append(pose.joints)
    return truths, found


@dataclass(frozen=True)
class Pck:
    """Counted hits: hits (K, P) of P parts at K thresholds (fractions of the torso), counts (P,) joints judged,
    people judged, and people left_out because shoulder or hip of their torso is missing."""

    thresholds: np.ndarray
    hits: np.ndarray
    counts: np.ndarray
    people: int
    left_out: int

    def percent(self, parts: Sequence[int] | None = None) -> np.ndarray:
        """(K,) PCK in percent of `parts` together (default: all, the papers' Total); NaN if none was judged."""
        chosen = slice(None) if parts is None else list(parts)
        judged = self.counts[chosen].sum()
        return 100 * self.hits[:, chosen].sum(axis=1) / judged if judged else np.full(len(self.hits), np.nan)

    def rows(self) -> dict[str, np.ndarray]:
        """The rows of the papers' tables, left and right together, and Total; each (K,) in percent."""
        rows = joints.TABLE_ROWS[len(self.counts)]
        return {name: self.percent(parts) for name, parts in rows.items()} | {"Total": self.percent()}

    def at(self, threshold: float) -> int:
        """The index of a threshold; ValueError if PCK was not counted there."""
        found = np.flatnonzero(np.isclose(self.thresholds, threshold, rtol=0, atol=1e-9))
        if not found.size:
            raise ValueError(f"PCK was not counted at {threshold}")
        return int(found[0])


def pck(predicted: Sequence[np.ndarray], truths: Sequence[GroundTruth], thresholds: np.ndarray = THRESHOLDS) -> Pck:
    """PCK of predicted joints, each float (P, 2) in 0-based pixels, against as many annotated people.

    A joint is right if its distance is at most threshold * torso; missing joints and people without a torso
    are left out.
    """
    if len(predicted) != len(truths) or not truths:
        raise InputError(f"PCK: expected a pose for each person, found {len(predicted)} for {len(truths)}")
    number_of_parts = len(truths[0].parts)
    shoulder, hip = joints.TORSO[number_of_parts]
    thresholds = np.asarray(thresholds, np.float64)
    hits = np.zeros((len(thresholds), number_of_parts), np.int64)
    counts = np.zeros(number_of_parts, np.int64)
    left_out = 0
    for pose, truth in zip(predicted, truths, strict=True):
        torso = np.linalg.norm(truth.parts[shoulder] - truth.parts[hip])
        if not (truth.present[shoulder] and truth.present[hip] and torso > 0):
            left_out += 1
            continue
        distance = np.linalg.norm(np.asarray(pose) - truth.parts, axis=1) / torso
        hits += (distance[None] <= thresholds[:, None]) & truth.present
        counts += truth.present
    return Pck(thresholds, hits, counts, len(truths) - left_out, left_out)


def mean_pose(truths: Iterable[GroundTruth]) -> np.ndarray:
    """float64 (P, 2): where the joints of the training people lie on average, relative to the person's centre
    and in units of `scale` (200 px of a person's height of 200 px); missing joints are left out.

    Raises InputError if a part is missing in everybody.
    """
    total, counts = 0.0, 0
    for truth in truths:
        relative = (truth.parts - np.asarray(truth.center)) / truth.scale
        total = total + np.where(truth.present[:, None], relative, 0.0)
        counts = counts + truth.present.astype(np.int64)
    if np.min(counts) == 0:
        raise InputError("the mean pose: expected every part in at least one training person, found none")
    return total / counts[:, None]


def place_mean_pose(mean: np.ndarray, truth: GroundTruth) -> np.ndarray:
    """The mean pose (P, 2) at a test person's centre, in his or her size: 0-based pixels."""
    return mean * truth.scale + np.asarray(truth.center)


def pck_table(results: Mapping[str, Pck], threshold: float = PAPER_THRESHOLD) -> str:
    """An aligned text table: a line per result, a column per row of the papers' tables, in percent."""
    title = f"PCK@{threshold:g}"
    first = next(iter(results.values()))
    names = list(first.rows())
    width = max(len(title), *(len(name) for name in results))
    lines = [title.ljust(width) + "".join(f"{name:>10}" for name in names)]
    for label, result in results.items():
        index = result.at(threshold)
        cells = (f"{values[index]:10.2f}" for values in result.rows().values())
        lines.append(label.ljust(width) + "".join(cells))
    return "\n".join(lines)


def as_json(result: Pck) -> dict:
    """What `--json` writes of a result: numbers only; PCK in percent, null where no joint was judged."""

    def numbers(values: np.ndarray) -> list:
        return [None if np.isnan(value) else round(float(value), 4) for value in values]

    names = joints.PARTS[len(result.counts)]
    return {
        "people": result.people,
        "people_without_torso": result.left_out,
        "thresholds": [float(value) for value in result.thresholds],
        "rows": {name: numbers(values) for name, values in result.rows().items()},
        "parts": {name: numbers(result.percent([part])) for part, name in enumerate(names)},
        "joints_judged": {name: int(count) for name, count in zip(names, result.counts, strict=True)},
    }
