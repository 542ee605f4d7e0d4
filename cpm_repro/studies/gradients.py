"""Figure 5: do gradients vanish on their way to the first layers, and does a loss after every stage keep them up?

Two trainings with the same seed and data: one with a loss per stage, one with the last stage's alone. The size of the
weights' gradients of every convolution is recorded at a few iterations.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpm_repro.figures import gradients as figures
from cpm_repro.npz import read_npz, write_npz
from cpm_repro.training.loop import Blobs, Hook, Training
from prototxt_import.files import require

from .networks import only_losses, recipe
from .recipes import Recipe
from .study import Result, Setting, Study, Table, Verdict

WITH, WITHOUT = "with intermediate supervision", "without"
BINS = np.arange(-12, 4.01, 0.2)
"""Edges, in powers of ten, of the histograms of a gradient's magnitude."""
SHARES = (0.01, 0.1, 0.4, 1.0)
"""At which parts of a training gradients are recorded."""


class Gradients(Hook):
    """Records into `folder`, at some iterations, the spread and the histogram of every convolution's gradient."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def after_pass(self, training: Training, number: int, blobs: Blobs) -> None:
        iteration = training.solver.iteration + 1
        if iteration in moments(training.param.max_iter):
            arrays: dict[str, NDArray[np.float64]] = {}
            for name, layer in training.net.layers.items():
                gradient = getattr(getattr(layer, "weight", None), "grad", None)
                if gradient is not None and "conv" in name:
                    values = gradient.detach().cpu().numpy().astype(np.float64).ravel()
                    arrays[f"{name}/std"] = np.array(values.std())
                    arrays[f"{name}/histogram"] = _histogram(values)
            write_npz(self._folder / f"gradients_{iteration}.npz", arrays)


def observe_gradients(folder: Path) -> Hook:
    """See `Recipe.observe`."""
    return Gradients(folder)


def moments(iterations: int) -> list[int]:
    """The iterations, counted from 1, at which gradients are recorded."""
    return sorted({max(1, round(share * iterations)) for share in SHARES})


def _histogram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of values in each of BINS by magnitude; zeros are in none."""
    magnitudes = np.log10(np.abs(values[values != 0]))
    counts = np.histogram(np.clip(magnitudes, BINS[0], BINS[-1]), BINS)[0]
    shares: NDArray[np.float64] = counts / max(values.size, 1)
    return shares


def recipes(setting: Setting) -> list[Recipe]:
    """Both trainings, for each seed."""
    return [each for seed in setting.each_seed() for each in _of_seed(setting, seed).values()]


def _of_seed(setting: Setting, seed: int) -> dict[str, Recipe]:
    supervised = recipe(f"{WITH}, seed {seed}", setting.size, setting.data, seed)
    supervised = replace(supervised, observe=observe_gradients)
    last = only_losses(supervised.train, [setting.size.cpm.stages])
    return {WITH: supervised, WITHOUT: replace(supervised, name=f"{WITHOUT}, seed {seed}", train=last)}


Records = dict[str, dict[int, dict[str, NDArray[np.float64]]]]
"""By training and iteration, what was recorded."""


def read(setting: Setting) -> Result:
    """The gradients' spread by depth, and how much larger it is with intermediate supervision."""
    found = [_records(setting, seed) for seed in setting.each_seed()]
    times, layers = list(found[0][WITH]), _layers(found[0][WITH])
    ratios = [_log_ratios(each, layers) for each in found]
    first = [name for name in layers if name.endswith("_stage1")]
    rule = f"the mean over stage 1's layers and {len(times)} moments of log10(std with / std without) is above 0"
    earlier = [float(ratio[:, : len(first)].mean()) for ratio in ratios]
    fall = [float(ratio[:, : len(first)].mean() - ratio[:, -1].mean()) for ratio in ratios]
    return Result(
        verdicts=[
            Verdict("the first layers' gradients are larger with a loss per stage", rule, earlier),
            Verdict(
                "the difference grows towards the first layers",
                "that mean less the last layer's is above 0",
                fall,
            ),
        ],
        tables=[_table(found, layers, times[0]), _table(found, layers, times[-1])],
        figures={
            "histograms.png": figures.histogram_figure(found[0], _shown(layers), BINS),
            "ratio.png": figures.ratio_figure(layers, dict(zip(times, np.mean(ratios, axis=0), strict=True))),
        },
    )


def _records(setting: Setting, seed: int) -> Records:
    times = moments(setting.size.iterations)
    return {
        name: {time: _record(setting.trainer.folder(each) / f"gradients_{time}.npz", each) for time in times}
        for name, each in _of_seed(setting, seed).items()
    }


def _record(path: Path, recipe: Recipe) -> dict[str, NDArray[np.float64]]:
    """InputError for a file that somebody damaged."""
    record = read_npz(path)
    layers = [layer.name for layer in recipe.deploy.layer if layer.type == "Convolution" and "conv" in layer.name]
    shapes = {f"{layer}/std": () for layer in layers} | {f"{layer}/histogram": (len(BINS) - 1,) for layer in layers}
    found = {name: array.shape for name, array in record.items()}
    expected = f"the gradients of {len(layers)} convolutions as a training of {path.parent} writes them"
    require(path, shapes.items() <= found.items(), expected, f"{len(found)} other arrays")
    return record


def _layers(records: dict[int, dict[str, NDArray[np.float64]]]) -> list[str]:
    """The convolutions on the longest way from the image to the last maps, in order."""
    names = [key.removesuffix("/std") for key in next(iter(records.values())) if key.endswith("/std")]
    return [name for name in names if not re.fullmatch(r"conv[123]_stage2", name)]


def _log_ratios(found: Records, layers: Sequence[str]) -> NDArray[np.float64]:
    """(moments, layers): log10 of std with over std without; a gradient that is 0 counts as the smallest number."""
    tiny = np.finfo(np.float64).tiny
    spread = {
        name: np.array([[max(float(record[f"{layer}/std"]), tiny) for layer in layers] for record in records.values()])
        for name, records in found.items()
    }
    ratio: NDArray[np.float64] = np.log10(spread[WITH] / spread[WITHOUT])
    return ratio


def _table(found: Sequence[Records], layers: Sequence[str], time: int) -> Table:
    rows = {
        layer: [[float(each[name][time][f"{layer}/std"]) for each in found] for name in (WITH, WITHOUT)]
        for layer in layers
    }
    return Table(f"Standard deviation of the gradients in iteration {time}, by depth", [WITH, WITHOUT], rows, "1")


def _shown(layers: Sequence[str]) -> list[str]:
    """Seven of the layers, evenly from first to last, as the paper shows."""
    places = np.unique(np.linspace(0, len(layers) - 1, 7).round().astype(int))
    return [layers[place] for place in places]


STUDY = Study(
    "gradients",
    "figure 5, section 3.3",
    "The paper: without intermediate supervision the gradients' distribution is peaked at zero in the layers near the "
    "input; with it they keep their variance there, in the first epochs above all.",
    recipes,
    read,
)
