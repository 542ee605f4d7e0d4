"""What the network believes of people, and their poses: crops at several scales, maps averaged, a joint at each peak.

This is the release's testing protocol from people to joints. `protocol` has its numbers, `crops` the way from the
picture to the network and back; `person_detection` finds the people in a picture first.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch

from cpm_repro.network.stages import stage_blobs
from data_lmdb.images import MAX_PIXELS
from data_lmdb.joints import mirrored as mirrored_parts
from data_lmdb.joints import part_names
from prototxt_import.cuda_graphs import replayed
from prototxt_import.files import InputError
from prototxt_import.net import Net

from .averages import Averaged
from .crops import Crop, Person, check_picture, middle, person_crops, pixels_of
from .protocol import BATCH, RELEASE_SCALES, Protocol


@dataclass(frozen=True, repr=False)
class Pose:
    """joints float64 (P, 2): x, y of each part in 0-based picture pixels; scores (P,): the map's value there;
    averaged: the maps that they are the peaks of.

    `pose["r_wrist"]` is a part's x and y, (2,), by its name in `parts`; KeyError names them all. own_names: as
    `Net.own_parts`.
    """

    joints: np.ndarray
    scores: np.ndarray
    averaged: Averaged
    own_names: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in the order of the joints."""
        return part_names(len(self.joints), self.own_names)

    @cached_property
    def maps(self) -> np.ndarray:
        """float32 (P+1, H, W): the averaged belief maps at the picture's size, background last; made when asked for."""
        return self.averaged.at()

    def __getitem__(self, part: str) -> np.ndarray:
        if part not in self.parts:
            raise KeyError(f"expected one of {', '.join(self.parts)}, found {part!r}")
        joint: np.ndarray = self.joints[self.parts.index(part)]
        return joint

    def __repr__(self) -> str:
        height, width = self.averaged.image_size
        scores = f"{self.scores.min():.2f} to {self.scores.max():.2f}" if len(self.scores) else "none"
        return f"Pose({len(self.joints)} parts on {width} x {height} px, scores {scores})"


@dataclass(frozen=True)
class Beliefs:
    """What the network believes of one person: a crop per scale, and per stage the maps of all these crops,
    float32 (number of scales, P+1, h, w) at the network's stride, background last; own_names: as `Net.own_parts`."""

    crops: Sequence[Crop]
    stages: Sequence[np.ndarray]
    own_names: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts, in the order of the maps."""
        return part_names(self.stages[0].shape[1] - 1, self.own_names)

    def pose(self, stage: int = -1) -> Pose:
        """The peaks of a stage's maps (an index into `stages`; the last), averaged over the scales."""
        return find_pose(self.averaged(stage), self.own_names)

    def averaged(self, stage: int = -1) -> Averaged:
        """A stage's maps (an index into `stages`; the last), averaged over the scales."""
        return Averaged(self.stages[stage], self.crops)


