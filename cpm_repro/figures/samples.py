"""What the data layer feeds the network, as pictures: the fork's `visualize`.

The samples are those of CPMData in the TRAIN phase: records in key order, wrapping around, dice from rand(). Shown are
the bits that training sees, with the people where the transformer put them, and the five steps of one sample.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.data_layer import CPMData, DataOptions, Reader, open_source, read_data_layer
from cpm_repro.samples.placement import CROPPED_AWAY, Pose
from cpm_repro.samples.transformer import Augmentation, CPMTransformer, Placed
from data_lmdb.joints import LIMBS, PARTS
from data_lmdb.records.record import Record, decode
from prototxt_import.deployment import TRAINING, Variant

from .belief_maps import overlay
from .poses import draw_people, legend_of_people, write_names
from .sheet import INK, Style, bare, new_figure

_AWAY: Style = {"marker": "x", "color": "#ff2bd6", "linewidth": 1.3, "zorder": 4}
_STEPS = {
    "orig": "as stored",
    "scale": "scaled",
    "rotate": "rotated; dashed: the crop",
    "crop": "cropped",
    "flip": "flipped, if the dice say so",
}
_LINE_WIDTH = 2.4  # points
_COLUMNS = ("parts of the primary person", "parts of everybody", "background of everybody")


@dataclass
class DrawnSample:
    """A record (name: its data set and place in the database), the dice thrown for it, and where they put it."""

    name: str
    record: Record
    augmentation: Augmentation
    placed: Placed

    @property
    def title(self) -> str:
        """The name and, on a second line, what was done to the sample."""
        matrix, offset = self.placed.geometry.matrix, self.augmentation.crop_offset
        words = [f"scale {self.augmentation.scale_multiplier:.2f}"]
        words.append(f"{math.degrees(math.atan2(matrix[0, 1], matrix[0, 0])):+.1f}°")
        words += ["shift {:+d}, {:+d}".format(*offset)] if any(offset) else []
        words += ["flipped"] if self.placed.geometry.flip else []
        return f"{self.name}\n{', '.join(words)}"


def transformer_of(
    prototxt: Path, profile: str = "opencv4", variant: Variant = TRAINING
) -> tuple[CPMTransformer, Reader]:
    """The transformer of a net's CPMData layer, and the database that the layer reads, open."""
    layer, folder = read_data_layer(prototxt, variant), Path(prototxt).resolve().parent
    with CPMData(layer, folder, GlibcRand(), options=DataOptions(profile=profile)) as data:
        return data.transformer, open_source(layer, folder)


def drawn_samples(transformer: CPMTransformer, reader: Reader, srand: int = 1) -> Iterator[DrawnSample]:
    """The samples in order, without end; `srand` seeds rand(). InputError for a record that is wrong. The reader is
    closed with the iterator."""
    random = GlibcRand(srand)
    with reader:
        for number in count():
            epoch, index = divmod(number, len(reader))
            where = reader.where(index)
            record = decode(reader.read(index), transformer.param.np_in_lmdb, where)
            augmentation = transformer.draw(random, epoch)
            placed = transformer.place(record, augmentation, where)
            yield DrawnSample(f"{record.dataset} record {index}", record, augmentation, placed)


def batch_figure(transformer: CPMTransformer, samples: Sequence[DrawnSample]) -> Figure:
    """A row per sample: crop with joints, centre map, the labels' strongest part for the primary person and for
    everybody, and everybody's background."""
    rows, columns = transformer.shape.crop_size
    height = 2.05 * min(max(rows / columns, 0.4), 2.5)
    figure = new_figure(10.5, (height + 0.36) * len(samples) + 0.4)
    grid = figure.subplots(len(samples), 2 + len(_COLUMNS), squeeze=False)
    for row, sample in zip(grid, samples, strict=True):
        _draw_sample(row, transformer, sample)
        row[0].set_title(sample.title, fontsize=8, color=INK)
    centre_map = "centre map of everybody" if transformer.shape.all_centers else "centre map"
    for axes, title in zip(grid[0, 1:], (centre_map, *_COLUMNS), strict=True):
        axes.set_title(title, fontsize=9, color=INK)
    _add_legend(figure)
    return figure


def _draw_sample(row: Sequence[Axes], transformer: CPMTransformer, sample: DrawnSample) -> None:
    shape = transformer.shape
    data, label = transformer.apply(sample.record, sample.augmentation)
    image = np.rint(data[:3] * 256 + 128).astype(np.uint8).transpose(1, 2, 0)
    _draw_pose(row[0], image, sample.placed.pose)
    covered = image[: label.shape[1] * shape.stride, : label.shape[2] * shape.stride]
    primary, everybody = label[: shape.parts].max(0), label[shape.parts + 1 : -1].max(0)
    if shape.centre:
        row[1].imshow(overlay(image, data[3]))
    row[2].imshow(overlay(covered, primary))
    row[3].imshow(overlay(covered, everybody))
    row[4].imshow(label[-1], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    for axes in row[1:]:
        bare(axes)


def _draw_pose(axes: Axes, image: np.ndarray, pose: Pose) -> None:
    """The people on their picture, and a cross where a primary joint has no peak."""
    joints, states = list(pose.points[:, :-1]), list(pose.visibility)
    draw_people(axes, image, joints, states, LIMBS.get(len(states[0]), {}), _LINE_WIDTH)
    x, y = joints[0][states[0] == CROPPED_AWAY].T
    axes.scatter(x, y, s=5 * _LINE_WIDTH**2, **_AWAY)


def steps_figure(transformer: CPMTransformer, sample: DrawnSample) -> Figure:
    """One sample's image after every step, with its people; the crop's window is drawn on the rotated image."""
    steps = transformer.steps(sample.record, sample.augmentation)
    rows, columns = transformer.shape.crop_size
    left, top = (place - 0.5 for place in sample.placed.geometry.origin)
    views = {name: (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5) for name, image in steps.images.items()}
    right, bottom = views["rotate"][1:3]
    views["rotate"] = min(-0.5, left), max(right, left + columns), max(bottom, top + rows), min(-0.5, top)
    sides = [(x1 - x0) / (y1 - y0) for x0, x1, y1, y0 in views.values()]
    figure = new_figure(2.9 * sum(sides) + 0.3, 3.9)
    for axes, (name, view) in zip(figure.subplots(1, len(sides), width_ratios=sides), views.items(), strict=True):
        image = steps.images[name]
        _draw_pose(axes, image, steps.poses[name])
        if name == "crop":
            pose = steps.poses[name]
            names = PARTS.get(len(pose.visibility[0]))
            if names:
                write_names(axes, pose.points[0, :-1], pose.visibility[0], names)
        axes.axis(view)
        axes.set_facecolor("#808080")  # what lies outside counts as 128
        axes.set_title(f"{_STEPS[name]}\n{image.shape[1]} × {image.shape[0]} px", fontsize=8, color=INK)
        if name == "rotate":
            axes.add_patch(Rectangle((left, top), columns, rows, fill=False, linestyle="--", edgecolor=_AWAY["color"]))
    figure.suptitle(sample.title.replace("\n", ": "), fontsize=10, color=INK)
    _add_legend(figure)
    return figure


def _add_legend(figure: Figure) -> None:
    away: Style = {"marker": "x", "color": _AWAY["color"], "label": "outside the photograph or missing: no peak"}
    legend_of_people(figure, [Line2D([], [], linestyle="", **away)])
