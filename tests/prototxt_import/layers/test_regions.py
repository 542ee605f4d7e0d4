"""Regions of interest against plain loops and OpenCV."""

import math

import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.prototxt_import.opencv import opencvs_blob
from tests.prototxt_import.single_layer import single_layer

REGIONS = np.array([[0, 1, 2, 15, 12], [1, 3, 3, 4, 4], [0, 0, 0, 21, 17], [1, 30, 30, 40, 40]], np.float32)
SHAPES = {"x": (2, 18, 9, 11), "r": (4, 5)}
ROI = "roi_pooling_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 }"
PSROI = "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.5 }"


def away(x):
    return math.floor(x + 0.5)


def roi_pooling(x, regions):
    out = np.zeros((len(regions), x.shape[1], 3, 2), np.float32)
    for n, (image, *corners) in enumerate(regions):
        x1, y1, x2, y2 = (away(c * 0.5) for c in corners)
        high, wide = max(y2 - y1 + 1, 1) / 3, max(x2 - x1 + 1, 1) / 2
        for i, j in np.ndindex(3, 2):
            top, bottom = (min(max(int(v) + y1, 0), 9) for v in (math.floor(i * high), math.ceil((i + 1) * high)))
            left, right = (min(max(int(v) + x1, 0), 11) for v in (math.floor(j * wide), math.ceil((j + 1) * wide)))
            if bottom > top and right > left:
                out[n, :, i, j] = x[int(image), :, top:bottom, left:right].max((1, 2))
    return out


def psroi_pooling(x, regions):
    out = np.zeros((len(regions), 2, 3, 3), np.float32)
    for n, (image, *corners) in enumerate(regions):
        x1, y1, x2, y2 = (away(corners[0]) * 0.5, away(corners[1]) * 0.5, (away(corners[2]) + 1) * 0.5,
                          (away(corners[3]) + 1) * 0.5)  # fmt: skip
        high, wide = max(y2 - y1, 0.1) / 3, max(x2 - x1, 0.1) / 3
        for c, i, j in np.ndindex(2, 3, 3):
            top, bottom = (min(max(v, 0), 9) for v in (math.floor(i * high + y1), math.ceil((i + 1) * high + y1)))
            left, right = (min(max(v, 0), 11) for v in (math.floor(j * wide + x1), math.ceil((j + 1) * wide + x1)))
            if bottom > top and right > left:
                out[n, c, i, j] = x[int(image), (c * 3 + i) * 3 + j, top:bottom, left:right].mean()
    return out


CASES = pytest.mark.parametrize(
    ("type_name", "param", "reference"),
    [("ROIPooling", ROI, roi_pooling), ("PSROIPooling", PSROI, psroi_pooling)],
)


@CASES
@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_against_plain_loops(engine, type_name, param, reference):
    net = single_layer(type_name, SHAPES, param, engine)
    x = torch.randn(SHAPES["x"], generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = net({"x": x, "r": torch.from_numpy(REGIONS)})["t"]
    assert y.shape == net.blob_shapes["t"]
    np.testing.assert_allclose(y.detach().numpy(), reference(x.detach().numpy(), REGIONS), rtol=1e-5, atol=1e-6)
    y.sum().backward()
    covered = (y.detach() != 0).sum()  # each bin with a pixel passes its gradient on, whole
    assert float(x.grad.sum()) == pytest.approx(float(covered), rel=1e-5)


@CASES
def test_against_opencv(tmp_path, type_name, param, reference):
    text = 'name: "n" input: "data" input_shape { dim: 1 dim: 18 dim: 9 dim: 11 } '
    text += 'input: "r" input_shape { dim: 3 dim: 5 } '
    text += f'layer {{ name: "t" type: "{type_name}" bottom: "data" bottom: "r" top: "t" {param} }}'
    net, regions = Net(parse_net(text, "n")), REGIONS[:3].copy()
    regions[:, 0] = 0
    data = np.random.default_rng(2).uniform(-1, 1, (1, 18, 9, 11)).astype(np.float32)
    inputs = {"data": data, "r": regions}
    ours = net({name: torch.from_numpy(values) for name, values in inputs.items()})["t"].numpy()
    np.testing.assert_allclose(ours, opencvs_blob(net, text, inputs, "t", tmp_path), rtol=0, atol=1e-6)


def test_a_region_of_no_image_is_named():
    net = single_layer("ROIPooling", SHAPES, ROI)
    regions = REGIONS.copy()
    regions[1, 0] = 2
    with pytest.raises(InputError, match=r"layer 'l' \(ROIPooling\): expected finite regions of images 0 to 1"):
        net({"x": torch.zeros(SHAPES["x"]), "r": torch.from_numpy(regions)})