def forward(net: Net, blob: str, data: np.ndarray, wanted: Sequence[str]) -> dict[str, torch.Tensor]:
    """The `wanted` blobs of one forward pass with the input `blob`, on the network's device."""
    device = next((parameter.device for parameter in net.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        return replayed(net)({blob: torch.from_numpy(data).to(device)}, wanted)


def run_crops(net: Net, crops: Sequence[Crop], batch: int = BATCH) -> list[np.ndarray]:
    """The belief maps of every stage, `batch` crops at a time: a list over stages of float32 (crops, P+1, h, w)."""
    names = stage_blobs(net)
    batches = []
    for start in range(0, len(crops), batch):
        blobs = forward(net, "data", np.stack([crop.data for crop in crops[start : start + batch]]), names)
        batches.append([blobs[name].float().cpu().numpy() for name in names])
    maps = [np.concatenate(stage) for stage in zip(*batches, strict=True)]
    if any(stage.shape != maps[-1].shape for stage in maps):
        shapes = (" x ".join(map(str, stage.shape[1:])) for stage in maps)
        found = ", ".join(map(" ".join, zip(names, shapes, strict=True)))
        raise InputError(f"the network: expected belief maps of one shape in every stage, found {found}")
    for name, stage in zip(names, maps, strict=True):
        if not np.isfinite(stage).all():
            raise InputError(f"the network: expected finite belief maps, found NaN or infinity in `{name}`")
    return maps


def mirrored(crop: Crop) -> Crop:
    """The crop with left and right exchanged."""
    return replace(crop, data=np.ascontiguousarray(crop.data[:, :, ::-1]))


def mirrored_maps(maps: np.ndarray, own_names: tuple[str, ...] = ()) -> np.ndarray:
    """Belief maps (…, P+1, h, w) of a mirrored crop as the crop itself has them; P is 9, 14 or 28, or own_names, as
    `Net.own_parts`, have r_ and l_ in front."""
    parts = maps.shape[-3] - 1
    order = mirrored_parts(part_names(parts, own_names))
    if order == tuple(range(parts)):
        raise InputError(
            f"mirror: expected a network whose left and right are known, of 9, 14 or 28 parts, found {parts}"
        )
    return np.ascontiguousarray(maps[..., [*order, parts], :, ::-1])


def find_pose(averaged: Averaged, own_names: tuple[str, ...] = ()) -> Pose:
    """The peak of each part's averaged map; own_names: as `Net.own_parts`."""
    return Pose(*averaged.peaks(), averaged, own_names)


def estimate_beliefs(people: Iterable[Person], net: Net, protocol: Protocol | None = None) -> Iterator[Beliefs]:
    """Every stage's maps of each person at each scale, in the order of the people.

    Crops of several people and all scales go through the network together. protocol: default `Protocol.for_net`.
    """
    protocol = protocol or Protocol.for_net(net)
    people, count = iter(people), len(protocol.scales)
    own_names = getattr(net, "own_parts", ())
    while group := list(islice(people, max(1, protocol.batch // count))):
        crops = [crop for person in group for crop in person_crops(person, protocol)]
        maps = run_crops(net, crops, protocol.batch)
        if protocol.mirror:
            others = run_crops(net, [mirrored(crop) for crop in crops], protocol.batch)
            others = [mirrored_maps(other, own_names) for other in others]
            maps = [(stage + other) / 2 for stage, other in zip(maps, others, strict=True)]
        for first in range(0, len(crops), count):
            own = slice(first, first + count)
            yield Beliefs(crops[own], [stage[own] for stage in maps], own_names)


def estimate_poses(
    people: Iterable[Person], net: Net, protocol: Protocol | None = None, stages: Sequence[int] | None = None
) -> Iterator[list[Pose]]:
    """For each person a list with one Pose per stage in `stages` (1-based; default: the last stage alone)."""
    chosen = _stage_indices(stages, len(stage_blobs(net)))
    for beliefs in estimate_beliefs(people, net, protocol):
        yield [beliefs.pose(stage) for stage in chosen]


def _stage_indices(stages: Sequence[int] | None, count: int) -> list[int]:
    stages = [count] if stages is None else list(stages)
    for stage in stages:
        if not 1 <= stage <= count:
            raise InputError(f"stage {stage}: expected 1 to {count}, the network's stages")
    return [stage - 1 for stage in stages]


def estimate_pose(
    image: np.ndarray | str | os.PathLike[str],
    net: Net,
    center: tuple[float, float] | None = None,
    scale: float | None = None,
    scales: Sequence[float] = RELEASE_SCALES,
    target_dist: float | None = None,
    sigma_center: float | None = None,
    where: str = "the person",
) -> Pose:
    """The pose of the person at `center` (x, y; 0-based pixels; default: the picture's middle) who is `scale` * 200 px
    tall (default: as tall as the picture).

    image: a file's name, or uint8 (H, W, 3) in the order B, G, R. scales: multipliers whose maps are averaged
    (`(1.0,)` for speed).
    target_dist, sigma_center (px of the input): as in training; default: what the network's file says of them,
    else the release's share of the input, and 21, with a warning where the input is none of 368 px.
    where: names the person in errors.
    """
    if where == "the person" and isinstance(image, str | os.PathLike):
        where = str(image)
    image = pixels_of(image, MAX_PIXELS)
    check_picture(image, where)
    protocol = Protocol.for_net(net, target_dist, sigma_center, scales)
    person = Person(image, center or middle(image), image.shape[0] / 200 if scale is None else scale, where)
    return next(estimate_beliefs([person], net, protocol)).pose()
