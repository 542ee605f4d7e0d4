"""The pose machines that studies train: the paper's form (section 3.2), narrow and on small crops, or as released; for
photographs also the package's small nets (`cpm_repro/network/small.py`).

What a study changes (stages, which losses count, what is frozen) it changes in these nets, layer by layer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from cpm_repro.network import specification
from cpm_repro.network.builder import silence_unread
from cpm_repro.network.small import SmallCPM, small_deploy, small_solver, small_train
from cpm_repro.network.specification import CPM, Widths
from prototxt_import.formats import schema

from .data import Data
from .pose_machine.levels import NAMES
from .pose_machine.machine import Settings
from .recipes import TRAIN, Recipe, stage_of


@dataclass(frozen=True)
class Size:
    """How large a study's trainings are.

    cpm: the net, of all its stages; small: the one that is trained in its place, with BatchNorm and by Adam; crop (px),
    target_dist, sigma and sigma_center (px), rotation (degrees): of its training samples; iterations of `batch` samples
    at base_lr, a gamma-th of it after three quarters (small: down to 0 in a straight line); clip: of the gradients' L2
    norm, -1: none. drawn: pictures of people to draw, and how many of them to hold out. pose_machine: the baseline of
    figure 6a, which sees no more copies of a person than its settings say, nor more than the CPM.
    """

    cpm: CPM = field(default_factory=lambda: CPM(stages=6, widths=Widths(16, 8, 32, 24), filler_std=0.05))
    small: SmallCPM | None = None
    crop: int = 144
    target_dist: float = 0.5
    sigma: float = 9
    sigma_center: float = 8
    rotation: float = 20
    iterations: int = 600
    batch: int = 4
    base_lr: float = 0.0012
    gamma: float = 0.2
    clip: float = 20
    drawn: tuple[int, int] = (800, 100)
    pose_machine: Settings = field(default_factory=lambda: Settings(copies=10))


SIZES = {
    "small": Size(),
    "photographs": Size(
        small=SmallCPM(features=64, stage=64), rotation=40, iterations=1500, batch=8, base_lr=2e-3, clip=-1
    ),
    "paper": Size(
        cpm=CPM(),
        crop=368,
        target_dist=1.171,
        sigma=7,
        sigma_center=21,
        rotation=40,
        iterations=200_000,
        batch=16,
        base_lr=8e-5,
        gamma=0.333,
        clip=-1,
        drawn=(20_000, 1_000),
        pose_machine=Settings(levels=NAMES, copies=1, trees=100),
    ),
}


def recipe(name: str, size: Size, data: Data, seed: int, stages: int | None = None) -> Recipe:
    """The training of a CPM from scratch with a loss per stage; stages: how many (default: the size's)."""
    stages = stages or size.cpm.stages
    source, crop, asked = "lmdb", (size.crop, size.crop), transform(size, size.cpm.parts)
    if size.small:
        small = replace(size.small, parts=size.cpm.parts, stages=stages)
        train, deploy = small_train(small, source, size.batch, asked), small_deploy(small, crop)
    else:
        cpm = replace(size.cpm, stages=stages)
        train = specification.cpm_train(cpm, source, size.batch, asked)
        deploy = specification.cpm_deploy(cpm, crop)
    return Recipe(name, train, deploy, solver(size, seed), data.train, data.digest)


def transform(size: Size, parts: int = 14) -> schema.TransformationParameter:
    """The release's augmentation, at this size."""
    asked = specification.release_transform()
    asked.crop_size_x = asked.crop_size_y = size.crop
    asked.stride = size.cpm.stride
    asked.target_dist, asked.max_rotate_degree = size.target_dist, size.rotation
    asked.sigma, asked.sigma_center = size.sigma, size.sigma_center
    if parts != 14:
        asked.num_parts = asked.np_in_lmdb = parts
    return asked


def solver(size: Size, seed: int, iterations: int | None = None) -> schema.SolverParameter:
    """The release's solver, or the small nets', with this size's rates; iterations: how many (default: the size's)."""
    asked = small_solver(TRAIN, "cpm") if size.small else specification.release_solver(TRAIN, "cpm")
    asked.max_iter = iterations or size.iterations
    if not size.small:
        asked.stepsize, asked.gamma = max(1, asked.max_iter * 3 // 4), size.gamma
    asked.snapshot = max(1, asked.max_iter // 4)
    asked.base_lr, asked.clip_gradients = size.base_lr, size.clip
    asked.display, asked.random_seed = max(1, asked.max_iter // 40), seed
    return asked


def only_losses(net: schema.NetParameter, stages: Sequence[int]) -> schema.NetParameter:
    """The net in which only these stages' losses count; the others go."""
    return _without(net, lambda layer: layer.type == "EuclideanLoss" and stage_of(layer.name) not in stages)


def frozen_before(net: schema.NetParameter, stage: int) -> schema.NetParameter:
    """The net in which the stages before `stage` do not learn; features that all stages share are the first's."""
    changed = _copy(net)
    for layer in changed.layer:
        if (stage_of(layer.name) or 1) < stage:
            for parameter in layer.param:
                parameter.lr_mult = parameter.decay_mult = 0
    return changed


def one_label_set(net: schema.NetParameter) -> schema.NetParameter:
    """The net whose first stage, too, is taught the centred person's joints alone."""
    changed = _copy(net)
    for layer in changed.layer:
        if layer.name == "loss_stage1":
            layer.bottom[1] = "label_lower"
    return silence_unread(changed)


def without_center_map(net: schema.NetParameter) -> schema.NetParameter:
    """The net that is not told whose pose is meant."""
    changed = _copy(net)
    del changed.layer[:]
    changed.layer.extend(layer for layer in net.layer if layer.name != "pool_center_lower")
    for layer in changed.layer:
        kept = [bottom for bottom in layer.bottom if bottom != "pool_center_lower"]
        del layer.bottom[:]
        layer.bottom.extend(kept)
    return silence_unread(changed)


def _without(net: schema.NetParameter, goes: Callable[[schema.LayerParameter], bool]) -> schema.NetParameter:
    """A copy of the net without some layers."""
    kept = _copy(net)
    del kept.layer[:]
    kept.layer.extend(layer for layer in net.layer if not goes(layer))
    return silence_unread(kept)


def _copy(net: schema.NetParameter) -> schema.NetParameter:
    copy = schema.NetParameter()
    copy.CopyFrom(net)
    return copy
