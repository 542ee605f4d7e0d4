"""What a study is: a claim of the paper, the trainings that test it, and a verdict that follows from their numbers."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from prototxt_import.files import require, try_lock, write_text

from .data import Data
from .networks import Size
from .recipes import Recipe
from .trainer import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOLDS, DOES_NOT, UNDECIDED = "holds here", "does not hold here", "undecided here"


@dataclass(frozen=True)
class Setting:
    """What a study is run with; seeds: 1 to that number; stages: of the nets of studies that do not vary them."""

    trainer: Trainer
    size: Size
    seeds: int
    stages: int = 3

    @property
    def data(self) -> Data:
        """Whom it trains on and is judged by."""
        return self.trainer.data

    def each_seed(self) -> range:
        """The seeds of the fillers."""
        return range(1, self.seeds + 1)


class Verdict(NamedTuple):
    """Whether a claim holds here; rule: how that follows from `differences`, one for each seed."""

    claim: str
    rule: str
    differences: list[float]

    @property
    def word(self) -> str:
        """It holds where all seeds say so by the rule, and does not where all say the opposite."""
        if min(self.differences) > 0:
            return HOLDS
        return DOES_NOT if max(self.differences) <= 0 else UNDECIDED


@dataclass
class Table:
    """Numbers to read: a row for each of `rows`, whose values are shown as mean ± half the spread over the seeds.

    rows: by name, for each column the values by seed.
    """

    title: str
    columns: list[str]
    rows: dict[str, list[list[float]]]
    unit: str = "percent"


@dataclass
class Result:
    """What a study found. figures: by file name."""

    verdicts: list[Verdict]
    tables: list[Table]
    figures: "Mapping[str, Figure]" = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Study:
    """name: as typed; where: figure and section of the paper; claim: its finding, in our words; recipes: what has to be
    trained; read: what is read off the trained nets."""

    name: str
    where: str
    claim: str
    recipes: Callable[[Setting], Sequence[Recipe]]
    read: Callable[[Setting], Result]


@contextmanager
def sole_study(out: Path) -> Iterator[None]:
    """InputError if a study runs in that folder already: two would write the same trainings."""
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        require(out, try_lock(descriptor) is not False, "a folder in which no other study runs", "one that does")
        yield
    finally:
        os.close(descriptor)


def run(study: Study, setting: Setting) -> Path:
    """Trains what is not there yet and writes report.md, result.json and the figures to `<out>/<name>`; returns the
    report. The same command goes on after a kill."""
    from cpm_repro.figures import sheet

    setting.trainer.train_all(study.recipes(setting))
    result = study.read(setting)
    folder = setting.trainer.out / study.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in result.figures.items():
        sheet.save(figure, folder / name)
    write_text(folder / "result.json", json.dumps(as_json(study, setting, result), indent=1) + "\n")
    write_text(folder / "report.md", report(study, setting, result))
    return folder / "report.md"


def as_json(study: Study, setting: Setting, result: Result) -> dict[str, object]:
    """All numbers, the recipes' names and folders, and what was concluded."""
    trainings = {recipe.name: f"trainings/{folder}" for recipe, folder in _folders(study, setting)}
    verdicts = [{**verdict._asdict(), "verdict": verdict.word} for verdict in result.verdicts]
    tables = [{"title": t.title, "unit": t.unit, "columns": t.columns, "rows": t.rows} for t in result.tables]
    return {
        "study": study.name,
        "data": setting.data.name,
        "trainings": trainings,
        "verdicts": verdicts,
        "tables": tables,
    }


def report(study: Study, setting: Setting, result: Result) -> str:
    """The report, in Markdown."""
    size, seeds = setting.size, ", ".join(map(str, setting.each_seed()))
    lines = [f"# {study.name}: {study.where}", "", study.claim, "", "## Here", ""]
    lines += [
        f"{setting.data.name}; crops of {size.crop} px; {size.iterations} iterations of {size.batch} samples, where "
        f"nothing else is said; seeds {seeds}.",
        "",
    ]
    for verdict in result.verdicts:
        found = ", ".join(f"{difference:+.3g}" for difference in verdict.differences)
        lines += [f"* {verdict.claim}: **{verdict.word}** ({verdict.rule}; by seed: {found})."]
    lines += ["", *(f"* {remark}" for remark in result.remarks), ""] if result.remarks else [""]
    for table in result.tables:
        lines += [f"{table.title} ({table.unit}; mean over seeds ± half the spread)", "", *table_lines(table), ""]
    lines += [f"![{name}]({name})\n" for name in result.figures]
    lines += ["Trainings: " + ", ".join(f"{recipe.name} `{name}`" for recipe, name in _folders(study, setting)) + "."]
    return "\n".join(lines) + "\n"


def _folders(study: Study, setting: Setting) -> list[tuple[Recipe, str]]:
    """Each training with its folder's name, those that others start from too."""
    every = {each.name: each for recipe in study.recipes(setting) for each in recipe.lineage}
    return [(recipe, setting.trainer.folder(recipe).name) for recipe in every.values()]


def table_lines(table: Table) -> list[str]:
    """The table in Markdown."""
    lines = [f"| | {' | '.join(table.columns)} |", "|---" * (len(table.columns) + 1) + "|"]
    for name, cells in table.rows.items():
        lines.append(f"| {name} | {' | '.join(_cell(values) for values in cells)} |")
    return lines


def _cell(values: Sequence[float]) -> str:
    mean, spread = float(np.mean(values)), float(np.max(values) - np.min(values)) / 2
    if not np.isfinite(mean):
        return "-"
    form = ".1f" if abs(mean) >= 0.1 or mean == 0 else ".1g"
    return f"{mean:{form}} ± {spread:{form}}" if len(values) > 1 else f"{mean:{form}}"
