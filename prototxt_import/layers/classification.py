"""Losses of scores or probabilities against labels, and Accuracy (Caffe: softmax_loss_layer.cpp,
sigmoid_cross_entropy_loss_layer.cpp, hinge_loss_layer.cpp, multinomial_logistic_loss_layer.cpp,
infogain_loss_layer.cpp, accuracy_layer.cpp), and DeepLab's SegAccuracy.

Labels are blobs of floats, as all blobs are; a label is the whole part of its float.
"""

import math

import torch
from torch import Tensor

from prototxt_import.files import read_bytes
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import blob_to_array
from prototxt_import.formats.messages import parse_message
from prototxt_import.operations import Normalization
from prototxt_import.plain.losses import weighted_softmax_loss

from .layer import Layer, Shape, register
from .loss import Loss


def check_labels(layer: Layer, labels: Tensor, classes: int, ignored: int | None) -> Tensor:
    """The labels as int64; InputError naming the layer if one is no class (Caffe reads what lies beyond the scores);
    a compiler that follows sees no values, and what it makes checks none."""
    whole = labels.detach().long()
    if torch.compiler.is_compiling():
        return whole
    counting = whole if ignored is None else whole[whole != ignored]
    if counting.numel():
        low, high = int(counting.min()), int(counting.max())
        layer.require(low >= 0 and high < classes, f"labels from 0 to {classes - 1}", f"{low if low < 0 else high}")
    return whole


class NormalizedLoss(Loss):
    """A loss with a `loss_param`: which labels count, and what the sum is divided by."""

    default = "VALID"
    weighs_classes = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p = self.spec.loss_param
        allowed = self.weighs_classes or not p.weight_by_label_freqs
        self.require(allowed, "no weight_by_label_freqs, which SegNet's SoftmaxWithLoss has", "it")
        fixed = p.normalization == p.PRE_FIXED or p.HasField("pre_fixed_normalizer")
        self.require(not fixed, "no PRE_FIXED normalization, which R-FCN's SmoothL1LossOHEM has", "it")
        self.normalization = self._normalization()

    def _normalization(self) -> Normalization:
        p = self.spec.loss_param
        mode = p.NormalizationMode.Name(p.normalization) if p.HasField("normalization") else self.default
        if not p.HasField("normalization") and p.HasField("normalize"):
            mode = "VALID" if p.normalize else "BATCH_SIZE"
        return Normalization(mode, p.ignore_label if p.HasField("ignore_label") else None)


class LossOfPlaces(NormalizedLoss):
    """A loss of scores x, along an axis, and of a label for each other place of x."""

    traceable = False  # it looks at the labels

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, labels = bottom_shapes
        self.along = self.axis(self.spec.softmax_param.axis, len(x))
        places = math.prod(x) // x[self.along]
        self.require(math.prod(labels) == places, f"{places} labels, one for each place", str(math.prod(labels)))

    def labels_of_places(self, x: Tensor, labels: Tensor) -> Tensor:
        """The labels, checked, as whole numbers in the shape of x without its axis."""
        whole = check_labels(self, labels, x.shape[self.along], self.normalization.ignored)
        return whole.reshape(*x.shape[: self.along], *x.shape[self.along + 1 :])


@register("SoftmaxWithLoss")
class SoftmaxWithLoss(LossOfPlaces):
    """−Σ log softmax(x)[label]; bottoms: scores x, labels of as many values as x has places.

    SegNet's `weight_by_label_freqs` multiplies each place by its label's `class_weighting`, which the divisor is not.
    """

    weighs_classes = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p, classes = self.spec.loss_param, bottom_shapes[0][self.along]
        weighs = p.weight_by_label_freqs
        complete = not weighs or len(p.class_weighting) == classes
        self.require(complete, f"{classes} class_weighting, one for each class", str(len(p.class_weighting)))
        self.weights = list(p.class_weighting) if weighs else None

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        normalization, places = self.normalization, self.labels_of_places(x, labels)
        if self.weights is None:
            return self.ops.softmax_loss(x, places, self.along, normalization)
        return weighted_softmax_loss(x, places, self.along, normalization, x.new_tensor(self.weights))


@register("SigmoidCrossEntropyLoss")
class SigmoidCrossEntropyLoss(NormalizedLoss):
    """−Σ [y log σ(x) + (1 − y) log(1 − σ(x))]; bottoms: scores x, targets y from 0 to 1 of as many values."""

    default = "BATCH_SIZE"

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, y = bottom_shapes
        self.require(math.prod(x) == math.prod(y), "two bottoms of as many values", f"{x} and {y}")

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.ops.sigmoid_cross_entropy_loss(x, y.detach(), self.normalization)  # Caffe's targets get none


