"""SSD's loss against plain loops, written from the paper's §2.2 and the fields of its Caffe, forward and backward."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.layers.detection import decode
from prototxt_import.layers.multibox import encode, matched
from tests.prototxt_import.single_layer import single_layer

IMAGES, PRIORS, CLASSES = 3, 23, 4
BASE = f"num_classes: {CLASSES} overlap_threshold: 0.35 code_type: CENTER_SIZE"


def param_of(more):
    """BASE's fields but those that `more` says otherwise."""
    said = [field for field in more.replace(": ", ":").split() if ":" in field]
    base = [
        field for field in BASE.replace(": ", ":").split() if field.split(":")[0] not in {s.split(":")[0] for s in said}
    ]
    return " ".join([*base, more])


def share(a, b):
    """Intersection over union."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return wide * high / (areas[0] + areas[1] - wide * high)


def wanted_shift(box, prior, variance, code):
    sides = (prior[2] - prior[0], prior[3] - prior[1])
    if code == "CORNER":
        return [(box[k] - prior[k]) / variance[k] for k in range(4)]
    if code == "CORNER_SIZE":
        return [(box[k] - prior[k]) / sides[k % 2] / variance[k] for k in range(4)]
    centres = [((box[k] + box[k + 2]) / 2 - (prior[k] + prior[k + 2]) / 2) / sides[k] / variance[k] for k in range(2)]
    return centres + [math.log((box[k + 2] - box[k]) / sides[k]) / variance[k + 2] for k in range(2)]


def moved_box(shift, prior, variance, code):
    m, sides = [shift[k] * variance[k] for k in range(4)], (prior[2] - prior[0], prior[3] - prior[1])
    if code == "CORNER":
        return [prior[k] + m[k] for k in range(4)]
    if code == "CORNER_SIZE":
        return [prior[k] + m[k] * sides[k % 2] for k in range(4)]
    centre = [(prior[k] + prior[k + 2]) / 2 + m[k] * sides[k] for k in range(2)]
    half = [math.exp(m[k + 2]) * sides[k] / 2 for k in range(2)]
    return [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]


def meanings(truths, boxes, least, inside):
    """For each box the number of its truth, −1 or −2, and its largest overlap, by going through all pairs."""
    shares, ignored = {}, {i for i, box in enumerate(boxes) if inside and any(c < 0 or c > 1 for c in box)}
    for i, box in enumerate(boxes):
        for j, truth in enumerate(truths):
            if i not in ignored and share(box, truth) > 1e-6:
                shares[i, j] = share(box, truth)
    meant = [-2 if i in ignored else -1 for i in range(len(boxes))]
    most = [max([value for (i, _), value in shares.items() if i == k], default=0.0) for k in range(len(boxes))]
    free = set(range(len(truths)))
    while pairs := [(-value, i, j) for (i, j), value in shares.items() if meant[i] == -1 and j in free]:
        value, i, j = min(pairs)
        meant[i], most[i] = j, -value
        free.remove(j)
    for i in range(len(boxes)):
        near = [(-value, j) for (k, j), value in shares.items() if k == i and value >= (2 if least is None else least)]
        if meant[i] == -1 and near:
            meant[i] = min(near)[1]
    return meant, most


def log_softmax(row):
    top = max(row)
    total = math.log(sum(math.exp(v - top) for v in row))
    return [v - top - total for v in row]


def wrongness(row, label, logistic):
    if not logistic:
        return -log_softmax(row)[label]
    return sum(math.log1p(math.exp(-abs(v))) + max(v, 0) - v * (c == label) for c, v in enumerate(row))


def smooth(d, squared):
    return d * d / 2 if squared or abs(d) < 1 else abs(d) - 0.5


def reference(blobs, classes=CLASSES, share_location=True, least=0.35, code="CENTER_SIZE", mining="MAX_NEGATIVE",
              ratio=3.0, neg_overlap=0.5, sample=64, logistic=False, squared=False, weight=1.0, by_prior=True,
              inside=False, bp_inside=False, in_target=False, difficult=True, believed=0.01, norm="VALID",
              agnostic=False):  # fmt: skip
    shifts, scores, priors, truth = (np.asarray(blobs[name], np.float64) for name in "xspg")
    rows = 1 if share_location else classes
    shifts, scores = shifts.reshape(IMAGES, PRIORS, rows, 4), scores.reshape(IMAGES, PRIORS, classes)
    corners, units = priors.reshape(2, PRIORS, 4)
    of_shifts = of_scores = positives = 0
    for n in range(IMAGES):
        own = [r for r in truth.reshape(-1, 8) if r[0] == n and (difficult or not r[7])]
        labels, boxes = [min(int(r[1]), 1) if classes == 2 else int(r[1]) for r in own], [r[3:7] for r in own]
        variances = np.ones_like(units) if in_target else units
        base = corners
        if "m" in blobs:
            moves = np.asarray(blobs["m"], np.float64).reshape(IMAGES, PRIORS, 4)
            base = [moved_box(moves[n, i], corners[i], variances[i], code) for i in range(PRIORS)]
        meant = {}
        for row in range(rows) if own else ():
            if by_prior:
                one, most = meanings(boxes, base, least, inside)
                keep = [j if share_location or j < 0 or labels[j] == row else -1 for j in one]
            else:
                at = [moved_box(shifts[n, i, row], base[i], variances[i], code) for i in range(PRIORS)]
                of = [j for j, label in enumerate(labels) if share_location or label == row]
                one, most = meanings([boxes[j] for j in of], at, least, inside)
                keep = [of[j] if j >= 0 else j for j in one]
            meant[row] = keep
        if mining != "NONE" and own:
            keep = meant[0]
            losses = [wrongness(scores[n, i], labels[j] if j >= 0 else 0, logistic) for i, j in enumerate(keep)]
            if mining == "HARD_EXAMPLE":
                for i, j in enumerate(keep):
                    if j >= 0:
                        target = wanted_shift(boxes[j], base[i], variances[i], code)
                        losses[i] += sum(smooth(shifts[n, i, 0, k] - target[k], squared) for k in range(4))
                may, count = list(range(PRIORS)), sample
            else:
                may = [i for i in range(PRIORS) if keep[i] == -1 and most[i] < neg_overlap]
                count = int(sum(j >= 0 for j in keep) * ratio)
            if "c" in blobs:
                may = [i for i in may if blobs["c"].reshape(IMAGES, PRIORS, 2)[n, i, 1] >= believed]
            chosen = sorted(may, key=lambda i: -losses[i])[:count]
            negatives = [i for i in chosen if keep[i] == -1]
            if mining == "HARD_EXAMPLE":
                keep = [j if j < 0 or i in chosen else -1 for i, j in enumerate(keep)]
            meant[0] = keep
            of_scores += sum(wrongness(scores[n, i], 0, logistic) for i in negatives)
        said = [0] * PRIORS
        for row, keep in meant.items():
            for i, j in enumerate(keep):
                if j < 0:
                    continue
                positives += 1
                said[i] = 1 if agnostic else labels[j]
                target = wanted_shift(boxes[j], base[i], variances[i], code)
                box = base[i] if by_prior else moved_box(shifts[n, i, row], base[i], variances[i], code)
                for k in range(4):
                    apart = shifts[n, i, row, k] - target[k]
                    counts = not bp_inside or 0 <= box[k] <= 1
                    of_shifts += smooth(apart / units[i, k] if in_target else apart, squared) * counts
                if mining != "NONE":
                    of_scores += wrongness(scores[n, i], said[i], logistic)
        if mining == "NONE":
            of_scores += sum(wrongness(scores[n, i], said[i], logistic) for i in range(PRIORS))
    divisor = {"VALID": max(positives, 1), "NONE": 1, "FULL": IMAGES * PRIORS, "BATCH_SIZE": IMAGES}[norm]
    return (weight * of_shifts + of_scores) / divisor


def blobs_of(seed, rows=1, classes=CLASSES, first=0):
    """Priors, and truths of two images near some of them; the last image has none."""
    random = np.random.default_rng(seed)
    corner = random.uniform(-0.1, 0.8, (PRIORS, 2))
    priors = np.concatenate([corner, corner + random.uniform(0.1, 0.4, (PRIORS, 2))], 1)
    truths = []
    for n, j in [(0, 2), (0, 5), (0, 5), (0, 11), (1, 3), (1, 7)]:
        box = np.sort((priors[j].clip(0, 1) + random.normal(0, 0.03, 4)).reshape(2, 2), 0).reshape(4)
        truths.append([n, random.integers(1, classes), 0, *box, random.integers(0, 2)])
    blobs = {
        "x": random.normal(0, 1, (IMAGES, PRIORS * rows * 4)),
        "s": random.normal(0, 2, (IMAGES, PRIORS * classes)),
        "p": np.stack([priors, np.broadcast_to([0.1, 0.1, 0.2, 0.2], priors.shape)]).reshape(1, 2, -1),
        "g": np.array([*truths, [-1, 0, 0, 0, 0, 0, 0, 0]])[None, None],
        "c": random.uniform(0, 0.05, (IMAGES, PRIORS * 2)),
        "m": random.normal(0, 0.5, (IMAGES, PRIORS * 4)),
    }
    return {name: blobs[name].astype(np.float32) for name in "xspgcm"[: 4 + first]}


def run(blobs, param, engine="fast", more=""):
    """Loss, and gradients of shifts and scores."""
    shapes = {name: blob.shape for name, blob in blobs.items()}
    net = single_layer("MultiBoxLoss", shapes, f"multibox_loss_param {{ {param} }} {more}", engine, phase="TRAIN")
    x = {name: torch.from_numpy(blob).requires_grad_(name in "xs") for name, blob in blobs.items()}
    loss = net(x)["t"]
    loss.backward()
    return float(loss.detach()), {name: x[name].grad.numpy() for name in "xs" if x[name].grad is not None}


CASES = {
    "as SSD trains": ("", {}),
    "as SSD trains, each engine": ("", {"engine": "exact"}),
    "all boxes": ("mining_type: NONE", {"mining": "NONE"}),
    "fewer": ("neg_pos_ratio: 1.3 neg_overlap: 0.2", {"ratio": 1.3, "neg_overlap": 0.2}),
    "the hardest": ("mining_type: HARD_EXAMPLE sample_size: 5", {"mining": "HARD_EXAMPLE", "sample": 5}),
    "the hardest, L2": ("mining_type: HARD_EXAMPLE sample_size: 9 loc_loss_type: L2", {
        "mining": "HARD_EXAMPLE", "sample": 9, "squared": True}),
    "pairs only": ("match_type: BIPARTITE", {"least": None}),
    "logistic": ("conf_loss_type: LOGISTIC", {"logistic": True}),
    "L2, heavier": ("loc_loss_type: L2 loc_weight: 2.5", {"squared": True, "weight": 2.5}),
    "corners": ("code_type: CORNER bp_inside: true", {"code": "CORNER", "bp_inside": True}),
    "corners in sides": ("code_type: CORNER_SIZE", {"code": "CORNER_SIZE"}),
    "boxes inside": ("ignore_cross_boundary_bbox: true", {"inside": True}),
    "no difficult ones": ("use_difficult_gt: false", {"difficult": False}),
    "variances in the targets": ("encode_variance_in_target: true", {"in_target": True}),
    "by what is predicted": ("use_prior_for_matching: false", {"by_prior": False}),
    "objects or none": ("num_classes: 2 map_object_to_agnostic: true", {"classes": 2, "agnostic": True}),
    "shifts of each class": ("share_location: false mining_type: NONE", {"share_location": False, "mining": "NONE"}),
    "shifts of each class, by what is predicted": (
        "share_location: false mining_type: NONE use_prior_for_matching: false code_type: CORNER bp_inside: true",
        {"share_location": False, "mining": "NONE", "by_prior": False, "code": "CORNER", "bp_inside": True}),
    "a first stage's probabilities": ("objectness_score: 0.02", {"believed": 0.02, "first": 1}),
    "a first stage": ("", {"first": 2}),
    **{f"divided by {mode}": ("", {"norm": mode}) for mode in ("FULL", "BATCH_SIZE", "NONE")},
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradients_are_those_of_the_loops(name):
    param, how = CASES[name]
    how = dict(how)
    engine, first, norm = how.pop("engine", "fast"), how.pop("first", 0), how.get("norm", "VALID")
    classes = how.get("classes", CLASSES)
    blobs = blobs_of(4, 1 if how.get("share_location", True) else classes, classes, first)
    loss, grads = run(blobs, param_of(param), engine, f"loss_param {{ normalization: {norm} }}")
    assert loss == pytest.approx(reference(blobs, **how), rel=2e-5) and loss > 0
    random = np.random.default_rng(5)
    for name in "xs":
        way = random.standard_normal(blobs[name].shape)
        ends = [
            reference({**blobs, name: blobs[name].astype(np.float64) + step * way}, **how) for step in (-1e-5, 1e-5)
        ]
        assert float((grads[name] * way).sum()) == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=2e-3, abs=1e-3)


def test_several_batches():
    for seed in range(6, 12):
        blobs = blobs_of(seed)
        assert run(blobs, BASE)[0] == pytest.approx(reference(blobs), rel=2e-5)


@pytest.mark.parametrize("mining", ["NONE", "MAX_NEGATIVE"])
def test_where_nothing_is_the_gradients_are_numbers(mining):
    blobs = blobs_of(4)
    blobs["g"][..., 0] = -1
    loss, grads = run(blobs, f"{BASE} mining_type: {mining}")
    assert loss == pytest.approx(reference(blobs, mining=mining), rel=2e-5, abs=1e-12)
    assert not grads["x"].any() and grads["s"].any() == (mining == "NONE")


def test_propagate_down_leaves_a_loss_out():
    blobs = blobs_of(4)
    both, one, other = (run(blobs, BASE, more=" ".join(f"propagate_down: {x}" for x in flags.split())) for flags in (
        "true true false false", "true false false false", "false true false false"))  # fmt: skip
    assert both[0] == pytest.approx(one[0] + other[0], rel=1e-6)
    assert set(one[1]) == {"x"} and set(other[1]) == {"s"}


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
def test_decoding_undoes_encoding(code):
    random = np.random.default_rng(3)
    first = random.uniform(0, 0.5, (2, 9, 2))
    boxes, priors = np.concatenate([first, first + random.uniform(0.1, 0.4, first.shape)], 2).astype(np.float32)
    variances = random.uniform(0.1, 0.3, (9, 4)).astype(np.float32)
    again = decode(encode(boxes, priors, variances, code), priors, variances, code)
    np.testing.assert_allclose(again, boxes, atol=1e-6)


def test_every_truth_has_its_box_before_others_have_a_second():
    truths = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9]], np.float32)
    boxes = np.array([[0, 0, 1, 0.95], [0, 0, 1, 0.5], [0, 0, 1, 2]], np.float32)
    assert matched(truths, boxes, None, inside=False)[0].tolist() == [0, 1, -1]
    assert matched(truths, boxes, 0.45, inside=False)[0].tolist() == [0, 1, 0]
    assert matched(truths, boxes, 0.45, inside=True)[0].tolist() == [0, 1, -2]


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("", "num_classes above 0, found 0"),
        ("num_classes: 5", r"\[92, 115\] values an image for 23 priors, found \[92, 92\]"),
        (f"{BASE} mining_type: NONE do_neg_mining: true", "a mining_type as do_neg_mining says, found NONE"),
        (f"{BASE} mining_type: NONE conf_loss_type: LOGISTIC", "a mining_type with LOGISTIC"),
        (f"{BASE} nms_param {{ nms_threshold: 0.5 }}", "no nms_param"),
        (f"{BASE} map_object_to_agnostic: true", "2 classes"),
    ],
)
def test_what_is_refused(param, said):
    with pytest.raises(InputError, match=f"'l' \\(MultiBoxLoss\\): expected {said}"):
        run(blobs_of(4), param)


def test_labels_that_are_no_objects_are_refused():
    blobs = blobs_of(4)
    blobs["g"][0, 0, 0, 1] = 4
    with pytest.raises(InputError, match=r"labels up to 3, none the background's, found \[4\]"):
        run(blobs, BASE)
