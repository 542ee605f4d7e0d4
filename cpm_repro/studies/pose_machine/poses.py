"""One pose machine from people to joints: trained on one LMDB, asked for the people of another."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cpm_repro.inference.averages import Averaged
from cpm_repro.inference.protocol import Protocol
from cpm_repro.npz import read_npz, write_npz
from prototxt_import.files import require
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import format_prototxt

from .machine import PoseMachine, Settings
from .people import held_out_people, training_people

POSES = "poses.npz"
FORM = 1  # of features and predictors: another number where these give other maps


@dataclass(frozen=True)
class Asked:
    """A pose machine to train, and whom to ask it for: LMDBs with the digests of their people, the crops of both, the
    machine's settings; limit: only the first people are asked for."""

    train: Path
    held_out: Path
    digests: tuple[str, str]
    transform: schema.TransformationParameter
    protocol: Protocol
    settings: Settings
    limit: int | None = None

    @property
    def digest(self) -> str:
        """Of all that decides the poses."""
        said = [format_prototxt(self.transform), asdict(self.protocol), asdict(self.settings), self.digests, self.limit]
        return hashlib.sha256(json.dumps([FORM, *said]).encode()).hexdigest()[:12]


def held_out_poses(asked: Asked, folder: Path, jobs: int) -> dict[int, np.ndarray]:
    """What each stage (from 1) finds: float64 (N, P, 2), 0-based px of the pictures.

    Kept in `folder` as poses.npz; a machine that was stopped goes on from the maps that are there.
    """
    path = folder / POSES
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_npz(path, {f"stage{stage}": joints for stage, joints in _found(asked, folder, jobs).items()})
        for maps in folder.glob("*_without*.npz"):  # of the way
            maps.unlink()
    return _read(path, asked.settings.stages)


def _read(path: Path, stages: int) -> dict[int, np.ndarray]:
    """InputError for a file that somebody damaged."""
    stored = read_npz(path)
    found = {stage: stored.get(f"stage{stage}", np.empty(0)) for stage in range(1, stages + 1)}
    shapes = {joints.shape for joints in found.values()}
    holds = len(stored) == stages and len(shapes) == 1 and shapes.pop()[2:] == (2,)
    expected = f"the joints of {stages} stages as a study writes them (without the file they are found again)"
    require(path, holds, expected, {name: joints.shape for name, joints in stored.items()})
    return found


def _found(asked: Asked, folder: Path, jobs: int) -> dict[int, np.ndarray]:
    def bar(every: Any, total: int) -> Any:
        return tqdm(every, "crops", total, leave=False, disable=None)

    transform, settings = asked.transform, asked.settings
    people = training_people(asked.train, transform, settings.copies, settings.seed, bar)
    held_out = held_out_people(asked.held_out, asked.protocol, int(transform.stride), transform.num_parts, asked.limit)
    with tqdm(unit="predictor", desc="pose machine", leave=False, disable=None) as predictors:

        def told(name: str) -> None:
            predictors.update()

        machine = PoseMachine(people, held_out.cells, settings, folder, jobs, told)
        predictors.reset(machine.predictors)
        stages = machine.stage_maps()
    return {
        stage: np.stack(
            [Averaged(own[None], [crop]).peaks()[0] for own, crop in zip(maps, held_out.crops, strict=True)]
        )
        for stage, maps in enumerate(stages, 1)
    }
