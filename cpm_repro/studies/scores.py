"""PCK results of several seeds as the numbers and curves that studies show."""

from collections.abc import Mapping, Sequence

import numpy as np

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck


def total(result: Pck, threshold: float = PAPER_THRESHOLD) -> float:
    """PCK of all parts together at a threshold, percent."""
    return float(result.percent()[result.at(threshold)])


def mean_curve(results: Sequence[Pck]) -> Pck:
    """The seeds' hits together, as of one test set that was gone through so many times."""
    first = results[0]
    hits = np.sum([result.hits for result in results], axis=0)
    counts = np.sum([result.counts for result in results], axis=0)
    return Pck(first.thresholds, hits, counts, first.people, first.left_out)


def rows_of(results: Mapping[str, Sequence[Pck]]) -> tuple[list[str], dict[str, list[list[float]]]]:
    """The paper's columns (head to ankle, total), and for each name the values at its threshold by seed."""
    names = list(next(iter(results.values()))[0].rows())
    at = next(iter(results.values()))[0].at(PAPER_THRESHOLD)
    rows = {
        name: [[float(result.rows()[column][at]) for result in seeds] for column in names]
        for name, seeds in results.items()
    }
    return names, rows
