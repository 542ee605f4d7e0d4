"""SSD's loss (Liu et al., SSD: Single Shot MultiBox Detector, ECCV 2016, §2.2): which boxes mean which objects, which
of the others count, and the losses of both; and RefineDet's, whose first stage has moved the boxes and left some out.

Boxes are (xmin, ymin, xmax, ymax) in shares of the image's width and height, float32; what is chosen by numbers is
chosen in NumPy, what has a gradient is computed by torch.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prototxt_import.operations import Normalization
from prototxt_import.tensors import array, tensor, total

from .classification import NormalizedLoss
from .detection import code_of, decode, overlap
from .layer import Shape, register
from .loss import smooth_l1

_LEAST = 1e-6  # an overlap that is none


@dataclass(frozen=True)
class _Truth:
    """What there is on an image: labels (G,) and boxes (G, 4)."""

    labels: np.ndarray
    boxes: np.ndarray


@dataclass(frozen=True)
class _Examples:
    """Of an image: the boxes that mean something, each by its place, the class whose shifts move it, what the shifts
    should be (n, 4), where that does not count (n, 4), and its label; and the places of the others that count."""

    places: np.ndarray
    classes: np.ndarray
    targets: np.ndarray
    held: np.ndarray
    labels: np.ndarray
    negatives: np.ndarray


def encode(boxes: np.ndarray, priors: np.ndarray, variances: np.ndarray, code: str) -> np.ndarray:
    """The shifts, in units of variances, that move priors to boxes, all (n, 4): what `decode` undoes."""
    sides = priors[:, 2:] - priors[:, :2]
    if code != "CENTER_SIZE":
        moved = boxes - priors
        return np.asarray((moved if code == "CORNER" else moved / np.tile(sides, 2)) / variances)
    centres = ((boxes[:, :2] + boxes[:, 2:]) - (priors[:, :2] + priors[:, 2:])) / np.float32(2) / sides
    growths = np.log((boxes[:, 2:] - boxes[:, :2]) / sides)
    return np.asarray(np.concatenate([centres, growths], 1) / variances)


def matched(truths: np.ndarray, boxes: np.ndarray, least: float | None, inside: bool) -> tuple[np.ndarray, np.ndarray]:
    """For each of boxes (P, 4) which of truths (G, 4) it means, −1 for none, and how much it overlaps one. Each truth
    takes the box that overlaps it most, the closest pair first; then the others that overlap one by `least` mean it.
    inside: boxes that cross the image's edge are −2 and mean none."""
    shares = np.stack([overlap(truth, boxes) for truth in truths], 1)
    meant = np.full(len(boxes), -1)
    if inside:
        meant[((boxes < 0) | (boxes > 1)).any(1)] = -2
    shares[(shares <= _LEAST) | (meant == -2)[:, None]] = 0
    most, free = shares.max(1), shares.copy()
    for _ in truths:
        box, truth = np.unravel_index(free.argmax(), free.shape)
        if free[box, truth] == 0:
            break
        meant[box], most[box] = truth, shares[box, truth]
        free[box], free[:, truth] = 0, 0
    if least is not None:
        more = (meant == -1) & (most >= np.float32(least)) & (most > 0)
        meant[more] = shares.argmax(1)[more]
    return meant, most