class _LabelledRows(Loss):
    """A loss of rows of scores or probabilities, (N, K, …), and N labels."""

    traceable = False  # it looks at the labels

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        x, labels = bottom_shapes[:2]
        self.require(math.prod(labels) == x[0], f"{x[0]} labels, one for each image", str(labels))

    def rows_and_labels(self, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        rows = x.flatten(1)
        return rows, check_labels(self, labels, rows.shape[1], None).reshape(-1)


@register("HingeLoss")
class HingeLoss(_LabelledRows):
    """Σ max(0, 1 + x), or 1 − x for the label's own score, or with `norm: L2` their squares, / N."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        p = self.spec.hinge_loss_param
        return self.ops.hinge_loss(*self.rows_and_labels(x, labels), p.norm == p.L2)


@register("MultinomialLogisticLoss")
class MultinomialLogisticLoss(_LabelledRows):
    """−Σ log probability[label] / N."""

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        return self.ops.multinomial_logistic_loss(*self.rows_and_labels(x, labels))


@register("InfogainLoss")
class InfogainLoss(_LabelledRows):
    """−Σ gain[label, k] · log probability[k] / N; the gains (K, K) are the third bottom or the file `source`."""

    bottoms = range(2, 4)
    gains: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        classes = math.prod(bottom_shapes[0][1:])
        gains = bottom_shapes[2] if len(bottom_shapes) == 3 else self._read_gains()
        square = math.prod(gains) == classes**2 and tuple(gains[-2:]) == (classes, classes)
        self.require(square, f"gains for {classes} x {classes} classes", str(tuple(gains)))

    def _read_gains(self) -> Shape:
        source = self.spec.infogain_loss_param.source
        self.require(bool(source), "a third bottom or infogain_loss_param with a source", "neither")
        values = blob_to_array(parse_message(read_bytes(source), schema.BlobProto, source), source)
        self.register_buffer("gains", torch.from_numpy(values), persistent=False)
        return tuple(values.shape)

    def forward(self, x: Tensor, labels: Tensor, gains: Tensor | None = None) -> Tensor:
        rows, wanted = self.rows_and_labels(x, labels)
        gains = self.gains if gains is None else gains
        return self.ops.infogain_loss(rows, wanted, gains.detach().reshape(rows.shape[1], -1))


@register("Accuracy")
class Accuracy(Layer):
    """The share of labels that are among the `top_k` highest scores of their place, and in a second top that share for
    each class; of equal scores the last class counts as the highest."""

    traceable = False  # it looks at the labels
    bottoms = range(2, 3)
    tops = range(1, 3)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, labels) = self.spec.accuracy_param, bottom_shapes
        self.along = self.axis(p.axis, len(x))
        self.classes = x[self.along]
        places = math.prod(x) // self.classes
        self.require(math.prod(labels) == places, f"{places} labels, one for each place", str(math.prod(labels)))
        self.require(1 <= p.top_k <= self.classes, f"top_k from 1 to {self.classes}", str(p.top_k))
        self.ignored = p.ignore_label if p.HasField("ignore_label") else None

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(), (self.classes,)][: len(self.spec.top)]

    def forward(self, x: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        wanted = check_labels(self, labels, self.classes, self.ignored).reshape(-1)
        counts = torch.ones_like(wanted, dtype=torch.bool) if self.ignored is None else wanted != self.ignored
        scores, wanted = x.detach().movedim(self.along, -1).reshape(-1, self.classes), wanted.where(counts, 0)
        own = scores.gather(1, wanted[:, None])
        later = torch.arange(self.classes, device=x.device) > wanted[:, None]
        right = counts & (((scores > own) | ((scores == own) & later)).sum(1) < self.spec.accuracy_param.top_k)
        found, all_of = (
            torch.zeros(self.classes, dtype=torch.long, device=x.device).index_add(0, wanted, of.long()).float()
            for of in (right, counts)
        )
        of_classes = torch.where(all_of == 0, all_of, found / all_of)
        return (right.sum().float() / counts.sum(), of_classes)[: len(self.top_names)]


@register("SegAccuracy")
class SegAccuracy(Layer):
    """DeepLab's three measures of a segmentation, (1, 1, 1, 3): the share of pixels that are right, the mean of each
    class's share, over those that are there, and the mean of all classes' intersections over unions, 1 for a class that
    is neither there nor found. With `reset: false` all batches so far count. Bottoms: scores (N, K, H, W), labels
    (N, 1, H, W); of equal scores the last class counts as the highest."""

    of_a_fork = True
    traceable = False  # it looks at the labels
    bottoms = range(2, 3)
    counts: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        x, labels = bottom_shapes
        fits = len(x) == 4 and labels == (x[0], 1, *x[2:])
        self.require(fits, "bottoms (N, K, H, W) and (N, 1, H, W)", f"{x} and {labels}")
        self.ignored = list(self.spec.seg_accuracy_param.ignore_label)
        self.register_buffer("counts", torch.zeros(x[1], x[1], dtype=torch.long), persistent=False)

    @property
    def repeatable(self) -> bool:
        return self.spec.seg_accuracy_param.reset

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(1, 1, 1, 3)]

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        classes = x.shape[1]
        own = labels.detach().long().reshape(-1)
        counting = torch.isin(own, torch.tensor(self.ignored, device=own.device), invert=True)
        wanted = check_labels(self, own[counting], classes, None)
        best = classes - 1 - x.detach().flip(1).argmax(1).reshape(-1)[counting]
        found = torch.bincount(wanted * classes + best, minlength=classes**2).reshape(classes, classes)
        if not self.spec.seg_accuracy_param.reset:
            found = self.counts = self.counts + found
        right, there, said = (n.double() for n in (found.diagonal(), found.sum(1), found.sum(0)))
        share = right.sum() / there.sum().clamp(min=1)
        of_classes = (right / there.clamp(min=1)).sum() / (there > 0).sum().clamp(min=1)
        union = there + said - right
        overlap = torch.where(union == right, 1, right / union.clamp(min=1)).mean()
        return torch.stack([share, of_classes, overlap]).to(x.dtype).reshape(1, 1, 1, 3)
