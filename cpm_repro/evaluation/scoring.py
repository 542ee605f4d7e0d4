"""A benchmark from annotated people and runs to results: what `tools/evaluate.py` does for LSP, FLIC and MPII.

A run is a name and the joints (N, P, 2) that it found, in 0-based pixels, one pose for each annotated person.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from cpm_repro.inference.crops import Person
from cpm_repro.inference.protocol import RELEASE_BOX
from data_lmdb.counts import how_many
from data_lmdb.datasets import flic, lsp, mpii
from data_lmdb.records.reader import LmdbReader
from prototxt_import.files import InputError

from . import pckh
from .ground_truth import GroundTruth, mean_pose, observer_centric, observer_order, place_mean_pose, read_people
from .misses import Misses, counted, kinds_of_joints, misses_as_json
from .pck import PAPER, PAPER_THRESHOLD, Pck, annotated_torsos, as_json, count_hits, pck_table, predicted_torsos
from .predictions import read_predictions

MEAN_POSE = "mean pose"
WHOLE_PICTURE_TARGET_DIST = 0.8  # at the release's input size

Results = dict[str, Pck]
Runs = dict[str, np.ndarray]
Progress = Callable[..., Iterable[Any]]
"""Wraps an iteration and is told its `total`, as tqdm does."""


class Benchmark(NamedTuple):
    """What differs between the papers' data sets; dataset: their name in LMDBs; sizes: what distances are divided by,
    the paper's first."""

    dataset: str
    number_of_parts: int
    metric: str
    threshold: float
    sizes: tuple[str, ...]


BENCHMARKS = {
    "lsp": Benchmark(lsp.DATASET, 14, "PCK", PAPER_THRESHOLD, ("annotated torso",)),
    "flic": Benchmark(flic.DATASET, 9, "PCK", PAPER_THRESHOLD, ("predicted torso", "annotated torso")),
    "mpii": Benchmark(mpii.DATASET, 14, "PCKh", pckh.PAPER_THRESHOLD, ("head size",)),
}


def read_truths(lmdb: str | os.PathLike[str], number_of_parts: int, limit: int | None = None) -> list[GroundTruth]:
    """The annotated people of an LMDB's first `limit` records (default: all)."""
    with LmdbReader(lmdb) as reader:
        return [truth for _, truth in read_people(reader, limit, number_of_parts)]


def whole_picture(person: Person) -> Person:
    """The person as the release finds LSP's: in the middle of the picture, which is as high as the input."""
    height, width = person.image.shape[:2]
    return person._replace(center=(width / 2 - 1, height / 2 - 1), scale=height / RELEASE_BOX)


def mean_pose_run(lmdb: str | os.PathLike[str], truths: Sequence[GroundTruth], progress: Progress) -> np.ndarray:
    """float64 (N, P, 2), 0-based px: the mean pose of an LMDB's training people, placed on the N test people."""
    with LmdbReader(lmdb) as reader:
        people = read_people(reader, number_of_parts=len(truths[0].parts))
        mean = mean_pose(truth for _, truth in progress(people, total=len(reader)))
    return np.stack([place_mean_pose(mean, truth) for truth in truths])


def runs_from_files(files: Sequence[tuple[str, str | os.PathLike[str]]], truths: Sequence[GroundTruth]) -> Runs:
    """The runs in predictions files, given as (name, file); InputError for a name that another run has."""
    runs: Runs = {}
    for name, path in files:
        if name in runs or name == MEAN_POSE or name.startswith("stage "):
            raise InputError(f"{path}: expected a name of its own (NAME=FILE), found {name}, which is taken")
        runs[name] = read_predictions(path, truths)
    return runs


def as_observer(runs: Runs, truths: Sequence[GroundTruth]) -> tuple[Runs, list[GroundTruth]]:
    """Runs and people with left and right as the observer sees them, each pose by its own shoulders."""
    turned = {name: np.stack([pose[observer_order(pose)] for pose in poses]) for name, poses in runs.items()}
    return turned, [observer_centric(truth) for truth in truths]


def sizes_by(
    size: str, poses: np.ndarray, truths: Sequence[GroundTruth], head_sizes: np.ndarray | None = None
) -> np.ndarray:
    """(N,) px by one of `Benchmark.sizes`, NaN for people who are left out; `head_sizes` (N,) for "head size" only."""
    if size == "annotated torso":
        return annotated_torsos(truths)
    if size == "predicted torso":
        return predicted_torsos(list(poses))
    if head_sizes is None:
        raise ValueError("PCKh needs the sizes of heads")
    return pckh.judged_heads(head_sizes)


