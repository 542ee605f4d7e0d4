"""The release's testing protocol in numbers: how a person is shown to the network, and how often (section 4).

A person's `scale` is `scale_provided`, the height in the picture / 200 px; `target_dist` is the same height in the
network's input. The release's 41/35 (234 px of a 368 px input) belongs to the input size 368; another input size needs
the target its network was trained with, by default the same share of the input.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prototxt_import.files import InputError, Note

if TYPE_CHECKING:  # torch: imported once a network is wanted, not for --help
    from prototxt_import.net import Net

RELEASE_BOX = 368
RELEASE_TARGET_DIST = 41 / 35
RELEASE_SIGMA = 21.0
RELEASE_SCALES = tuple(round(0.7 + 0.1 * step, 1) for step in range(7))
BATCH = 8  # crops in one forward pass: one person at the 7 scales; the release's network takes 3 GB then


def target_dist_for(boxsize: int, release_target_dist: float = RELEASE_TARGET_DIST) -> float:
    """A person's size at the release's input of 368 px for another input size: the same share of the input."""
    return release_target_dist * boxsize / RELEASE_BOX


def trained_target_dist(trained: Mapping[str, float]) -> float | None:
    """What is known of a network's training (`Net.trained`); the release's prototxts say 1.171 and mean 41/35."""
    known = trained.get("target_dist")
    return RELEASE_TARGET_DIST if known is not None and abs(known - RELEASE_TARGET_DIST) < 5e-4 else known


@dataclass(frozen=True)
class Protocol:
    """How a network is asked for a person.

    boxsize: side of its square input, px; target_dist: the person's height there / 200 px, as in training; sigma: of
    the centre map, px of the input (training's sigma_center); scales: multiples of that height, whose belief maps are
    averaged; batch: crops in one forward pass, of all scales and people; mirror: average the maps of the mirrored
    crops too, which the release does not.
    """

    boxsize: int
    target_dist: float
    sigma: float = RELEASE_SIGMA
    scales: tuple[float, ...] = RELEASE_SCALES
    batch: int = BATCH
    mirror: bool = False

    @classmethod
    def for_net(
        cls,
        net: "Net",
        target_dist: float | None = None,
        sigma: float | None = None,
        scales: Sequence[float] = RELEASE_SCALES,
        batch: int = BATCH,
    ) -> "Protocol":
        """The protocol at a network's input size. target_dist, sigma: by default those of its training, where its file
        says them (`Net.trained`); else the release's for that size, with a warning where that is not the release's."""
        boxsize, trained = net_boxsize(net), getattr(net, "trained", {})
        target_dist = trained_target_dist(trained) if target_dist is None else target_dist
        sigma = trained.get("sigma_center") if sigma is None else sigma
        given = {"target_dist": target_dist, "sigma_center": sigma}
        unknown = [name for name, value in given.items() if value is None]
        target_dist = target_dist_for(boxsize) if target_dist is None else target_dist
        made = cls(boxsize, target_dist, RELEASE_SIGMA if sigma is None else sigma, tuple(scales), batch)
        if boxsize != RELEASE_BOX:
            made.note_assumed(unknown)
        return made

    def note_assumed(self, unknown: Sequence[str]) -> None:
        """Says that these numbers of the training, `target_dist` or `sigma_center`, are the release's."""
        taken = {"target_dist": f"{self.target_dist:.4g}", "sigma_center": f"{self.sigma:g} px"}
        if unknown:
            numbers = " and ".join(taken[name] for name in unknown)
            said = f"{' and '.join(unknown)} of the training not known: taking {numbers}, as the release has"
            warnings.warn(Note(f"{said} for an input of {self.boxsize} px"), stacklevel=4)


def net_boxsize(net: "Net", where: str = "the network") -> int:
    """The side of the network's square input `data`; InputError if it is not N x 4 x box x box, named by `where`."""
    shapes = net.input_shapes
    if set(shapes) != {"data"}:
        found = ", ".join(f"`{name}` {_shape(shape)}" for name, shape in shapes.items()) or "none"
        hint = "; it looks like a person detector" if list(shapes) == ["image"] else ""
        hint = "; it looks like a training network, where its deploy network is meant" if "label" in shapes else hint
        raise InputError(f"{where}: expected one input, `data` N x 4 x box x box, found {found}{hint}")
    shape = shapes["data"]
    if len(shape) != 4 or shape[1] != 4 or shape[2] != shape[3]:
        raise InputError(
            f"{where}: input `data`: expected N x 4 x box x box (BGR and centre map), found {_shape(shape)}"
        )
    return int(shape[2])


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
