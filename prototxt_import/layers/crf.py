"""CRF-RNN's mean field of a dense random field, which sharpens a segmentation by the image (Zheng et al., 2015)."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.formats import schema

from .layer import Layer, Shape, register
from .permutohedral import Lattice


@register("MultiStageMeanfield")
class MultiStageMeanfield(Layer):
    """Scores (N, C, H, W), the scores to begin with and the image (N, 3, H, W) -> the last iteration's scores.

    Each iteration filters the last scores' softmax by pixels' places, `theta_gamma`, and by places and colours,
    `theta_alpha` and `theta_beta`; takes both times their weights, and that times the compatibility, from the scores.
    Blobs: spatial and bilateral weights and compatibility, (1, 1, C, C) each, diagonal at first.
    """

    of_a_fork = True
    bottoms = range(3, 4)
    traceable = False
    spatial: nn.Parameter
    bilateral: nn.Parameter
    compatibility: nn.Parameter

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (scores, first, image) = self.spec.multi_stage_meanfield_param, bottom_shapes
        fits = len(scores) == 4 and first == scores and image == (scores[0], 3, *scores[2:])
        found = " and ".join(map(str, bottom_shapes))
        self.require(fits, "two bottoms N x C x H x W and an image N x 3 x H x W", found)
        self.require(p.num_iterations > 1, "num_iterations above 1", str(p.num_iterations))
        for name in ("theta_alpha", "theta_beta", "theta_gamma"):
            self.require(getattr(p, name) > 0, f"a {name} above 0", f"{getattr(p, name):g}")
        self.diagonals = {
            "spatial": self._weights("spatial_filter_weight", p.spatial_filter_weights_str, scores[1]),
            "bilateral": self._weights("bilateral_filter_weight", p.bilateral_filter_weights_str, scores[1]),
            "compatibility": [-1.0] * scores[1],
        }
        for name in self.diagonals:
            self.add_blob(name, (1, 1, scores[1], scores[1]), schema.FillerParameter(type="constant"))

    def _weights(self, name: str, text: str, classes: int) -> list[float]:
        """A weight for each class: one for all, or as many as a text has, between spaces."""
        p = self.spec.multi_stage_meanfield_param
        self.require(bool(text) != p.HasField(name), f"either {name} or {name}s_str", "both" if text else "neither")
        if not text:
            return [getattr(p, name)] * classes
        try:
            weights = [float(word) for word in text.split()]
        except ValueError:
            weights = []
        self.require(len(weights) >= classes, f"{classes} numbers in {name}s_str", repr(text))
        return weights[:classes]

    def fill_blobs(self, random: CaffeRandom, own: Collection[str]) -> None:
        super().fill_blobs(random, own)
        for name in own:
            blob = getattr(self, name)
            blob.data.copy_(torch.diag(torch.tensor(self.diagonals[name])).reshape(blob.shape))

    def forward(self, scores: Tensor, first: Tensor, image: Tensor) -> Tensor:
        refined = [self._refined(*one) for one in zip(scores, first, image.detach(), strict=True)]
        return torch.stack(refined).permute(0, 2, 1).reshape(scores.shape)

    def _refined(self, scores: Tensor, first: Tensor, image: Tensor) -> Tensor:
        """Of one image: (H · W, C)."""
        p = self.spec.multi_stage_meanfield_param
        places = self._places(image)
        by_place = Lattice(places / p.theta_gamma, self.where)
        colours = image.flatten(1).T / p.theta_beta
        by_colour = Lattice(torch.cat([places / p.theta_alpha, colours], 1), self.where)
        filters = [(lattice, self._norm(lattice, places)) for lattice in (by_place, by_colour)]
        unary, refined = scores.flatten(1).T, first.flatten(1).T
        for _ in range(p.num_iterations):
            beliefs = self.ops.softmax(refined, 1)
            near, alike = (lattice.filter(beliefs) * norm for lattice, norm in filters)
            refined = unary - self._times(self._times(near, self.spatial) + self._times(alike, self.bilateral))
        return refined

    def _times(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """x times a blob, the compatibility if none is given."""
        blob = self.compatibility if weights is None else weights
        return self.ops.inner_product(x.contiguous(), blob.reshape(blob.shape[2:]), None, False)

    @staticmethod
    def _places(image: Tensor) -> Tensor:
        """Column and row of each pixel, (H · W, 2)."""
        rows, columns = (torch.arange(n, device=image.device, dtype=image.dtype) for n in image.shape[1:])
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([x.flatten(), y.flatten()], 1)

    @staticmethod
    def _norm(lattice: Lattice, places: Tensor) -> Tensor:
        """What makes a constant of a constant, filtered: (H · W, 1)."""
        return 1 / (lattice.compute(torch.ones_like(places[:, :1])) + 1e-20)
