"""Sections 3.3 and 4.2: whose pose, where several people are near? The centre map says it to the later stages, and
stage 1, which sees too little to know, is taught everybody's joints."""

from collections.abc import Callable
from dataclasses import replace

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck
from cpm_repro.figures import curves
from prototxt_import.formats import schema

from .data import Data, digest
from .networks import one_label_set, recipe, without_center_map
from .recipes import Recipe
from .scores import mean_curve, rows_of, total
from .study import Result, Setting, Study, Table, Verdict
from .subsets import with_others

PAPERS, NO_CENTER, ONE_SET = "as in the paper", "without the centre map", "stage 1 taught the centred person only"
CHANGES: dict[str, tuple[Callable[[schema.NetParameter], schema.NetParameter], ...]] = {
    PAPERS: (),
    NO_CENTER: (without_center_map,),
    ONE_SET: (one_label_set,),
}


def recipes(setting: Setting) -> list[Recipe]:
    """All three, for each seed."""
    return [_of(setting, way, seed) for seed in setting.each_seed() for way in CHANGES]


def _of(setting: Setting, way: str, seed: int) -> Recipe:
    whole = recipe(f"{way}, seed {seed}", setting.size, setting.data, seed, setting.stages)
    for change in CHANGES[way]:
        whole = replace(whole, train=change(whole.train), deploy=change(whole.deploy))
    return whole


def read(setting: Setting) -> Result:
    """PCK of the last stage, on the held-out pictures that show several people."""
    crowd = setting.trainer.judged_by(_several(setting))
    found = {way: [crowd.scores(_of(setting, way, seed)) for seed in setting.each_seed()] for way in CHANGES}
    stages = max(found[PAPERS][0])
    last = {way: [scores[stages] for scores in seeds] for way, seeds in found.items()}
    first = {way: [scores[1] for scores in seeds] for way, seeds in found.items()}
    (names, rows), (_, rows_of_first) = rows_of(last), rows_of(first)
    shown = {way: mean_curve(results) for way, results in last.items()}
    return Result(
        verdicts=[_better(last, NO_CENTER), _better(last, ONE_SET)],
        tables=[
            Table(f"PCK@{PAPER_THRESHOLD:g} of the last stage, pictures of several people", names, rows),
            Table(f"PCK@{PAPER_THRESHOLD:g} of stage 1, pictures of several people", names, rows_of_first),
        ],
        figures={"center_map.png": curves.rate_figure(shown, "PCK, several people", PAPER_THRESHOLD, "torso")},
    )


def _several(setting: Setting) -> Data:
    """The same people, judged by the pictures that show several."""
    crowd = with_others(
        setting.trainer.out / "sets" / f"{setting.data.judged.replace(' ', '-')}-crowd", setting.data.held_out
    )
    return replace(setting.data, held_out=crowd, judged=digest(crowd), people=None)


def _better(found: dict[str, list[Pck]], than: str) -> Verdict:
    differences = [total(a) - total(b) for a, b in zip(found[PAPERS], found[than], strict=True)]
    rule = f"PCK@{PAPER_THRESHOLD:g} of the paper's way less that of the other is above 0 with every seed"
    return Verdict(f"the paper's way finds more than this one: {than}", rule, differences)


STUDY = Study(
    "center_map",
    "sections 3.3 and 4.2",
    "The paper: with several people in a picture the net is told by a centre map which one is meant; stage 1 is taught "
    "everybody's joints, the later stages the centred person's alone.",
    recipes,
    read,
)
