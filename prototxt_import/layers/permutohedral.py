"""Gaussian filters of points with several features, over the permutohedral lattice (Adams, Baek and Davis, 2010): each
point's values are spread on the corners of the simplex that it lies in, blurred along the lattice's axes, gathered."""

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from prototxt_import.files import require
from prototxt_import.function import Context, Function


class Lattice:
    """Of points with features (N, D), divided by their filter's deviations.

    where: names whose they are, in the InputError for features that lie too far apart."""

    def __init__(self, features: Tensor, where: str) -> None:
        count, axes = features.shape
        corners, self.weights = simplices(features)
        place = self._places(corners.reshape(-1, axes), axes, where)
        codes = ((corners - corners.amin((0, 1)) + axes) * place).sum(2).flatten()
        known, self.corner_of = torch.unique(codes, return_inverse=True)
        order = torch.sort(self.corner_of, stable=True).indices
        self.point_of, self.ordered_weights = order // (axes + 1), self.weights.flatten()[order]
        self.per_corner = torch.bincount(self.corner_of, minlength=len(known) + 1)
        self.neighbours = [self._neighbours(known, place, axis) for axis in range(axes + 1)]
        self.corner_of = self.corner_of.reshape(count, axes + 1)
        self.gain = 1 / (1 + 2.0**-axes)

    @staticmethod
    def _places(corners: Tensor, axes: int, where: str) -> Tensor:
        """What a step along each of a corner's D coordinates adds to its code, which no other corner has."""
        sizes = (corners.amax(0) - corners.amin(0) + 2 * axes + 1).tolist()
        require(where, math.prod(sizes) < 2**62, "features less far apart, for their filter's deviations", "others")
        return torch.tensor([math.prod(sizes[axis + 1 :]) for axis in range(axes)], device=corners.device)

    @staticmethod
    def _neighbours(known: Tensor, place: Tensor, axis: int) -> tuple[Tensor, Tensor]:
        """For each corner those beside it along an axis. Behind the last stands an empty one, for those of no
        point's simplex, and its own."""
        step = -place.sum() + (len(place) + 1) * (place[axis] if axis < len(place) else 0)
        found = []
        for code in (known + step, known - step):
            index = torch.searchsorted(known, code).clamp(max=len(known) - 1)
            index = torch.where(known[index] == code, index, len(known))
            found.append(torch.cat([index, index.new_tensor([len(known)])]))
        return found[0], found[1]

    def filter(self, values: Tensor) -> Tensor:
        """The values (N, C), filtered, with their gradient."""
        return _Filtered.apply(values, self)

    def compute(self, values: Tensor, backwards: bool = False) -> Tensor:
        """What `filter` computes, or, backwards, what its transpose does."""
        shares = values[self.point_of].mul_(self.ordered_weights[:, None])
        at_corners = torch.segment_reduce(shares, "sum", lengths=self.per_corner, unsafe=True)
        for one, other in reversed(self.neighbours) if backwards else self.neighbours:
            at_corners = at_corners[one].add_(at_corners[other]).mul_(0.5).add_(at_corners)
        gathered = torch.zeros_like(values)
        for corner, weight in zip(self.corner_of.T, self.weights.T, strict=True):
            gathered += weight[:, None] * at_corners[corner]
        return gathered * self.gain


class _Filtered(Function[Tensor]):
    @staticmethod
    def forward(ctx: Context, values: Tensor, lattice: Lattice) -> Tensor:
        ctx.lattice = lattice
        return lattice.compute(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor, None]:
        return ctx.lattice.compute(dy.contiguous(), backwards=True), None


def simplices(features: Tensor) -> tuple[Tensor, Tensor]:
    """Of each point its simplex' D + 1 corners, by D coordinates (N, D + 1, D), and its weights there (N, D + 1)."""
    axes = features.shape[1]
    lifted = _lifted(features)
    nearest = torch.round(lifted / (axes + 1)) * (axes + 1)
    above = nearest.sum(1, keepdim=True) / (axes + 1)
    rank = _ranks(lifted - nearest) + above.round().long()
    turned = torch.where(rank < 0, axes + 1, torch.where(rank > axes, -(axes + 1), 0))
    rank, nearest = rank + turned, nearest + turned
    share = (lifted - nearest) / (axes + 1)
    weights = lifted.new_zeros(len(lifted), axes + 2)
    weights.scatter_add_(1, axes - rank, share)
    weights.scatter_add_(1, axes + 1 - rank, -share)
    weights[:, 0] += 1 + weights[:, axes + 1]
    remainder = torch.arange(axes + 1, device=features.device)[None, :, None]
    coordinates = rank[:, None, :axes]
    moved = torch.where(coordinates <= axes - remainder, remainder, remainder - (axes + 1))
    return nearest[:, None, :axes].long() + moved, weights[:, : axes + 1]


def _lifted(features: Tensor) -> Tensor:
    """The points in the lattice's plane, of D + 1 coordinates that add up to 0."""
    axes = features.shape[1]
    lifted, total = [], features.new_zeros(len(features))
    for axis in range(axes, 0, -1):
        scale = math.sqrt(2 / 3) * (axes + 1) / math.sqrt((axis + 1) * axis)
        coordinate = features[:, axis - 1] * scale
        lifted.append(total - axis * coordinate)
        total = total + coordinate
    return torch.stack([total, *reversed(lifted)], 1)


def _ranks(beyond: Tensor) -> Tensor:
    """How many of a point's coordinates lie farther beyond their remainder-0 corner than each; of equal ones the last
    is the farthest."""
    one, other = beyond[:, :, None], beyond[:, None, :]
    index = torch.arange(beyond.shape[1], device=beyond.device)
    later = index[None, :] > index[:, None]
    return torch.where(later, one < other, other >= one).sum(2) - 1
