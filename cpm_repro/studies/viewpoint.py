"""Figure 11: how well each method does by the viewpoint that people are seen from (section 4.2).

The paper's viewpoint clusters come of orientations that MPII keeps to itself: whoever has labels gives a file of them
and the head boxes, and PCKh is judged. Drawn people's viewpoints are known to who draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cpm_repro.evaluation import pckh
from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck, pck
from cpm_repro.evaluation.scoring import MEAN_POSE
from cpm_repro.figures import curves
from cpm_repro.synthetic.pictures import draw_picture
from prototxt_import.files import InputError

from . import baseline
from .baseline import STAGES, cpm, pose_machine
from .data import Data, Drawing
from .recipes import Recipe
from .scores import mean_curve, total
from .study import Result, Setting, Study, Table, Verdict

STRAIGHT = 15  # degrees from facing the viewer, or from facing away, that still count as straight
# By whether the chest faces the viewer, and where it looks to in the picture.
VIEWPOINTS = ("front, left", "front", "front, right", "back, left", "back", "back, right")


@dataclass(frozen=True)
class Views:
    """The people who are judged, by viewpoint: names, whom they are, (N,) an index of `names`, and for PCKh their
    heads' sizes (N,) in px."""

    truths: list[GroundTruth]
    names: tuple[str, ...]
    viewpoints: np.ndarray
    heads: np.ndarray | None = None

    @property
    def metric(self) -> tuple[str, float]:
        """Its name, and the paper's threshold."""
        return ("PCK", PAPER_THRESHOLD) if self.heads is None else ("PCKh", pckh.PAPER_THRESHOLD)

    def results(self, poses: np.ndarray) -> dict[str, Pck]:
        """Of poses (N, P, 2), by viewpoint; those that nobody is seen from are left out."""
        found = {}
        for index, name in enumerate(self.names):
            own = np.flatnonzero(self.viewpoints == index).tolist()
            if own:
                truths, joints = [self.truths[n] for n in own], [poses[n] for n in own]
                found[name] = pck(joints, truths) if self.heads is None else pckh.pckh(joints, truths, self.heads[own])
        return found


def recipes(setting: Setting) -> list[Recipe]:
    """Those of `pose_machine`. InputError where nobody says who is seen from where: before anything is trained."""
    check(setting.data)
    views(setting)
    return baseline.recipes(setting)


def check(data: Data) -> None:
    """InputError unless the people's viewpoints are known."""
    if data.drawing is None and (data.clusters is None or data.heads is None):
        raise InputError(
            "viewpoint: expected drawn people, or --clusters (each held-out person's viewpoint) and --ground-truth "
            f"(their head boxes), found {one if (one := data.clusters or data.heads) else 'neither'}"
        )


def views(setting: Setting) -> Views:
    """The held-out people by viewpoint."""
    return _views(setting.data, setting.size.cpm.parts)


@lru_cache(maxsize=1)
def _views(data: Data, parts: int) -> Views:
    truths = baseline.judged_people(data, parts)
    if data.drawing is not None:
        return Views(truths, VIEWPOINTS, drawn_viewpoints(data.drawing, truths))
    assert data.clusters is not None and data.heads is not None
    judged, heads = pckh.with_heads(data.heads, truths)
    labels, viewpoints = np.unique(pckh.read_clusters(data.clusters, len(truths)), return_inverse=True)
    return Views(judged, tuple(f"cluster {label}" for label in labels), viewpoints, heads)


def drawn_viewpoints(drawing: Drawing, truths: Sequence[GroundTruth]) -> np.ndarray:
    """(N,) indices of `VIEWPOINTS` of the held-out people of a drawing: their pictures are drawn once more."""
    first = drawing.pictures - drawing.held_out
    people = [one for n in range(first, drawing.pictures) for one in draw_picture(drawing.seed, n).people]
    found = []
    for number, truth in enumerate(truths):
        apart = [np.abs(one.joints[:, :2] - truth.parts)[truth.present].max() for one in people]
        if min(apart) > 0.01:  # the table of joints has two decimals
            raise InputError(f"person {number} of the held-out ones: expected one who is drawn, found another")
        found.append(viewpoint_of(people[int(np.argmin(apart))].turn))
    return np.array(found)


def viewpoint_of(turn: float) -> int:
    """The index of `VIEWPOINTS` for a turn in degrees (`Pose.turn`)."""
    facing = abs(turn) <= 90
    side = turn if facing else np.sign(turn) * (180 - abs(turn))  # towards the right of the picture
    return (0 if facing else 3) + 1 + (side > STRAIGHT) - (side < -STRAIGHT)


def read(setting: Setting) -> Result:
    """Every method by viewpoint."""
    seen = views(setting)
    by_seed = [baseline.runs(setting, seed, seen.truths) for seed in setting.each_seed()]
    found = {name: [seen.results(runs[name]) for runs in by_seed] for name in by_seed[0]}
    metric, threshold = seen.metric
    viewpoints = list(found[MEAN_POSE][0])
    rows = {
        name: [[total(one[view], threshold) for one in seeds] for view in viewpoints] for name, seeds in found.items()
    }
    people = {"people": [[float(found[MEAN_POSE][0][view].people)] for view in viewpoints]}
    shown = {
        name: {view: mean_curve([one[view] for one in seeds]) for view in viewpoints} for name, seeds in found.items()
    }
    last = {name: shown[name] for name in (cpm(STAGES), cpm(1), pose_machine(STAGES), pose_machine(1), MEAN_POSE)}
    return Result(
        verdicts=[_everywhere(found, other, threshold, metric) for other in (pose_machine(STAGES), MEAN_POSE, cpm(1))],
        tables=[
            Table(f"{metric}@{threshold:g} of all parts", viewpoints, rows),
            Table("People judged", viewpoints, people, "number"),
        ],
        figures={"viewpoints.png": curves.cluster_figure(last, f"{metric}@{threshold:g} by viewpoint", threshold)},
    )


def _everywhere(found: dict[str, list[dict[str, Pck]]], other: str, threshold: float, metric: str) -> Verdict:
    """Whether the CPM's last stage beats another method in every viewpoint."""
    best = cpm(STAGES)
    differences = [
        min(total(one[view], threshold) - total(another[view], threshold) for view in one)
        for one, another in zip(found[best], found[other], strict=True)
    ]
    rule = f"{metric}@{threshold:g} of {best} less that of {other}, where that is least, is above 0 with every seed"
    return Verdict(f"from every viewpoint {best} beats {other}", rule, differences)


STUDY = Study(
    "viewpoint",
    "figure 11, section 4.2",
    "The paper: on MPII the CPM beats the other methods from every viewpoint, also from those that are seldom seen.",
    recipes,
    read,
)
