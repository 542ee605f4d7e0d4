"""Where the methods that studies compare find the joints of held-out people: a CPM, stage by stage; the pose machine of
2014, stage by stage, on the same crops of the same people; and the mean pose, which looks at no picture."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from cpm_kernels.host import available_cores
from cpm_repro.evaluation.ground_truth import GroundTruth, read_people
from cpm_repro.evaluation.scoring import Runs, mean_pose_run
from cpm_repro.inference.protocol import Protocol
from data_lmdb.records.reader import LmdbReader

from .networks import recipe, transform
from .pose_machine.needing import check_packages
from .pose_machine.poses import Asked, held_out_poses
from .recipes import Recipe
from .study import Setting

STAGES = 3
MEAN_POSE = "mean pose"


def cpm(stage: int) -> str:
    """The name of a CPM's stage."""
    return f"CPM, stage {stage}"


def pose_machine(stage: int) -> str:
    """The name of a pose machine's stage."""
    return f"pose machine, stage {stage}"


def recipes(setting: Setting) -> list[Recipe]:
    """The CPM of each seed. InputError where the pose machine's packages are missing: before anything is trained."""
    check_packages()
    return [_cpm_recipe(setting, seed) for seed in setting.each_seed()]


def _cpm_recipe(setting: Setting, seed: int) -> Recipe:
    return recipe(f"{STAGES} stages, seed {seed}", setting.size, setting.data, seed, STAGES)


def truths(setting: Setting) -> list[GroundTruth]:
    """The held-out people who are judged, as annotated."""
    with LmdbReader(setting.data.held_out) as reader:
        return [truth for _, truth in read_people(reader, setting.data.people, setting.size.cpm.parts)]


def runs(setting: Setting, seed: int, judged: Sequence[GroundTruth]) -> Runs:
    """float64 (N, P, 2) of each method, pose machine first; each is trained or read where it was kept."""
    found: Runs = {pose_machine(stage): joints for stage, joints in _pose_machine(setting, seed).items()}
    found |= {cpm(stage): joints for stage, joints in setting.trainer.joints(_cpm_recipe(setting, seed)).items()}
    return found | {MEAN_POSE: mean_pose_run(setting.data.train, judged, _bar)}


def _bar(people: Iterable[Any], total: int) -> Iterable[Any]:
    return tqdm(people, "mean pose", total, leave=False, disable=None)


def _pose_machine(setting: Setting, seed: int) -> dict[int, np.ndarray]:
    size, data, trainer = setting.size, setting.data, setting.trainer
    asked = Asked(
        data.train,
        data.held_out,
        (data.digest, data.judged),
        transform(size, size.cpm.parts),
        Protocol(size.crop, size.target_dist, size.sigma_center, (1.0,)),
        replace(size.pose_machine, stages=STAGES, seed=seed),
        data.people,
    )
    return held_out_poses(asked, trainer.out / "pose_machines" / asked.digest, trainer.threads or available_cores())
