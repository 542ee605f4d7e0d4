"""What the project writes and reads again, but for Caffe's files: how it is broken, and what reads it.

Each kind is a function that writes what its readers need into a folder and returns the seeds; it is called again in the
process that reads.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cpm_repro.convert.weights import load, save_pt, save_safetensors
from cpm_repro.evaluation.ground_truth import ground_truth
from cpm_repro.evaluation.predictions import SUFFIXES, Predictions, read_predictions, write_predictions
from cpm_repro.training.log import iteration_lines, parse_log
from prototxt_import.fast.measured_plans import MeasuredPlans
from tests.foreign_nets import foreign_net
from tests.whole.fuzz.mutations import broken_bytes, broken_json, broken_text
from tests.whole.fuzz.watched import Seed, attempt


def results(folder: Path) -> list[Seed]:
    """Converted nets, predictions, measured plans, dumps and logs."""
    net, text = foreign_net("dilated")
    random = np.random.default_rng(0)
    found = Predictions(random.uniform(1, 40, (3, 14, 2)), random.uniform(0, 1, (3, 14)))
    log = "".join(f"{line}\n" for index in range(5) for line in iteration_lines(index, 2.5, [("loss_stage1", 2.5)], {}))
    save_pt(folder / "good.pt", net, text)
    save_safetensors(folder / "good.safetensors", net, text)
    for suffix in SUFFIXES:
        write_predictions(folder / f"good{suffix}", found, [(1, 1), (1, 2), (2, 1)])
    readers = {".pt": load, ".safetensors": load, **dict.fromkeys(SUFFIXES, _read_predictions)}
    seeds = [
        Seed(f"results{suffix}", (folder / f"good{suffix}").read_bytes(), (broken_bytes,), _only(reader))
        for suffix, reader in readers.items()
    ]
    seeds.append(Seed("results.json", (folder / "good.json").read_bytes(), (broken_json,), _only(_read_predictions)))
    plans = {"CPU": {"7 -> 9": {"tile": "8", "seconds": {"8": 0.1, "direct": 0.2}}, "3 -> 4": {"tile": None}}}
    seeds.append(Seed("plans.json", json.dumps(plans).encode(), (broken_json, broken_bytes), _only(MeasuredPlans)))
    return [*seeds, Seed("results.log", log.encode(), (broken_text,), _only(parse_log))]


def _only(function: Callable) -> Callable[[Path], None]:
    """A reader that calls this one function."""

    def read(path: Path) -> None:
        attempt(function, path)

    return read


def _read_predictions(path: Path) -> None:
    random = np.random.default_rng(1)
    people = [random.uniform(1, 40, (16, 3)) for _ in range(3)]
    truths = [ground_truth(joints, joints[0, :2], 1.0) for joints in people]
    read_predictions(path, [replace(t, place=p) for t, p in zip(truths, [(1, 1), (1, 2), (2, 1)], strict=True)])
