"""The spatial transformer (Jaderberg et al., 2015), by the Caffe layer of that name that public nets use."""

import torch
from torch import Tensor

from prototxt_import.plain.bilinear import pixels

from .layer import Layer, Shape, register

THETA = ("theta_1_1", "theta_1_2", "theta_1_3", "theta_2_1", "theta_2_2", "theta_2_3")


@register("SpatialTransformer")
class SpatialTransformer(Layer):
    """Maps (N, C, H, W) seen where an affine map θ (2, 3) leads to, bilinear, 0 beyond: (N, C, output_H, output_W).

    The second bottom has those of θ's six values, (N, values), that `st_param` does not give, row after row. A pixel of
    the top at row r and column c is at θ · (2 r / output_H − 1, 2 c / output_W − 1, 1), where (−1, −1) is the first
    pixel's centre and (1, 1) lies behind the last one's: rows come first. Exactly on a pixel the slope by the place is
    as its own Caffe has it, that pixel's value.
    """

    of_a_fork = True
    bottoms = range(2, 3)
    image_by_image = True
    sizes_may_vary = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (maps, theta) = self.spec.st_param, bottom_shapes
        self.require_maps(maps)
        self.require(p.transform_type == "affine", "transform_type affine", repr(p.transform_type))
        self.require(p.sampler_type == "bilinear", "sampler_type bilinear", repr(p.sampler_type))
        self.given = [getattr(p, name) if p.HasField(name) else None for name in THETA]
        wanted = self.given.count(None)
        fits = theta[0] == maps[0] and torch.Size(theta[1:]).numel() == wanted
        self.require(fits, f"{wanted} values of theta for each of {maps[0]} images", f"shape {theta}")
        self.size = (p.output_H or maps[2], p.output_W or maps[3])
        self.require(min(self.size) > 0, "output_H and output_W above 0", str(self.size))

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(*bottom_shapes[0][:2], *self.size)]

    def forward(self, maps: Tensor, theta: Tensor) -> Tensor:
        rows, columns = (torch.arange(n, device=maps.device) / n * 2 - 1 for n in self.size)
        values = iter(theta.flatten(1).unbind(1))
        a = [torch.full_like(theta.flatten(1)[:, 0], v) if v is not None else next(values) for v in self.given]
        at = [v[:, None, None, None] for v in a]
        row = at[0] * rows[:, None] + at[1] * columns + at[2]
        column = at[3] * rows[:, None] + at[4] * columns + at[5]
        height, width = maps.shape[2:]
        source = maps if self.spec.st_param.to_compute_dU else maps.detach()
        return _sampled(source, (row + 1) / 2 * height, (column + 1) / 2 * width)


def _sampled(maps: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The maps between their pixels at places (N, 1, H', W')."""
    found = maps.new_zeros(())
    for down in (0, 1):
        for right in (0, 1):
            y, x = row.detach().floor() + down, column.detach().floor() + right
            inside = (y >= 0) & (y < maps.shape[2]) & (x >= 0) & (x < maps.shape[3])
            weight = _tent(row, y) * _tent(column, x)
            value = pixels(maps, y.where(inside, 0).long(), x.where(inside, 0).long())
            found = found + value * torch.where(inside, weight, 0)
    return found


def _tent(place: Tensor, pixel: Tensor) -> Tensor:
    """max(0, 1 − |place − pixel|), which on the pixel itself rises as before it."""
    below = pixel >= place
    away = torch.where(below, pixel - place, place - pixel)
    return torch.where(away < 1, 1 - away, 0)
