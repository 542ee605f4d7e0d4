"""Values of maps between their pixels: FlowNet's warping, LiteFlowNet's, and deformable convolution."""

from collections.abc import Callable

import torch
from torch import Tensor


def pixels(image: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """The pixels of an image (N, C, H, W) at whole places (N, 1, H', W') within it: (N, C, H', W')."""
    places = (row * image.shape[3] + column).flatten(2).expand(-1, image.shape[1], -1)
    return image.flatten(2).gather(2, places).reshape(*image.shape[:2], *row.shape[2:])


def mixed(
    at: Callable[[Tensor, Tensor], Tensor], across: tuple[Tensor, Tensor, Tensor], down: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """Bilinear between the pixels that `at` gives of a row and a column; across, down: the one before, the one after,
    and the place between them."""
    (left, right, x), (top, bottom, y) = across, down
    alpha, beta = x - left, y - top
    upper = at(top, left) * (1 - alpha) + at(top, right) * alpha
    lower = at(bottom, left) * (1 - alpha) + at(bottom, right) * alpha
    return upper * (1 - beta) + lower * beta


def within(image: Tensor, x: Tensor, y: Tensor, inside: Tensor, otherwise: float = 0.0) -> Tensor:
    """An image (N, C, H, W) at places (N, 1, H', W') where they are `inside`, else `otherwise`: inside are those from
    the first pixel to less than one behind the last, which has that one's value."""
    height, width = image.shape[2:]
    x, y = torch.where(inside, x, 0), torch.where(inside, y, 0)
    left, top = x.detach().long(), y.detach().long()
    right, bottom = (left + 1).clamp(max=width - 1), (top + 1).clamp(max=height - 1)
    found = mixed(lambda row, column: pixels(image, row, column), (left, right, x), (top, bottom, y))
    return torch.where(inside, found, otherwise)
