"""SSD's boxes: against OpenCV, and each rule by itself."""

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.detection import decode, overlap, strongest
from prototxt_import.net import Net
from tests.foreign_nets import conv, data, layer
from tests.prototxt_import.opencv import opencvs_blob
from tests.prototxt_import.single_layer import single_layer

LAST = "permute_param { order: 0 order: 2 order: 3 order: 1 }"
HEAD = (
    data(3, 37, 29)
    + conv("c", "data", 8, 3, "stride: 2")
    + conv("loc", "c", 24, 1)
    + conv("conf", "c", 18, 1)
    + layer("Permute", "lp", "loc", LAST)
    + layer("Flatten", "lf", "lp")
    + layer("Permute", "cp", "conf", LAST)
    + layer("Reshape", "cr", "cp", "reshape_param { shape { dim: 0 dim: -1 dim: 3 } }")
    + layer("Softmax", "cs", "cr", "softmax_param { axis: 2 }")
    + layer("Flatten", "cf", "cs")
)
PRIORS = "min_size: 6 max_size: 14 aspect_ratio: 2 aspect_ratio: 3 flip: true"
VARIANCES = "variance: 0.1 variance: 0.1 variance: 0.2 variance: 0.2"


def run(text, folder, blob):
    """The blob by us and by OpenCV, with random weights."""
    net, random = Net(parse_net(text, "n")), np.random.default_rng(3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.from_numpy(random.standard_normal(tuple(parameter.shape)) * 0.5))
        x = random.uniform(-1, 1, net.input_shapes["data"]).astype(np.float32)
        ours = net({"data": torch.from_numpy(x)})[blob].numpy()
    return ours, opencvs_blob(net, text, {"data": x}, blob, folder)


@pytest.mark.parametrize(
    "param",
    [
        f"{PRIORS} clip: false {VARIANCES}",
        f"{PRIORS} clip: true variance: 0.3 step: 3 offset: 0.25",
        f"min_size: 5 min_size: 8 max_size: 9 max_size: 12 aspect_ratio: 2 clip: false {VARIANCES}",
        f"min_size: 5 aspect_ratio: 1 aspect_ratio: 2 aspect_ratio: 2 flip: false clip: false {VARIANCES}",
    ],
)
def test_priors_are_opencvs(tmp_path, param):
    text = data(3, 37, 29) + conv("c", "data", 8, 3, "stride: 2")
    text += layer("PriorBox", "p", "c data", f"prior_box_param {{ {param} }}")
    ours, theirs = run(text, tmp_path, "p")
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE"])
@pytest.mark.parametrize("more", ["keep_top_k: 20", "keep_top_k: 1000"])
def test_detections_are_opencvs(tmp_path, code, more):
    text = HEAD + layer("PriorBox", "pb", "c data", f"prior_box_param {{ {PRIORS} clip: false {VARIANCES} }}")
    param = "num_classes: 3 share_location: true background_label_id: 0 confidence_threshold: 0.2 "
    param += "nms_param { nms_threshold: 0.45 top_k: 40 }"
    text += layer("DetectionOutput", "d", "lf cf pb", f"detection_output_param {{ {param} code_type: {code} {more} }}")
    ours, theirs = run(text, tmp_path, "d")
    theirs = theirs[:, :, theirs[0, 0, :, 2] > 0]  # OpenCV fills up to keep_top_k with zeros
    assert ours.shape == theirs.shape and len(ours[0, 0]) > 5
    assert (np.diff(ours[0, 0, :, 1]) >= 0).all()  # by label, as SSD's map of them is; OpenCV's stay by score
    ours, theirs = (rows[0, 0][np.lexsort(rows[0, 0, :, :3].T)] for rows in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_sizes_are_whole_pixels():
    """As in SSD's own Caffe, which puts them into an int; OpenCV does not."""
    shapes = {"x": (1, 1, 4, 5), "image": (1, 3, 37, 29)}
    made = [
        single_layer("PriorBox", shapes, f"prior_box_param {{ {sizes} aspect_ratio: 2 }}").layers["l"].sides()
        for sizes in ("min_size: 35.84 max_size: 76.8", "min_size: 35 max_size: 76")
    ]
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_denser_boxes_stand_below_the_others(engine):
    """TextBoxes': behind each box its copy, whose centre lies on the lower edge of the place."""
    shapes = {"x": (1, 1, 4, 5), "image": (1, 3, 48, 60)}
    param = "min_size: 6 max_size: 14 aspect_ratio: 2 flip: true clip: false step: 12 offset: 0.5"
    inputs = {name: torch.zeros(shape) for name, shape in shapes.items()}
    plain, denser = (
        single_layer("PriorBox", shapes, f"prior_box_param {{ {param} {more} }}", engine)(inputs)["t"]
        for more in ("", "denser_prior_boxes: true")
    )
    assert denser.shape == (1, 2, 2 * plain.shape[2])
    pairs, boxes = denser.reshape(2, -1, 2, 4), plain.reshape(2, -1, 4)
    assert torch.equal(pairs[:, :, 0], boxes) and torch.equal(pairs[1, :, 1], boxes[1])
    moved = boxes[0] + torch.tensor([0, 0.5, 0, 0.5]) * 12 / 48
    torch.testing.assert_close(pairs[0, :, 1], moved, rtol=0, atol=1e-6)


def test_decoding_by_corners_in_units_of_the_size():
    prior = np.array([[0.2, 0.2, 0.4, 0.6]], np.float32)
    moved = decode(np.array([[1.0, 1, -1, 0]], np.float32), prior, np.full((1, 4), 0.5, np.float32), "CORNER_SIZE")
    np.testing.assert_allclose(moved, [[0.3, 0.4, 0.3, 0.6]], atol=1e-6)


def test_overlap_and_suppression():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 2, 1], [1, 1, 3, 3], [5, 5, 6, 6], [3, 3, 2, 2]], np.float32)
    np.testing.assert_allclose(overlap(boxes[0], boxes), [1, 0.5, 1 / 7, 0, 0], atol=1e-6)
    scores = np.array([0.9, 0.8, 0.7, 0.1, 0.0], np.float32)
    assert strongest(boxes, scores, 0.05, 0.4, -1, 1.0) == [0, 2, 3]
    assert strongest(boxes, scores, 0.05, 0.4, 2, 1.0) == [0]  # the best two, of which one is suppressed
    assert strongest(boxes, scores, 0.05, 0.6, -1, 1.0) == [0, 1, 2, 3]
    assert strongest(boxes, scores, 0.05, 0.6, -1, 0.8) == [0, 2, 3]  # the limit shrinks to 0.48


