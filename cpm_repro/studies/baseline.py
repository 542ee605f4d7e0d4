"""Figure 6a: the pose machine of 2014 beside the CPM, and what each gains from its context (section 4.1).

Also for the study of viewpoints: where a CPM and the pose machine, stage by stage, and the mean pose, which looks at no
picture, find the joints of the same people.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from cpm_kernels.host import available_cores
from cpm_repro.evaluation.ground_truth import GroundTruth, read_people
from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck, pck
from cpm_repro.evaluation.scoring import MEAN_POSE, Runs, mean_pose_run
from cpm_repro.figures import curves
from cpm_repro.inference.protocol import Protocol
from data_lmdb.records.reader import LmdbReader

from .data import Data, records_of
from .networks import recipe, transform
from .pose_machine.machine import Settings
from .pose_machine.needing import check_packages
from .pose_machine.poses import Asked, held_out_poses
from .recipes import Recipe
from .scores import mean_curve, rows_of, total
from .study import Result, Setting, Study, Table, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES = 3
HIGH_PRECISION = 0.1
Scores = dict[str, list[Pck]]
"""By method, those of each seed."""


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


def judged_people(data: Data, parts: int) -> list[GroundTruth]:
    """The held-out people who are judged, as annotated."""
    with LmdbReader(data.held_out) as reader:
        return [truth for _, truth in read_people(reader, data.people, parts)]


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
        asked_settings(setting, seed),
        data.people,
    )
    return held_out_poses(asked, trainer.out / "pose_machines" / asked.digest, trainer.threads or available_cores())


def asked_settings(setting: Setting, seed: int) -> Settings:
    """Of a pose machine that sees each person as often as the CPM does, as far as the size allows.

    No claim is to rest on how much each has seen.
    """
    most, people = setting.size.pose_machine, records_of(setting.data.train)
    as_often = max(1, round(_cpm_recipe(setting, seed).samples / people))
    return replace(most, copies=min(most.copies, as_often), stages=STAGES, seed=seed)


def read(setting: Setting) -> Result:
    """PCK of both methods' stages."""
    truths = judged_people(setting.data, setting.size.cpm.parts)
    by_seed = [runs(setting, seed, truths) for seed in setting.each_seed()]
    found = {name: [pck(list(found[name]), truths) for found in by_seed] for name in by_seed[0]}
    columns, rows = rows_of(found)
    precise = {
        name: [[total(one, threshold) for one in seeds] for threshold in (0.05, 0.1, 0.2, 0.5)]
        for name, seeds in found.items()
    }
    return Result(
        verdicts=_verdicts(found),
        tables=[
            Table(f"PCK@{PAPER_THRESHOLD:g}, person-centric", columns, rows),
            Table("PCK of all parts over the threshold", ["@0.05", "@0.1", "@0.2", "@0.5"], precise),
        ],
        figures=_figures({name: mean_curve(seeds) for name, seeds in found.items()}),
        remarks=[_effort(setting)],
    )


def _verdicts(found: Scores) -> list[Verdict]:
    rule = "PCK@{:g} of {} less that of {} is above 0 with every seed"

    def more(claim: str, one: str, other: str, threshold: float = PAPER_THRESHOLD) -> Verdict:
        pairs = zip(found[one], found[other], strict=True)
        differences = [total(a, threshold) - total(b, threshold) for a, b in pairs]
        return Verdict(claim, rule.format(threshold, one, other), differences)

    return [
        more("context helps the pose machine: its stage 2 beats its stage 1", pose_machine(2), pose_machine(1)),
        more("its last stage beats its stage 2", pose_machine(STAGES), pose_machine(2)),
        more("the CPM beats the pose machine at high precision", cpm(STAGES), pose_machine(STAGES), HIGH_PRECISION),
        more("the CPM beats the pose machine at low precision", cpm(STAGES), pose_machine(STAGES)),
    ]


def _figures(shown: Mapping[str, Pck]) -> "dict[str, Figure]":
    last = {name: shown[name] for name in (cpm(STAGES), pose_machine(STAGES), MEAN_POSE)}
    stages = {name: result for name, result in shown.items() if name in map(pose_machine, range(1, STAGES + 1))}
    others = {name: shown[name] for name in (cpm(STAGES), MEAN_POSE)}
    title = "PCK, person-centric: CPM and pose machine"
    return {
        "curves.png": curves.rate_figure(last, title, PAPER_THRESHOLD, "torso"),
        "stages.png": curves.stage_figure(
            stages, others, "PCK total: the pose machine's stages", PAPER_THRESHOLD, "torso"
        ),
    }


def _effort(setting: Setting) -> str:
    """What each was trained on: the two are not trained alike, so both are said."""
    (first, *_), people = recipes(setting), records_of(setting.data.train)
    settings = asked_settings(setting, setting.each_seed()[0])
    return (
        f"training people {people:,}; the CPM sees {first.samples:,} samples of them, the pose machine "
        f"{settings.copies * people:,}, {settings.copies} of each, with the same augmentation, and of those "
        f"{settings.positions} positions; levels: {', '.join(settings.levels)}; {settings.folds} folds, "
        f"{settings.trees} trees"
    )


STUDY = Study(
    "pose_machine",
    "figure 6a, section 4.1",
    "The paper: with the modules of a pose machine replaced by convolutional ones, LSP's PCK (person-centric) rises by "
    "42.4 points at 0.1. What it rises from, Ramakrishna et al., Pose Machines (ECCV 2014), is rebuilt here: hand-made "
    "features, extremely randomised trees (the original boosts random forests), stacking.",
    recipes,
    read,
)
