"""Figure 6b: four ways to train the same net: jointly with a loss per stage, stage by stage, stage by stage and then
jointly, and jointly with the last stage's loss alone (section 4.1)."""

from dataclasses import replace

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck
from cpm_repro.figures import curves

from .networks import frozen_before, only_losses, recipe, solver
from .recipes import Recipe
from .scores import mean_curve, rows_of, total
from .study import Result, Setting, Study, Table, Verdict

JOINTLY, STAGEWISE, THEN_JOINTLY, LAST_LOSS = (
    "(i) jointly, a loss per stage",
    "(ii) stage by stage",
    "(iii) (ii), then jointly",
    "(iv) jointly, the last loss alone",
)


def recipes(setting: Setting) -> list[Recipe]:
    """All four, for each seed."""
    return [each for seed in setting.each_seed() for each in of_seed(setting, seed).values()]


def of_seed(setting: Setting, seed: int) -> dict[str, Recipe]:
    """The four trainings by name. (i), (ii) and (iv) see as many samples; (iii) twice as many, as the paper's is
    trained longer."""
    stages = setting.stages
    jointly = recipe(f"{JOINTLY}, seed {seed}", setting.size, setting.data, seed, stages)
    stagewise = _stage_by_stage(setting, seed, stages)
    then = replace(jointly, name=f"{THEN_JOINTLY}, seed {seed}", start=stagewise)
    last = replace(jointly, name=f"{LAST_LOSS}, seed {seed}", train=only_losses(jointly.train, [stages]))
    return {JOINTLY: jointly, STAGEWISE: stagewise, THEN_JOINTLY: then, LAST_LOSS: last}


def _stage_by_stage(setting: Setting, seed: int, stages: int) -> Recipe:
    """Stage 1 alone, then each next stage on top of the frozen earlier ones; the iterations are shared out to them."""
    size, start = setting.size, None
    for stage in range(1, stages + 1):
        share = size.iterations * stage // stages - size.iterations * (stage - 1) // stages
        whole = recipe(f"(ii) stage {stage}, seed {seed}", size, setting.data, seed, stage)
        train = frozen_before(only_losses(whole.train, [stage]), stage)
        start = replace(whole, train=train, solver=solver(size, seed, share), start=start)
    assert start is not None
    return replace(start, name=f"{STAGEWISE}, seed {seed}")


def read(setting: Setting) -> Result:
    """PCK of the last stage of each."""
    by_seed = [of_seed(setting, seed) for seed in setting.each_seed()]
    found = {way: [setting.trainer.last_score(ways[way]) for ways in by_seed] for way in by_seed[0]}
    names, rows = rows_of(found)
    shown = {way: mean_curve(results) for way, results in found.items()}
    title = "PCK, person-centric: four ways to train"
    samples = "; ".join(f"{way} {each.samples:,}" for way, each in by_seed[0].items())
    return Result(
        verdicts=[_better(found, JOINTLY, other) for other in (STAGEWISE, LAST_LOSS)]
        + [_better(found, THEN_JOINTLY, STAGEWISE)],
        tables=[Table(f"PCK@{PAPER_THRESHOLD:g}", names, rows)],
        figures={"ways.png": curves.rate_figure(shown, title, PAPER_THRESHOLD, "torso")},
        remarks=[f"training samples seen: {samples}"],
    )


def _better(found: dict[str, list[Pck]], one: str, other: str) -> Verdict:
    differences = [total(a) - total(b) for a, b in zip(found[one], found[other], strict=True)]
    rule = f"PCK@{PAPER_THRESHOLD:g} of the first less that of the second is above 0 with every seed"
    return Verdict(f"{one} finds more than {other}", rule, differences)


STUDY = Study(
    "training",
    "figure 6b, section 4.1",
    "The paper: joint training with a loss per stage is best; stage by stage it saturates lower; going on jointly from "
    "there comes near, with longer training; without intermediate losses it is worst.",
    recipes,
    read,
)