def results_by(size: str, runs: Runs, truths: Sequence[GroundTruth], head_sizes: np.ndarray | None = None) -> Results:
    """The results of runs by one of `Benchmark.sizes`."""
    return {
        name: count_hits(list(poses), truths, sizes_by(size, poses, truths, head_sizes)) for name, poses in runs.items()
    }


class Scores(NamedTuple):
    """results: by size, then by run; kinds: `misses.kinds_of_joints` by run, at the paper's size and threshold;
    clusters: PCKh by run, then by viewpoint cluster, if there are clusters; paper: known rates as in
    `pck.PAPER`, if they are comparable."""

    benchmark: Benchmark
    results: dict[str, Results]
    kinds: dict[str, np.ndarray]
    clusters: dict[str, dict[int, Pck]]
    paper: Mapping[str, Mapping[str, float]]

    @property
    def misses(self) -> dict[str, Misses]:
        """What joints were taken for, by run."""
        return {run: counted(kinds) for run, kinds in self.kinds.items()}

    def first(self) -> tuple[str, Results]:
        """The size that the paper divides by, and the results by it."""
        return next(iter(self.results.items()))

    def text(self) -> str:
        """The tables in percent, with the paper's rows, and how many people and joints they judge."""
        blocks = []
        for size, results in self.results.items():
            judged = next(iter(results.values()))
            blocks += [f"distances by the {size}"] if len(self.results) > 1 else []
            blocks.append(pck_table(results, self.benchmark.threshold, self.benchmark.metric, self.paper))
            judges = f"{how_many(judged.people, 'person', 'people')}, {how_many(judged.joints, 'joint')}"
            blocks.append(f"{judges}; {how_many(judged.left_out, 'person', 'people')} left out: no {size}")
        for run, clusters in self.clusters.items():
            named = {f"cluster {label}": result for label, result in clusters.items()}
            blocks.append(f"{run}, by viewpoint cluster")
            blocks.append(pck_table(named, self.benchmark.threshold, self.benchmark.metric))
        return "\n".join(blocks)

    def as_json(self) -> dict[str, object]:
        """Everything: `results` are those by the paper's size."""
        by_size = {size: {run: as_json(r) for run, r in results.items()} for size, results in self.results.items()}
        size, _ = self.first()
        report = {
            "metric": self.benchmark.metric,
            "paper_threshold": self.benchmark.threshold,
            "paper": {name: dict(known) for name, known in self.paper.items()},
            "size": size,
            "results": by_size.pop(size),
            "misses": {run: misses_as_json(each) for run, each in self.misses.items()},
        }
        report |= {f"results_by_{size.replace(' ', '_')}": results for size, results in by_size.items()}
        if self.clusters:
            report["clusters"] = {
                run: {str(label): as_json(result) for label, result in clusters.items()}
                for run, clusters in self.clusters.items()
            }
        return report


def scores(
    name: str,
    runs: Runs,
    truths: Sequence[GroundTruth],
    head_sizes: np.ndarray | None = None,
    clusters: np.ndarray | None = None,
    observer: bool = False,
) -> Scores:
    """Score runs on a benchmark of `BENCHMARKS`.

    head_sizes: (N,) px, for MPII. clusters: (N,) int, MPII's people by viewpoint. observer: judge left and right as
    the observer sees them. The paper's figures come along for the benchmark's own people, judged person-centric.
    """
    benchmark = BENCHMARKS[name]
    comparable = not observer and {truth.dataset for truth in truths} <= {"", benchmark.dataset}
    if observer:
        runs, truths = as_observer(runs, truths)
    results = {size: results_by(size, runs, truths, head_sizes) for size in benchmark.sizes}
    first = benchmark.sizes[0]
    kinds = {
        run: kinds_of_joints(poses, truths, sizes_by(first, poses, truths, head_sizes), benchmark.threshold)
        for run, poses in runs.items()
    }
    by_cluster = {}
    if clusters is not None and head_sizes is not None:
        for run, poses in runs.items():
            by_cluster[run] = pckh.pckh_by_cluster(list(poses), truths, head_sizes, clusters)
    return Scores(benchmark, results, kinds, by_cluster, PAPER[name] if comparable else {})
