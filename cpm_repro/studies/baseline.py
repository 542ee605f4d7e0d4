"""Figure 6a: the pose machine of 2014 against the CPM, and what each gains from its context (section 4.1)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck, pck
from cpm_repro.figures import curves

from . import methods
from .methods import MEAN_POSE, STAGES, cpm, pose_machine, recipes
from .scores import mean_curve, rows_of
from .study import Result, Setting, Study, Table, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIGH_PRECISION = 0.1
Scores = dict[str, list[Pck]]
"""By method, those of each seed."""


def read(setting: Setting) -> Result:
    """PCK of both methods' stages."""
    truths = methods.truths(setting)
    by_seed = [methods.runs(setting, seed, truths) for seed in setting.each_seed()]
    found = {name: [pck(list(found[name]), truths) for found in by_seed] for name in by_seed[0]}
    columns, rows = rows_of(found)
    precise = {
        name: [[_at(one, threshold) for one in seeds] for threshold in (0.05, 0.1, 0.2, 0.5)]
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


def _at(result: Pck, threshold: float) -> float:
    return float(result.percent()[result.at(threshold)])


def _verdicts(found: Scores) -> list[Verdict]:
    rule = "PCK@{:g} of {} less that of {} is above 0 with every seed"

    def more(claim: str, one: str, other: str, threshold: float = PAPER_THRESHOLD) -> Verdict:
        pairs = zip(found[one], found[other], strict=True)
        differences = [_at(a, threshold) - _at(b, threshold) for a, b in pairs]
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
    settings, (first, *_) = setting.size.pose_machine, recipes(setting)
    people = setting.data.records()
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
