"""Caffe's operations in torch's terms: a file of Python has the source of those that it calls.

So each uses torch, `math` and others of this module only, and says in full where Caffe's rule is not torch's.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def beyond(kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ceil: bool) -> list[int]:
    """Rows or columns below and to the right of the map that make torch's number of windows Caffe's: torch rounds it
    down, Caffe up, but with padding on any axis leaves out a window that would begin beyond the map and its padding."""
    rounding = [s - 1 if ceil else 0 for s in stride]
    if any(pad):
        rounding = [min(r, k - 1 - p) for r, k, p in zip(rounding, kernel, pad, strict=True)]
    return [p + r for p, r in zip(pad, rounding, strict=True)]


def max_pool(x: Tensor, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ceil: bool = True) -> Tensor:
    """Caffe's MAX pooling."""
    (top, left), (bottom, right) = pad, beyond(kernel, stride, pad, ceil)
    x = F.pad(x, (left, right, top, bottom), value=torch.finfo(x.dtype).min)
    return F.max_pool2d(x, tuple(kernel), tuple(stride))


def max_pool_with_mask(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ceil: bool = True
) -> tuple[Tensor, Tensor]:
    """The same, and where in its plane each maximum is, -1 for a window with nothing in it."""
    (top, left), (bottom, right) = pad, beyond(kernel, stride, pad, ceil)
    padded = F.pad(x, (left, right, top, bottom), value=torch.finfo(x.dtype).min)
    largest, places = F.max_pool2d(padded, tuple(kernel), tuple(stride), return_indices=True)
    rows, columns = places // padded.shape[3] - top, places % padded.shape[3] - left
    places = torch.where(largest == torch.finfo(x.dtype).min, -1, rows * x.shape[3] + columns)
    return largest, places.to(x.dtype)


def unpool(x: Tensor, mask: Tensor, height: int, width: int) -> Tensor:
    """SegNet's Upsample: each value where the mask says that it came from, 0 elsewhere."""
    flat = x.new_zeros((*x.shape[:2], height * width))
    return flat.scatter(2, mask.long().flatten(2), x.flatten(2)).reshape(*x.shape[:2], height, width)


def ave_pool(x: Tensor, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], ceil: bool = True) -> Tensor:
    """Caffe's AVE pooling: what a window has beyond the map and its padding does not count in the divisor."""
    (top, left), (bottom, right) = pad, beyond(kernel, stride, pad, ceil)
    sums = F.avg_pool2d(F.pad(x, (left, right, top, bottom)), tuple(kernel), tuple(stride), divisor_override=1)
    inside = torch.ones_like(x[:1, :1])
    inside = F.pad(F.pad(inside, (left, left, top, top), value=1), (0, right - left, 0, bottom - top))
    return sums / F.avg_pool2d(inside, tuple(kernel), tuple(stride), divisor_override=1)


