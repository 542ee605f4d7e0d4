"""Figures 8 and 9, "+ MPII", "+ LEEDS": what a second training set adds, at the same number of samples seen."""

from dataclasses import replace
from pathlib import Path

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck
from cpm_repro.figures import curves

from .data import digest, records_of
from .networks import recipe
from .recipes import Recipe
from .scores import mean_curve, rows_of, total
from .study import Result, Setting, Study, Table, Verdict
from .subsets import part, together

OWN, OTHER, BOTH = "the first set", "the second set", "both"
OF_DRAWN = 1 / 6
"""Where no second LMDB is given: this share of the training records is the first set, the rest the second."""


def sets(setting: Setting) -> dict[str, Path]:
    """The three training LMDBs."""
    data = setting.data
    made_of = "+".join([data.digest.replace(" ", "-"), *map(digest, data.more)])
    folder = setting.trainer.out / "sets" / made_of
    if data.more:
        own, other = data.train, together(folder / "more", data.more)
    else:
        size = records_of(data.train)
        first = max(1, round(OF_DRAWN * size))
        own, other = part(folder / "first", data.train, 0, first), part(folder / "second", data.train, first, size)
    return {OWN: own, OTHER: other, BOTH: together(folder / "both", [own, other])}


def recipes(setting: Setting) -> list[Recipe]:
    """A training on each, for each seed."""
    paths = sets(setting)
    return [_on(setting, name, path, seed) for seed in setting.each_seed() for name, path in paths.items()]


def _on(setting: Setting, name: str, path: Path, seed: int) -> Recipe:
    data = replace(setting.data, train=path.resolve(), digest=digest(path))
    return recipe(f"{name}, seed {seed}", setting.size, data, seed, setting.stages)


def read(setting: Setting) -> Result:
    """PCK of the last stage of each."""
    found = {
        name: [setting.trainer.last_score(_on(setting, name, path, seed)) for seed in setting.each_seed()]
        for name, path in sets(setting).items()
    }
    names, rows = rows_of(found)
    title = f"PCK, person-centric: {setting.data.name}"
    shown = {name: mean_curve(results) for name, results in found.items()}
    return Result(
        verdicts=[_gain(found, OWN), _gain(found, OTHER)],
        tables=[Table(f"PCK@{PAPER_THRESHOLD:g} by training set", names, rows)],
        figures={"data.png": curves.rate_figure(shown, title, PAPER_THRESHOLD, "torso")},
        remarks=[f"{name}: {records_of(path):,} people" for name, path in sets(setting).items()],
    )


def _gain(found: dict[str, list[Pck]], alone: str) -> Verdict:
    differences = [total(both) - total(one) for both, one in zip(found[BOTH], found[alone], strict=True)]
    rule = f"PCK@{PAPER_THRESHOLD:g} of both less that of {alone} is above 0 with every seed"
    return Verdict(f"both sets together find more than {alone} alone", rule, differences)


STUDY = Study(
    "data",
    "figures 8 and 9, section 4.2",
    "The paper: adding a second data set to the training (MPII to LSP, LSP to MPII) raises PCK, from 84.32 to 90.5 on "
    "LSP.",
    recipes,
    read,
)
