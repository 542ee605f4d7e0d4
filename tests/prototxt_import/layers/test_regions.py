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


def bilinear(maps, y, x, reach, last):
    """(C,) of maps (C, H, W) at a place between pixels, held within; 0 more than `reach` above or beyond H − last."""
    height, width = maps.shape[1:]
    if y < -reach or y > height - last or x < -reach or x > width - last:
        return np.zeros(len(maps))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    upper = maps[:, top, left] * (1 - x + left) + maps[:, top, right] * (x - left)
    lower = maps[:, bottom, left] * (1 - x + left) + maps[:, bottom, right] * (x - left)
    return upper * (1 - y + top) + lower * (y - top)


def align_means(samples):
    def reference(x, regions):
        out = np.zeros((len(regions), x.shape[1], 3, 2))
        for n, (image, *corners) in enumerate(regions):
            x1, y1, x2, y2 = (c * 0.5 for c in corners)
            high, wide = max(y2 - y1, 1) / 3, max(x2 - x1, 1) / 2
            rows, columns = samples or math.ceil(high), samples or math.ceil(wide)
            for i, j in np.ndindex(3, 2):
                places = [(y1 + (i + (a + 0.5) / rows) * high, x1 + (j + (b + 0.5) / columns) * wide)
                          for a, b in np.ndindex(rows, columns)]  # fmt: skip
                out[n, :, i, j] = np.mean([bilinear(x[int(image)], *place, 1, 0) for place in places], 0)
        return out

    return reference


def align_corners(x, regions):
    out = np.zeros((len(regions), x.shape[1], 4, 3))
    for n, (image, a, b, c, d) in enumerate(regions):
        wide, high = (c - a + 1) * 0.25, (d - b + 1) * 0.25
        x1, y1, x2, y2 = ((v * 0.5 - 0.5) for v in (a - wide, b - high, c + wide, d + high))
        for i, j in np.ndindex(4, 3):
            place = y1 + i * (y2 - y1) / 3, x1 + j * (x2 - x1) / 2
            out[n, :, i, j] = bilinear(x[int(image)], *place, 0.5, 0.5)
    return out


ALIGN = "roi_align_param { pooled_h: 3 pooled_w: 2 spatial_scale: 0.5 %s }"


@pytest.mark.parametrize(("more", "reference"), [
    ("sampling_ratio: 2", align_means(2)), ("sampling_ratio: 0", align_means(0)), ("pad_ratio: 0.25", align_corners),
])  # fmt: skip
@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_align_against_plain_loops(engine, more, reference):
    net = single_layer("ROIAlign", SHAPES, ALIGN % more, engine)
    x = torch.randn(SHAPES["x"], generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = net({"x": x, "r": torch.from_numpy(REGIONS)})["t"]
    assert y.shape == net.blob_shapes["t"]
    np.testing.assert_allclose(y.detach().numpy(), reference(x.detach().numpy(), REGIONS), rtol=1e-5, atol=2e-6)
    y.sum().backward()
    ones = reference(np.ones(SHAPES["x"]), REGIONS).sum()  # a linear map: 1 · gradient = f(1)
    assert float(x.grad.sum()) == pytest.approx(ones, rel=1e-4)


@pytest.mark.parametrize(
    ("more", "found"), [("", "none of these"), ("sampling_ratio: 1 pad_ratio: 0", "sampling_ratio and pad")]
)
def test_align_must_say_whose_it_is(more, found):
    with pytest.raises(InputError, match=rf"forks disagree, found {found}"):
        single_layer("ROIAlign", SHAPES, ALIGN % more)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_cascades_fields_may_stand_in_roi_pooling_param(engine):
    x, param = torch.randn(SHAPES["x"]), ALIGN % "pad_ratio: 0"
    own = param.replace("roi_align_param", "roi_pooling_param")
    tops = [single_layer("ROIAlign", SHAPES, text, engine)({"x": x, "r": torch.from_numpy(REGIONS)})["t"]
            for text in (param, own, own.replace("pad_ratio: 0", ""))]  # fmt: skip
    assert torch.equal(tops[0], tops[1]) and torch.equal(tops[0], tops[2])


def test_pooling_with_a_margin_is_that_of_larger_regions():
    x, regions = torch.randn(SHAPES["x"]), torch.from_numpy(REGIONS)
    sides = regions[:, 3:] - regions[:, 1:3] + 1
    larger = torch.cat([regions[:, :1], regions[:, 1:3] - sides * 0.25, regions[:, 3:] + sides * 0.25], 1)
    padded = single_layer("ROIPooling", SHAPES, ROI.replace("}", "pad_ratio: 0.25 }"))({"x": x, "r": regions})["t"]
    assert torch.equal(padded, single_layer("ROIPooling", SHAPES, ROI)({"x": x, "r": larger})["t"])


@pytest.mark.parametrize(("type_name", "param"), [("ROIPooling", ROI), ("PSROIPooling", PSROI),
                                                  ("ROIAlign", ALIGN % "sampling_ratio: 1")])  # fmt: skip
def test_no_regions_at_all(type_name, param):
    net = single_layer(type_name, SHAPES, param)
    y = net({"x": torch.ones(SHAPES["x"]), "r": torch.zeros(0, 5)})["t"]
    assert y.shape == (0, *net.blob_shapes["t"][1:])


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


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_masks_are_multiplied_with_every_channel(engine):
    net = single_layer("MaskPooling", {"x": (3, 4, 2, 5), "m": (3, 1, 2, 5)}, "", engine)
    generator = torch.Generator().manual_seed(1)
    x, m, weight = (torch.randn(*shape, generator=generator) for shape in ((3, 4, 2, 5), (3, 1, 2, 5), (3, 4, 2, 5)))
    x.requires_grad_(), m.requires_grad_()
    y = net({"x": x, "m": m})["t"]
    wanted = np.einsum("nchw,nhw->nchw", x.detach().numpy(), m.detach().numpy()[:, 0])
    np.testing.assert_allclose(y.detach(), wanted, rtol=1e-6)
    (y * weight).sum().backward()
    np.testing.assert_allclose(x.grad, weight.numpy() * m.detach().numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(m.grad[:, 0], (weight * x.detach()).sum(1), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"bottoms \(R, C, h, w\) and \(R, 1, h, w\)"):
        single_layer("MaskPooling", {"x": (3, 4, 2, 5), "m": (3, 4, 2, 5)}, "", engine)
