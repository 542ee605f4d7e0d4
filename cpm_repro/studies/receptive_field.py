"""Figure 4: how far a later stage must see, between nets of two stages that differ in nothing else.

All have as many parameters, within 3 %: kernels and layers of stage 2 vary, and its channels make up for it. Stage 1
sees little, so that what a net knows of the rest of the person it knows by stage 2. One net has maps of twice the
resolution and sees as far as another. Weights are filled and learned in a way that suits all widths (msra, Adam).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from cpm_repro.evaluation.pck import PAPER_THRESHOLD, Pck
from cpm_repro.figures import curves
from cpm_repro.network.receptive_field import receptive_fields
from cpm_repro.network.specification import CPM, Kernels, Widths, cpm_deploy
from cpm_repro.network.stages import stage_blobs
from cpm_repro.network.widths import count_parameters, with_parameters
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net

from .networks import Size, recipe
from .recipes import Recipe
from .scores import total
from .study import Result, Setting, Study, Table, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JOINTS = ("r_wrist", "l_wrist", "r_elbow", "l_elbow")
SATURATION = 1.3
"""Times the person's height: 250 px of the paper's pictures, in which a person of 200 px is 194 px high."""
PRECISE = 0.1
"""The threshold that stands for high precision."""

NORMALIZED = 304
"""Pixels of a side of the paper's pictures here."""
RATE = 0.008
"""Adam's, over the channels on the image: wide nets bear less."""


class Arm(NamedTuple):
    """Kernel sizes of stage 2 and of the rest of stage 1; poolings on the image."""

    stage: tuple[int, ...]
    local: tuple[int, ...] = (1,)
    poolings: int = 3


ARMS = tuple(
    Arm(kernels)
    for kernels in ((1, 1, 1), (3, 3, 3), (3, 3, 3, 3, 3), (5, 5, 5), (7, 7, 7), (11, 11, 11), (15, 15, 15))
)
"""From the smallest receptive field to the largest."""
COARSE = ARMS[1]
FINE = Arm((5, 5, 5), (3,), 2)
"""Sees as far as COARSE, in both stages, at stride 4."""


@dataclass(frozen=True)
class Architecture:
    """A net that an arm makes; field: what its last stage sees of the image, px."""

    spec: CPM
    field: int

    @property
    def label(self) -> str:
        """Its kernels, what it sees and how large it is, for people."""
        kernels = ",".join(map(str, self.spec.kernels.stages[0]))
        size = f"{self.spec.widths.stage} channels, {count_parameters(self.spec):,} parameters"
        return f"{self.field} px: {kernels} at stride {self.spec.stride}, {size}"


def arms(size: Size) -> list[Arm]:
    """Those of ARMS up to the first that sees nearly all of the crop from its corners (1.9 times its size)."""
    large = [index for index, arm in enumerate(ARMS) if _field(_spec(size, arm)) >= 1.9 * size.crop]
    return list(ARMS[: min(large, default=len(ARMS)) + 1])


def architectures(size: Size) -> dict[Arm, Architecture]:
    """Each arm's net, FINE's last, of as many parameters as the largest kernels' has with the size's own widths."""
    compared = arms(size)
    parameters = count_parameters(_spec(size, compared[-1]))
    specs = {arm: with_parameters(_spec(size, arm), parameters) for arm in (*compared, FINE)}
    return {arm: Architecture(spec, _field(spec)) for arm, spec in specs.items()}


def _spec(size: Size, arm: Arm, stages: int = 2) -> CPM:
    kernels = Kernels((5, 5, 5), 1, arm.local, (arm.stage,))
    return replace(size.cpm, stages=stages, kernels=kernels, poolings=arm.poolings, filler="msra")


def _field(spec: CPM) -> int:
    """What a unit of the last stage's maps sees of the image along an axis, px."""
    return _field_of(replace(spec, widths=Widths(1, 1, 1, 1)))


@cache
def _field_of(spec: CPM) -> int:
    text = format_prototxt(cpm_deploy(spec, (8 * spec.stride, 8 * spec.stride)))
    net = Net(parse_net(text, "a net of two stages"))
    seen = receptive_fields(net, "data")[stage_blobs(net)[-1]]
    assert seen is not None  # convolutions and poolings alone
    return seen[0].size


def normalized(size: Size) -> Size:
    """The paper's experiment is on pictures of 304 px, smaller than its best setting's."""
    scale = min(1.0, NORMALIZED / size.crop)
    return replace(
        size,
        crop=round(size.crop * scale),
        target_dist=size.target_dist * scale,
        sigma=size.sigma * scale,
        sigma_center=size.sigma_center * scale,
    )


def recipes(setting: Setting) -> list[Recipe]:
    """A training of every architecture, for each seed."""
    return [each for seed in setting.each_seed() for each in of_seed(setting, seed).values()]