def pyramid(x: Tensor, levels: int, largest: bool) -> Tensor:
    """Caffe's SPP: poolings to 1 x 1, 2 x 2, 4 x 4, ... bins, padded by half of what they reach beyond the map."""
    poolings = []
    for bins in (2**level for level in range(levels)):
        kernel = [-(-n // bins) for n in x.shape[2:]]
        pad = [(k * bins - n + 1) // 2 for k, n in zip(kernel, x.shape[2:], strict=True)]
        poolings.append(max_pool(x, kernel, kernel, pad) if largest else ave_pool(x, kernel, kernel, pad))
    return poolings[0] if levels == 1 else torch.cat([made.flatten(1) for made in poolings], 1)


def im2col(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """What each place of a window sees, channel by channel: (N, C * kernel, ...)."""
    axes = len(kernel)
    x = F.pad(x, [p for side in reversed(pad) for p in (side, side)])
    for axis, (k, s, d) in enumerate(zip(kernel, stride, dilation, strict=True)):
        x = x.unfold(2 + axis, d * (k - 1) + 1, s)[..., ::d]
    return x.permute(0, 1, *range(2 + axes, 2 + 2 * axes), *range(2, 2 + axes)).flatten(1, 1 + axes)


def mvn(x: Tensor, first: int, eps: float | None) -> Tensor:
    """Caffe's MVN: without the mean over the axes from `first` on, and with eps divided by the deviation and eps."""
    rows = x.reshape(*x.shape[:first], -1)
    rows = rows - rows.mean(-1, keepdim=True)
    rows = rows if eps is None else rows / ((rows * rows).mean(-1, keepdim=True).sqrt() + eps)
    return rows.reshape(x.shape)


def arg_max(x: Tensor, along: int | None, top: int, values: bool) -> Tensor:
    """Caffe's ArgMax: where the `top` largest values along an axis are, or what they are; without an axis where in each
    image, and then what, too. Of equal values the last wins."""
    rows, axis = (x.flatten(1), 1) if along is None else (x, along)
    largest, places = (
        part.narrow(axis, 0, top) for part in rows.flip(axis).sort(dim=axis, descending=True, stable=True)
    )
    places = (rows.shape[axis] - 1 - places).to(x.dtype)
    if along is not None:
        return largest if values else places
    both = torch.stack([places, largest] if values else [places], 1)
    return both.reshape(*both.shape, *(1,) * (x.dim() - 3))


class Recurrent(nn.Module):
    """x (T, N, ...), T steps of N sequences; carries_on (T, N), 0 where a sequence begins; and what stays the same for
    all steps, (N, ...), if there is that. The state, `states`, is carried on from call to call."""

    def __init__(self, inputs: int, outputs: int, static: int = 0, gates: int = 1) -> None:
        super().__init__()
        self.input_weight = nn.Parameter(torch.zeros(gates * outputs, inputs))
        self.input_bias = nn.Parameter(torch.zeros(gates * outputs))
        self.hidden_weight = nn.Parameter(torch.zeros(gates * outputs, outputs))
        if static:
            self.static_weight = nn.Parameter(torch.zeros(gates * outputs, static))
        self.states = torch.zeros(2, 0, outputs)

    def drives(self, x: Tensor, static: Tensor | None) -> Tensor:
        """What the inputs add at each step."""
        driven = F.linear(x.reshape(*x.shape[:2], -1), self.input_weight, self.input_bias)
        return driven if static is None else driven + F.linear(static.flatten(1), self.static_weight)

    def begin(self, x: Tensor) -> Tensor:
        """Hidden state and cell that the last call left; zeros for another number of sequences."""
        kept = self.states.to(x)
        return kept if kept.shape[1] == x.shape[1] else kept.new_zeros(2, x.shape[1], kept.shape[2])


class LSTM(Recurrent):
    """Caffe's LSTM: of the gates that of the input comes first, then forget, output and candidate."""

    def __init__(self, inputs: int, outputs: int, static: int = 0) -> None:
        super().__init__(inputs, outputs, static, gates=4)

    def forward(self, x: Tensor, carries_on: Tensor, static: Tensor | None = None) -> Tensor:
        hidden, cell = self.begin(x)
        outputs = []
        for drive, going in zip(self.drives(x, static), carries_on[..., None], strict=True):
            i, f, o, g = (drive + F.linear(hidden * going, self.hidden_weight)).chunk(4, -1)
            cell = going * f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            outputs.append(hidden)
        self.states = torch.stack([hidden, cell]).detach()
        return torch.stack(outputs)


class RNN(Recurrent):
    """Caffe's RNN: the state is tanh of a sum, and so is the output, of a product with the state."""

    def __init__(self, inputs: int, outputs: int, static: int = 0) -> None:
        super().__init__(inputs, outputs, static)
        self.output_weight = nn.Parameter(torch.zeros(outputs, outputs))
        self.output_bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, carries_on: Tensor, static: Tensor | None = None) -> Tensor:
        hidden, cell = self.begin(x)
        outputs = []
        for drive, going in zip(self.drives(x, static), carries_on[..., None], strict=True):
            hidden = torch.tanh(drive + F.linear(hidden * going, self.hidden_weight))
            outputs.append(torch.tanh(F.linear(hidden, self.output_weight, self.output_bias)))
        self.states = torch.stack([hidden, cell]).detach()
        return torch.stack(outputs)


def rounded(x: Tensor) -> Tensor:
    """C's round: half away from zero."""
    return x.sign() * (x.abs() + 0.5).floor()


def spans(start: Tensor, size: Tensor, bins: int, offset: int, length: int) -> list[tuple[int, int]]:
    """From where to where each bin of that size goes, from `start` on, moved by `offset` and clipped to the map."""
    counts = torch.arange(bins + 1, dtype=size.dtype, device=size.device)
    begins = (counts[:-1] * size + start).floor().long() + offset
    ends = (counts[1:] * size + start).ceil().long() + offset
    return list(zip(begins.clamp(0, length).tolist(), ends.clamp(0, length).tolist(), strict=True))


def roi_pool(x: Tensor, regions: Tensor, height: int, width: int, scale: float) -> Tensor:
    """Caffe's ROIPooling: the maximum of each bin of each region (image, x1, y1, x2, y2), 0 in a bin without a
    pixel."""
    regions = regions.reshape(-1, 5)
    y = x.new_zeros(len(regions), x.shape[1], height, width)
    for pooled, image, (x1, y1, x2, y2) in zip(y, regions[:, 0].long(), rounded(regions[:, 1:] * scale), strict=True):
        size = ((y2 - y1 + 1).clamp(min=1) / height, (x2 - x1 + 1).clamp(min=1) / width)
        columns = spans(size[1] * 0, size[1], width, int(x1), x.shape[3])
        for i, (top, bottom) in enumerate(spans(size[0] * 0, size[0], height, int(y1), x.shape[2])):
            for j, (left, right) in enumerate(columns):
                if bottom > top and right > left:
                    pooled[:, i, j] = x[image, :, top:bottom, left:right].amax((1, 2))
    return y


def bilinear_shares(start: Tensor, end: Tensor, bins: int, length: int, samples: int) -> Tensor:
    """(bins, length): of which rows, or columns, of a map the means of ROIAlign's places are made."""
    side = (end - start).clamp(min=1) / bins
    samples = samples or math.ceil(float(side))
    within = (torch.arange(samples, device=side.device) + 0.5) * side / samples
    places = start + torch.arange(bins, device=side.device)[:, None] * side + within
    inside = (places >= -1) & (places <= length)
    distances = (places.clamp(0, length - 1)[..., None] - torch.arange(length, device=side.device)).abs()
    return ((1 - distances).clamp(min=0) * inside[..., None]).mean(1)


def roi_align(x: Tensor, regions: Tensor, height: int, width: int, scale: float, samples: int) -> Tensor:
    """Mask R-CNN's ROIAlign: in each bin of each region (image, x1, y1, x2, y2) the mean of samples x samples bilinear
    values, 0: of as many as the bin has pixels."""
    y = []
    for image, (x1, y1, x2, y2) in zip(
        regions.reshape(-1, 5)[:, 0].long(), regions.reshape(-1, 5)[:, 1:] * scale, strict=True
    ):
        rows = bilinear_shares(y1, y2, height, x.shape[2], samples)
        columns = bilinear_shares(x1, x2, width, x.shape[3], samples)
        y.append(rows @ x[image] @ columns.T)
    return torch.stack(y) if y else x.new_zeros(0, x.shape[1], height, width)


def position_sensitive_pool(x: Tensor, regions: Tensor, size: int, scale: float) -> Tensor:
    """R-FCN's PSROIPooling: the mean of each bin of each region (image, x1, y1, x2, y2), of maps that are the bin's
    own."""
    regions, maps = regions.reshape(-1, 5), x.unflatten(1, (-1, size, size))
    y = x.new_zeros(len(regions), maps.shape[1], size, size)
    corners = rounded(regions[:, 1:])
    starts, ends = corners[:, :2] * scale, (corners[:, 2:] + 1) * scale
    sizes = (ends - starts).clamp(min=0.1) / size
    for pooled, image, start, of_bin in zip(y, regions[:, 0].long(), starts, sizes, strict=True):
        columns = spans(start[0], of_bin[0], size, 0, x.shape[3])
        for i, (top, bottom) in enumerate(spans(start[1], of_bin[1], size, 0, x.shape[2])):
            for j, (left, right) in enumerate(columns):
                if bottom > top and right > left:
                    pooled[:, i, j] = maps[image, :, i, j, top:bottom, left:right].mean((1, 2))
    return y


def prior_boxes(
    x: Tensor,
    image: Sequence[int],
    sides: Tensor,
    variances: Tensor,
    step: tuple[float, float],
    offset: float,
    clip: bool,
) -> Tensor:
    """SSD's PriorBox: boxes of these sides (boxes, 2), width and height, at each place of the map x, in shares of the
    image (height, width), and their variances, (1, 2, places * boxes * 4). step: in pixels, 0 for image by map."""
    y, x = (
        (torch.arange(n, dtype=sides.dtype, device=sides.device) + offset) * (s or whole / n)
        for n, s, whole in zip(x.shape[2:], step, image, strict=True)
    )
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 1, 2)
    extent = sides.new_tensor([image[1], image[0]])
    boxes = torch.cat([(centres - sides / 2) / extent, (centres + sides / 2) / extent], -1).flatten(0, 1)
    boxes = boxes.clamp(0, 1) if clip else boxes
    return torch.stack([boxes, variances.expand_as(boxes)]).reshape(1, 2, -1)


def decoded(shifts: Tensor, priors: Tensor, variances: Tensor, code: str) -> Tensor:
    """The boxes that the net means: priors (P, 1, 4) moved by shifts (P, ..., 4), in units of variances."""
    moved = shifts * variances
    if code == "CORNER":
        return priors + moved
    sides = priors[..., 2:] - priors[..., :2]
    if code == "CORNER_SIZE":
        return priors + moved * torch.cat([sides, sides], -1)
    centres = (priors[..., :2] + priors[..., 2:]) / 2 + moved[..., :2] * sides
    halves = torch.exp(moved[..., 2:]) * sides / 2
    return torch.cat([centres - halves, centres + halves], -1)


def overlaps(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of a box with each of boxes (n, 4)."""
    common = (torch.minimum(box[2:], boxes[:, 2:]) - torch.maximum(box[:2], boxes[:, :2])).clamp(min=0).prod(1)
    areas = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) for b in (box, boxes)]
    union = areas[0] + areas[1] - common
    return torch.where(union > 0, common / union, torch.zeros_like(common))


def strongest(boxes: Tensor, scores: Tensor, least: float, limit: float, most: int, eta: float) -> list[int]:
    """Non-maximum suppression: of boxes that score more than `least`, at most `most` (-1: all) and the best first,
    those that overlap none kept before by more than `limit`, which shrinks by `eta` while it is above 1/2."""
    order = [index for index in scores.argsort(descending=True, stable=True).tolist() if scores[index] > least]
    kept: list[int] = []
    for index in order[:most] if most > -1 else order:
        if not kept or bool((overlaps(boxes[index], boxes[kept]) <= limit).all()):
            kept.append(index)
            limit = limit * eta if eta < 1 and limit > 0.5 else limit
    return kept


def detections(
    shifts: Tensor,
    scores: Tensor,
    priors: Tensor,
    classes: int,
    background: int,
    shared: bool,
    code: str,
    suppression: tuple[float, float, int, float],
    keep: int,
    first: tuple[Tensor, ...] = (),
    believed: float = 0.0,
) -> Tensor:
    """SSD's DetectionOutput: what is found, (1, 1, found, 7), each as image, label, score and box; -1 for all but the
    image's number where nothing is. suppression: `least`, `limit`, `most` and `eta` of `strongest`; keep: at most so
    many an image (-1: all); shared: boxes that are the same for all classes; code: of `decoded`. first: RefineDet's
    first stage, its probabilities, of which those below `believed` are background, and its shifts of the priors."""
    boxes_of_priors, variances = priors.reshape(2, -1, 1, 4)
    rows = []
    shifts = shifts.reshape(len(shifts), -1, 1 if shared else classes, 4)
    scores = scores.reshape(len(scores), -1, classes)
    for sure in first[:1]:
        nothing = (torch.arange(classes, device=scores.device) == background).to(scores.dtype)
        scores = torch.where(sure.reshape(len(scores), -1, 2)[..., 1:] < believed, nothing, scores)
    for image, (own, score) in enumerate(zip(shifts, scores, strict=True)):
        boxes = boxes_of_priors
        for moves in first[1:]:
            boxes = decoded(moves[image].reshape(-1, 1, 4), boxes, variances, code)
        boxes = decoded(own, boxes, variances, code).expand(-1, classes, 4)
        found = []
        for label in (label for label in range(classes) if label != background):
            kept = strongest(boxes[:, label], score[:, label], *suppression)
            found += [(float(score[index, label]), label, index) for index in kept]
        if -1 < keep < len(found):
            found = sorted(sorted(found, key=lambda one: -one[0])[:keep], key=lambda one: one[1])
        rows += [torch.cat([boxes.new_tensor([image, label, value]), boxes[i, label]]) for value, label, i in found]
    rows = rows or [shifts.new_tensor([image, *[-1] * 6]) for image in range(len(shifts))]
    return torch.stack(rows)[None, None]