@register("MultiBoxLoss")
class MultiBoxLoss(NormalizedLoss):
    """(loc_weight · loss of the shifts + loss of the scores) / the boxes that mean an object, or as `loss_param` says.

    Bottoms: shifts (N, P · 4), or of each class without `share_location`, scores (N, P · classes), priors
    (1, 2, P · 4), truth (1, 1, G, 8): image, label, one that nobody reads, a box, whether it is difficult; an image
    of −1 is none. RefineDet's: a first stage's probabilities (N, P · 2), and its shifts (N, P · 4), which
    move the priors before. `propagate_down: false` leaves out a loss, as in its own Caffe.
    """

    of_a_fork = True
    bottoms = range(4, 7)
    traceable = False

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p, (shifts, scores, priors, truth, *first) = self.spec.multibox_loss_param, bottom_shapes
        self.passes_down = (*self.passes_down[:2], *[False] * (len(bottom_shapes) - 2))
        self.require(p.num_classes > 0, "num_classes above 0", str(p.num_classes))
        self.classes, self.count = 1 if p.share_location else p.num_classes, priors[-1] // 4
        self.require(priors == (1, 2, self.count * 4), "priors of the shape (1, 2, P * 4)", str(priors))
        values = [int(np.prod(shape[1:])) for shape in (shifts, scores, *first)]
        each = [4 * self.classes, p.num_classes, 2, 4][: len(values)]
        expected = [self.count * one for one in each]
        self.require(values == expected, f"{expected} values an image for {self.count} priors", str(values))
        self.require(truth[-1] == 8 and len(truth) == 4, "truth of the shape (1, 1, G, 8)", str(truth))
        self._check_choice(len(first))

    def _check_choice(self, first: int) -> None:
        """What its own Caffe refuses, or has no certain meaning."""
        p = self.spec.multibox_loss_param
        mines = p.mining_type != p.NONE
        asked = mines if not p.HasField("do_neg_mining") else p.do_neg_mining
        self.require(asked == mines, "a mining_type as do_neg_mining says", p.MiningType.Name(p.mining_type))
        self.require(p.share_location or not (mines or first), "share_location where boxes are mined", "none")
        self.require(mines or p.conf_loss_type == p.SOFTMAX, "a mining_type with LOGISTIC", "NONE")
        self.require(p.mining_type != p.HARD_EXAMPLE or first < 2, "MAX_NEGATIVE with a first stage", "HARD_EXAMPLE")
        limited = p.nms_param.nms_threshold > 0 if p.HasField("nms_param") else False
        self.require(not mines or not limited, "no nms_param", "boxes to be suppressed before they are mined")
        self.require(p.background_label_id < p.num_classes, "a background_label_id below num_classes", "another")
        agnostic = not p.map_object_to_agnostic or (p.num_classes == 2 and p.background_label_id == 0)
        self.require(agnostic, "2 classes, the background the first, with map_object_to_agnostic", f"{p.num_classes}")

    def forward(self, shifts: Tensor, scores: Tensor, priors: Tensor, truth: Tensor, *first: Tensor) -> Tensor:
        p, images = self.spec.multibox_loss_param, len(shifts)
        all_shifts = shifts.reshape(images, self.count, self.classes, 4)
        all_scores = scores.reshape(images, self.count, p.num_classes)
        found = self._found(all_shifts, all_scores, array(priors), array(truth), *first)
        terms = self._of_shifts(all_shifts, found, array(priors)) * p.loc_weight, self._of_scores(all_scores, found)
        counting = [term for term, counts in zip(terms, self.passes_down, strict=False) if counts]
        valid = sum(len(one.places) for one in found)
        divisor = float(self.normalization.divisor(images, self.count, valid))
        return sum(counting, shifts.new_zeros(())) / divisor

    def _found(
        self, shifts: Tensor, scores: Tensor, priors: np.ndarray, truth: np.ndarray, *first: Tensor
    ) -> list[_Examples]:
        """Of each image."""
        boxes, variances = priors.reshape(2, -1, 4)
        if self.spec.multibox_loss_param.encode_variance_in_target:
            variances = np.ones_like(variances)
        known, found = self._truths(truth), []
        for n, (own, score) in enumerate(zip(array(shifts), array(scores), strict=True)):
            sure = array(first[0])[n].reshape(-1, 2)[:, 1] if first else None
            at = boxes
            for moves in first[1:]:
                at = decode(array(moves)[n].reshape(-1, 4), boxes, variances, self.code)
            found.append(self._examples(known.get(n), own, score, at, variances, sure))
        return found

    def _of_shifts(self, shifts: Tensor, found: list[_Examples], priors: np.ndarray) -> Tensor:
        p, on = self.spec.multibox_loss_param, shifts.device
        images = np.repeat(np.arange(len(found)), [len(one.places) for one in found])
        places, classes, targets, held = (
            np.concatenate([getattr(one, name) for one in found]) for name in ("places", "classes", "targets", "held")
        )
        at = tuple(torch.from_numpy(index).to(on) for index in (images, places, classes))
        difference = shifts[at] - tensor(targets, shifts)
        if p.encode_variance_in_target:
            difference = difference / tensor(priors.reshape(2, -1, 4)[1][places], shifts)
        difference = torch.where(torch.from_numpy(held).to(on), 0, difference)
        return total(smooth_l1(difference, 1) if p.loc_loss_type == p.SMOOTH_L1 else difference.square() / 2)

    def _of_scores(self, scores: Tensor, found: list[_Examples]) -> Tensor:
        p, rows, labels = self.spec.multibox_loss_param, [], []
        for own, one in zip(scores, found, strict=True):
            if p.mining_type == p.NONE:
                of_all = np.full(self.count, p.background_label_id)
                of_all[one.places] = one.labels
                rows.append(own)
                labels.append(of_all)
            else:
                rows.append(own[torch.from_numpy(np.concatenate([one.places, one.negatives])).to(own.device)])
                labels += [one.labels, np.full(len(one.negatives), p.background_label_id)]
        x, wanted = torch.cat(rows), torch.from_numpy(np.concatenate(labels)).to(scores.device)
        if not len(x):
            return x.sum()
        if p.conf_loss_type == p.SOFTMAX:
            return self.ops.softmax_loss(x, wanted, 1, Normalization("NONE", None))
        targets = torch.zeros_like(x).scatter(1, wanted[:, None], 1.0)
        return self.ops.sigmoid_cross_entropy_loss(x, targets, Normalization("NONE", None))

    @property
    def code(self) -> str:
        """What shifts mean, as `decode` takes it."""
        return code_of(self.spec.multibox_loss_param.code_type)

    def _truths(self, rows: np.ndarray) -> dict[int, _Truth]:
        """By image; a net of two classes calls every object 1."""
        p, found = self.spec.multibox_loss_param, {}
        rows = rows.reshape(-1, 8)
        rows = rows[(rows[:, 0] != -1) & (p.use_difficult_gt | (rows[:, 7] == 0))]
        labels = rows[:, 1].astype(int)
        labels = np.minimum(labels, 1) if p.num_classes == 2 else labels
        known = (labels >= 0) & (labels < p.num_classes) & (labels != p.background_label_id)
        self.require(
            bool(known.all()), f"labels up to {p.num_classes - 1}, none the background's", str(labels[~known][:1])
        )
        for image in np.unique(rows[:, 0].astype(int)):
            own = rows[:, 0].astype(int) == image
            found[int(image)] = _Truth(labels[own], rows[own, 3:7])
        return found

    def _examples(
        self,
        truth: _Truth | None,
        shifts: np.ndarray,
        scores: np.ndarray,
        priors: np.ndarray,
        variances: np.ndarray,
        sure: np.ndarray | None,
    ) -> _Examples:
        """Of an image; nothing counts where nothing is, but that every box does where none are mined."""
        p, none = self.spec.multibox_loss_param, np.zeros(0, int)
        if truth is None:
            return _Examples(none, none, np.zeros((0, 4), np.float32), np.zeros((0, 4), bool), none, none)
        meant, shares = self._matches(truth, shifts, priors, variances)
        negatives = none
        if p.mining_type != p.NONE:
            losses = self._losses(truth, meant[0], shifts[:, 0], scores, priors, variances)
            meant[0], negatives = self._mined(losses, meant[0], shares[0], sure)
        classes, places = np.nonzero(meant > -1)
        boxes, labels = truth.boxes[meant[classes, places]], truth.labels[meant[classes, places]]
        targets = encode(boxes, priors[places], variances[places], self.code)
        moved = priors[places]
        if not p.use_prior_for_matching:
            moved = decode(shifts[places, classes], moved, variances[places], self.code)
        held = ((moved < 0) | (moved > 1)) & p.bp_inside
        labels = np.full_like(labels, 1) if p.map_object_to_agnostic else labels
        return _Examples(places, classes, targets.astype(np.float32), held, labels, negatives)

    def _matches(
        self, truth: _Truth, shifts: np.ndarray, priors: np.ndarray, variances: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`matched` of each class that has shifts of its own, (classes, P) both."""
        p, all_of = self.spec.multibox_loss_param, np.arange(len(truth.labels))
        how = (p.overlap_threshold if p.match_type == p.PER_PREDICTION else None, p.ignore_cross_boundary_bbox)
        meant, shares = np.full((self.classes, self.count), -1), np.zeros((self.classes, self.count), np.float32)
        if p.use_prior_for_matching:
            one, shares[:] = matched(truth.boxes, priors, *how)
            theirs = np.where(one > -1, truth.labels[one], -1)
            own = theirs == np.arange(self.classes)[:, None]
            meant[:] = one if p.share_location else np.where(own, one, -1)
            return meant, shares
        for index in range(self.classes):
            of = all_of if p.share_location else np.flatnonzero(truth.labels == index)
            if len(of):
                boxes = decode(shifts[:, index], priors, variances, self.code)
                one, shares[index] = matched(truth.boxes[of], boxes, *how)
                meant[index] = np.where(one > -1, of[one], one)
        return meant, shares

    def _losses(
        self,
        truth: _Truth,
        meant: np.ndarray,
        shifts: np.ndarray,
        scores: np.ndarray,
        priors: np.ndarray,
        variances: np.ndarray,
    ) -> np.ndarray:
        """By which boxes are mined, (P,): how wrong the scores are, and with HARD_EXAMPLE the shifts."""
        p = self.spec.multibox_loss_param
        labels = np.where(meant > -1, truth.labels[meant], p.background_label_id)[:, None]
        if p.conf_loss_type == p.SOFTMAX:
            raised = np.exp(scores - scores.max(1, keepdims=True))
            own = np.take_along_axis(raised, labels, 1)[:, 0] / raised.sum(1)
            losses = -np.log(np.maximum(own, np.finfo(np.float32).tiny))
        else:
            wanted = labels == np.arange(p.num_classes)
            losses = (np.log1p(np.exp(-np.abs(scores))) + np.maximum(scores, 0) - scores * wanted).sum(1)
        if p.mining_type == p.HARD_EXAMPLE:
            at = np.flatnonzero(meant > -1)
            apart = shifts[at] - encode(truth.boxes[meant[at]], priors[at], variances[at], self.code)
            size = np.abs(apart)
            square = (p.loc_loss_type == p.L2) | (size < 1)
            losses[at] += np.where(square, apart**2 / 2, size - 0.5).sum(1)
        return np.asarray(losses)

    def _mined(
        self, losses: np.ndarray, meant: np.ndarray, shares: np.ndarray, sure: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """What boxes mean after that, and the places of those that mean nothing and count: the worst."""
        p, hard = self.spec.multibox_loss_param, self.spec.multibox_loss_param.mining_type
        may = (
            (meant == -1) & (shares < np.float32(p.neg_overlap)) if hard == p.MAX_NEGATIVE else np.ones_like(meant) > 0
        )
        if sure is not None:
            may &= sure >= np.float32(p.objectness_score)
        at = np.flatnonzero(may)
        objects = np.float32((meant > -1).sum())
        most = int(objects * np.float32(p.neg_pos_ratio)) if hard == p.MAX_NEGATIVE else p.sample_size
        chosen = np.zeros(len(meant), bool)
        chosen[at[np.argsort(-losses[at], kind="stable")][:most]] = True
        negatives = np.flatnonzero(chosen & (meant == -1))
        return (np.where(chosen | (meant < 0), meant, -1) if hard == p.HARD_EXAMPLE else meant), negatives
