"""Figure 6c: how many stages, each net trained jointly from scratch; and what each stage of the largest net finds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck
from cpm_repro.figures import curves

from .networks import recipe
from .recipes import Recipe
from .scores import mean_curve, rows_of, total
from .study import Result, Setting, Study, Table, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def recipes(setting: Setting) -> list[Recipe]:
    """A net of each number of stages, for each seed."""
    return [of for seed in setting.each_seed() for of in _of_seed(setting, seed)]


def _of_seed(setting: Setting, seed: int) -> list[Recipe]:
    counts = range(1, setting.size.cpm.stages + 1)
    return [recipe(f"{count} stages, seed {seed}", setting.size, setting.data, seed, count) for count in counts]


def read(setting: Setting) -> Result:
    """PCK of every net's last stage, and of every stage of the largest net."""
    found = {seed: [setting.trainer.scores(each) for each in _of_seed(setting, seed)] for seed in setting.each_seed()}
    count = setting.size.cpm.stages
    nets = {
        f"{n} stages" if n > 1 else "1 stage": [found[seed][n - 1][n] for seed in found] for n in range(1, count + 1)
    }
    stages = {f"stage {n}": [found[seed][-1][n] for seed in found] for n in range(1, count + 1)}
    return Result(
        verdicts=_verdicts(list(nets.values()), list(stages.values()), count),
        tables=[
            _table("Nets of so many stages, their last stage", nets),
            _table(f"Stages of the net of {count}", stages),
        ],
        figures={
            "nets.png": _figure(nets, "nets of so many stages"),
            "stages.png": _figure(stages, f"one net of {count}"),
        },
    )


def _verdicts(nets: Sequence[Sequence[Pck]], stages: Sequence[Sequence[Pck]], count: int) -> list[Verdict]:
    def gains(last: Sequence[Pck], first: Sequence[Pck]) -> list[float]:
        return [total(a) - total(b) for a, b in zip(last, first, strict=True)]

    rule = f"PCK@{PAPER_THRESHOLD:g} of {{}} less that of {{}} is above 0 with every seed"
    middle = min(3, count)
    return [
        Verdict("more stages find more joints", rule.format(f"{count} stages", "1"), gains(nets[-1], nets[0])),
        Verdict(
            f"most of it is gained by stage {middle}",
            f"the gain up to {middle} stages less that from there on is above 0 with every seed",
            [
                first - rest
                for first, rest in zip(gains(nets[middle - 1], nets[0]), gains(nets[-1], nets[middle - 1]), strict=True)
            ],
        ),
        Verdict(
            "within one net the last stage finds more than the first",
            rule.format(f"stage {count}", "stage 1"),
            gains(stages[-1], stages[0]),
        ),
    ]


def _table(title: str, results: dict[str, list[Pck]]) -> Table:
    names, rows = rows_of(results)
    return Table(f"PCK@{PAPER_THRESHOLD:g}. {title}", names, rows)


def _figure(results: dict[str, list[Pck]], what: str) -> "Figure":
    shown = {name: mean_curve(each) for name, each in results.items()}
    return curves.stage_figure(shown, {}, f"PCK, person-centric, total: {what}", PAPER_THRESHOLD, "torso")


STUDY = Study(
    "stages",
    "figure 6c, section 4.2",
    "The paper: performance rises with every stage up to the fifth, where it saturates; each stage refines the maps of "
    "the one before.",
    recipes,
    read,
)