def of_seed(setting: Setting, seed: int) -> dict[Arm, Recipe]:
    """Its trainings by arm; all see as many samples."""
    size = normalized(setting.size)
    return {arm: _recipe(setting, size, made, seed) for arm, made in architectures(size).items()}


def _recipe(setting: Setting, size: Size, made: Architecture, seed: int) -> Recipe:
    name = f"sees {made.field} px at stride {made.spec.stride}, seed {seed}"
    each = recipe(name, replace(size, cpm=made.spec), setting.data, seed)
    each.solver.type = "Adam"
    each.solver.base_lr = RATE / made.spec.widths.features
    each.solver.momentum2, each.solver.delta = 0.999, 1e-8
    each.solver.clip_gradients = -1
    return each


def read(setting: Setting) -> Result:
    """PCK of the wrists and elbows by what the last stage sees."""
    size = normalized(setting.size)
    made, height = architectures(size), 200 * size.target_dist
    first = _field(_spec(size, COARSE, 1))
    trainings = [of_seed(setting, seed) for seed in setting.each_seed()]
    found = {arm: [setting.trainer.scores(each[arm])[2] for each in trainings] for arm in made}
    rows = {made[arm].label: _values(results) for arm, results in found.items()}
    coarse = {made[arm].field: rows[made[arm].label] for arm in made if arm != FINE}
    return Result(
        verdicts=[*by_field({made[arm].field: found[arm] for arm in made if arm != FINE}, height), by_stride(found)],
        tables=[Table(f"PCK@{PAPER_THRESHOLD:g} of what the last stage sees of the image", [*JOINTS, "Total"], rows)],
        figures={"receptive_field.png": _figure(coarse, height)},
        remarks=[
            f"a person is {height:.0f} px high in crops of {size.crop} px; stage 1 sees {first} px",
            f"every training sees {trainings[0][COARSE].samples:,} samples",
        ],
    )


def _values(results: list[Pck]) -> list[list[float]]:
    """By column (each of JOINTS, then all parts), the seeds' PCK."""
    at = results[0].at(PAPER_THRESHOLD)
    joints = [[float(each.percent([each.names.index(joint)])[at]) for each in results] for joint in JOINTS]
    return [*joints, [total(each) for each in results]]


def _limbs(result: Pck, threshold: float = PAPER_THRESHOLD) -> float:
    """PCK of the wrists and elbows together, percent."""
    parts = [result.names.index(joint) for joint in JOINTS]
    return float(result.percent(parts)[result.at(threshold)])


def by_field(found: dict[int, list[Pck]], height: float) -> list[Verdict]:
    """Verdicts on nets that differ in what they see (px): that more is better, and up to where."""
    limbs = {field: [_limbs(each) for each in results] for field, results in found.items()}
    enough = next((field for field in limbs if field >= SATURATION * height), max(limbs))
    ends = list(zip(limbs[min(limbs)], limbs[enough], limbs[max(limbs)], strict=True))
    rule = f"PCK@{PAPER_THRESHOLD:g} of wrists and elbows"
    return [
        Verdict(
            "who sees more finds more",
            f"{rule} with the largest field less that with the smallest is above 0 with every seed",
            [large - small for small, _, large in ends],
        ),
        Verdict(
            f"most is gained where the field is {SATURATION:g} times the person's height, here at {enough} px",
            "the gain up to there less the gain from there on is above 0 with every seed",
            [(middle - small) - (large - middle) for small, middle, large in ends],
        ),
        Verdict(
            f"seeing more than {enough} px costs nothing",
            f"{rule} with the largest field less that at {enough} px, plus 1 point, is above 0 with every seed",
            [large - middle + 1 for _, middle, large in ends],
        ),
    ]


def by_stride(found: dict[Arm, list[Pck]]) -> Verdict:
    """On COARSE and FINE."""
    pairs = zip(found[COARSE], found[FINE], strict=True)
    return Verdict(
        "stride 8 serves as well as stride 4, at high precision too",
        f"PCK@{PRECISE:g} of wrists and elbows at stride 8, less that of the net at stride 4 that sees as far, plus 1 "
        "point is above 0 with every seed",
        [_limbs(coarse, PRECISE) - _limbs(fine, PRECISE) + 1 for coarse, fine in pairs],
    )


def _figure(rows: dict[int, list[list[float]]], height: float) -> "Figure":
    names = [joint.replace("r_", "right ").replace("l_", "left ") for joint in JOINTS]
    by_joint = {name: {field: values[column] for field, values in rows.items()} for column, name in enumerate(names)}
    return curves.field_figure(by_joint, f"PCK@{PAPER_THRESHOLD:g}, person-centric", height)


STUDY = Study(
    "receptive_field",
    "figure 4, section 3.2.2",
    "The paper: with the number of parameters kept, wrists and elbows are found the better the more of the image the "
    "last stage sees, up to about 250 px of a picture normalized to 304 px; from there on it saturates. Maps of stride "
    "8 serve as well as those of stride 4 and see farther at the same cost.",
    recipes,
    read,
)