def test_nothing_found_is_a_row_for_each_image():
    shapes = {"loc": (2, 8), "conf": (2, 4), "prior": (1, 2, 8)}
    files = 'save_output_param { output_directory: "d" resize_param { resize_mode: WARP height: 3 interp_mode: AREA } }'
    more = f"detection_output_param {{ num_classes: 2 confidence_threshold: 0.9 {files} }}"
    found = single_layer("DetectionOutput", shapes, more)({name: torch.zeros(shape) for name, shape in shapes.items()})
    assert found["t"].tolist() == [[[[0, -1, -1, -1, -1, -1, -1], [1, -1, -1, -1, -1, -1, -1]]]]
    with pytest.raises(InputError, match=r"\(8, 6\) shifts and scores for 2 priors, found \(8, 4\)"):
        single_layer("DetectionOutput", shapes, "detection_output_param { num_classes: 3 }")


def test_the_image_is_as_large_as_the_prototxt_says():
    shapes = {"x": (1, 1, 4, 5), "image": (1, 3, 37, 29)}
    inputs = {name: torch.zeros(shape) for name, shape in shapes.items()}
    said = single_layer("PriorBox", shapes, "prior_box_param { min_size: 6 img_h: 40 img_w: 60 }")(inputs)["t"]
    shapes["image"] = (1, 3, 40, 60)
    inputs["image"] = torch.zeros(shapes["image"])
    assert torch.equal(single_layer("PriorBox", shapes, "prior_box_param { min_size: 6 }")(inputs)["t"], said)
    assert said[0, 1].unique().tolist() == [np.float32(0.1)]


@pytest.mark.parametrize("code", ["CORNER", "CENTER_SIZE"])
def test_a_first_stage_moves_the_priors_and_leaves_some_out(code):
    random, priors = np.random.default_rng(4), 31
    first = random.uniform(0, 0.7, (priors, 2))
    boxes = np.concatenate([first, first + random.uniform(0.1, 0.3, (priors, 2))], 1).astype(np.float32)
    variances = np.tile(np.float32([0.1, 0.1, 0.2, 0.2]), (priors, 1))
    blobs = {
        "loc": random.standard_normal((1, priors * 4)),
        "conf": random.uniform(0, 1, (1, priors * 3)),
        "prior": np.stack([boxes, variances]).reshape(1, 2, -1),
        "sure": random.uniform(0, 1, (1, priors * 2)),
        "moves": random.standard_normal((1, priors * 4)),
    }
    blobs = {name: torch.from_numpy(blob.astype(np.float32)) for name, blob in blobs.items()}
    param = f"detection_output_param {{ num_classes: 3 code_type: {code} nms_param {{ nms_threshold: 0.4 }} "
    param += "confidence_threshold: 0.3 keep_top_k: 12 %s }"
    shapes = {name: tuple(blob.shape) for name, blob in blobs.items()}
    ours = single_layer("DetectionOutput", shapes, param % "objectness_score: 0.4")(blobs)["t"]

    moved = decode(blobs["moves"].numpy().reshape(-1, 4), boxes, variances, code)
    sure = blobs["sure"].numpy().reshape(-1, 2)[:, 1] >= np.float32(0.4)
    scores = blobs["conf"].numpy().reshape(-1, 3) * sure[:, None]
    single = {
        "loc": blobs["loc"],
        "conf": torch.from_numpy(scores.reshape(1, -1)),
        "prior": torch.from_numpy(np.stack([moved, variances]).reshape(1, 2, -1)),
    }
    shapes = {name: tuple(blob.shape) for name, blob in single.items()}
    theirs = single_layer("DetectionOutput", shapes, param % "")(single)["t"]
    assert 0 < sure.sum() < priors and len(ours[0, 0]) == 12
    torch.testing.assert_close(ours, theirs)
    with pytest.raises(InputError, match=r"a first stage of \[62, 124\] values for 31 priors, found \[62, 62\]"):
        single_layer("DetectionOutput", {**shapes, "sure": (1, 62), "moves": (1, 62)}, param % "")
