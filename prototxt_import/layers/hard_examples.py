"""R-FCN's online hard example mining: the loss of every region, and the choice of those with the highest."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from prototxt_import.operations import Normalization
from prototxt_import.plain.losses import LOG_LOWEST
from prototxt_import.tensors import total

from .classification import LossOfPlaces
from .layer import Layer, Shape, register
from .loss import Loss, smooth_l1


@register("SoftmaxWithLossOHEM")
class SoftmaxWithLossOHEM(LossOfPlaces):
    """SoftmaxWithLoss with two tops more, by which no gradient comes: the probabilities, and each place's loss, in the
    labels' shape, 0 where the label does not count."""

    of_a_fork = True
    tops = range(1, 4)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(), *bottom_shapes][: len(self.spec.top)]

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        whole = self.labels_of_places(x, labels)
        loss = self.ops.softmax_loss(x, whole, self.along, self.normalization)
        if len(self.top_names) == 1:
            return (loss,)
        probabilities = self.ops.softmax(x.detach(), self.along)
        return (loss, probabilities, self._of_places(probabilities, whole, labels))[: len(self.top_names)]

    def _of_places(self, probabilities: Tensor, whole: Tensor, labels: Tensor) -> Tensor:
        counts = torch.ones_like(whole, dtype=torch.bool)
        if self.normalization.ignored is not None:
            counts = whole != self.normalization.ignored
        of_label = probabilities.gather(self.along, whole.where(counts, 0).unsqueeze(self.along)).squeeze(self.along)
        return torch.where(counts, -of_label.log().clamp(min=LOG_LOWEST), 0).reshape(labels.shape)


@register("SmoothL1LossOHEM")
class SmoothL1LossOHEM(Loss):
    """Σ f(w · (x − y)), divided as `loss_param` says, by `pre_fixed_normalizer` if by PRE_FIXED; f is SmoothL1Loss's of
    sigma 1; a third bottom has w. A second top has each place's sum over the channels, by which no gradient comes."""

    of_a_fork = True
    bottoms = range(2, 4)
    tops = range(1, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, p = bottom_shapes[0], self.spec.loss_param
        same = all(shape == x for shape in bottom_shapes) and len(x) >= 2
        self.require(same, "bottoms of one shape, of 2 or more axes", " and ".join(map(str, bottom_shapes)))
        self.require(not p.HasField("ignore_label"), "no ignore_label, for there are no labels", "it")
        self.require(not p.weight_by_label_freqs, "no weight_by_label_freqs", "it")
        mode = p.NormalizationMode.Name(p.normalization)
        if not p.HasField("normalization") and p.HasField("normalize"):
            mode = "VALID" if p.normalize else "BATCH_SIZE"
        fixed = mode == "PRE_FIXED"
        self.require(fixed or not p.HasField("pre_fixed_normalizer"), "normalization: PRE_FIXED", mode)
        places = math.prod(x[2:])
        divisor = p.pre_fixed_normalizer if fixed else Normalization(mode).divisor(x[0], places, x[0] * places)
        self.divisor = max(float(divisor), 1.0)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        x = bottom_shapes[0]
        return [(), (x[0], 1, *x[2:], *(1,) * (4 - len(x)))][: len(self.spec.top)]

    def forward(self, x: Tensor, y: Tensor, weights: Tensor | None = None) -> tuple[Tensor, ...]:
        difference = x - y if weights is None else (x - y) * weights.detach()
        terms = smooth_l1(difference, 1.0)
        loss = total(terms) / self.divisor
        if len(self.top_names) == 1:
            return (loss,)
        return loss, terms.detach().sum(1).reshape(self.shapes_of_tops[1])


@register("BoxAnnotatorOHEM")
class BoxAnnotatorOHEM(Layer):
    """Regions (N, 5), their losses (N, 1), labels (N, 1) and box weights (N, C) -> the labels and weights of those
    `roi_per_img` regions of each image whose losses are the highest; of the others `ignore_label` and 0. Of equal
    losses the first region counts as the higher."""

    of_a_fork = True
    bottoms = range(4, 5)
    tops = range(2, 3)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        rois = bottom_shapes[0]
        self.require(self.spec.box_annotator_ohem_param.roi_per_img > 0, "roi_per_img above 0", "none")
        maps = [(*shape, 1, 1)[:4] for shape in bottom_shapes]
        fits = rois[1:2] == (5,) and maps[1][1] == maps[2][1] == 1
        fits = fits and all(shape[0] == rois[0] and shape[2:] == maps[0][2:] for shape in maps)
        found = " and ".join(map(str, bottom_shapes))
        self.require(fits, "bottoms of N regions: N x 5, N x 1, N x 1 and N x C", found)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return bottom_shapes[2:]

    def forward(self, rois: Tensor, losses: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        images = rois.detach()[:, :1].long().flatten()
        self.require(int(images.min()) >= 0, "regions of images from 0 on", str(int(images.min())))
        order = torch.sort(losses.detach().flatten(), descending=True, stable=True).indices
        of_image = F.one_hot(images[order])
        place = (of_image.cumsum(0) * of_image).sum(1)
        chosen = torch.zeros_like(images, dtype=torch.bool)
        chosen[order] = place <= self.spec.box_annotator_ohem_param.roi_per_img
        ignored = float(self.spec.box_annotator_ohem_param.ignore_label)
        of_places = chosen.reshape(len(rois), 1, *weights.shape[2:])
        return torch.where(chosen.reshape(labels.shape), labels.detach(), ignored), weights.detach() * of_places
