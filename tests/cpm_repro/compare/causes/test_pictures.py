"""What readers of pictures get wrong is named, by the two inputs alone."""

import numpy as np
import pytest

from cpm_repro.compare.causes.arrays import recognised

PIXELS = np.random.default_rng(3).integers(0, 256, (2, 3, 37, 42)).astype(np.float64)
MEAN = np.reshape((104, 117, 123), (1, 3, 1, 1))
ROWS, COLUMNS = np.mgrid[:37, :42]


def gaussian(sigma=6, height=1):
    values = height * np.exp(-((ROWS - 18) ** 2 + (COLUMNS - 21) ** 2) / (2 * sigma**2))
    return np.broadcast_to(values, (2, 1, 37, 42))


def cpm(pixels, centre=None):
    """A CPM's input."""
    picture = (pixels - 128) / 256
    return np.concatenate([picture, gaussian() if centre is None else centre], 1).astype(np.float32)


def of_caffe(pixels, mean=MEAN):
    return (pixels - mean).astype(np.float32)


def wave(down=0.0, stretched=1.0):
    """A smooth picture, moved and stretched, in whole grey levels."""
    y, x = (np.linspace(-1, 1, n) * stretched for n in (37, 42))
    values = np.sin(7 * (y[:, None] + 2 * down / 37)) * np.cos(5 * x) + np.cos(9 * x - 2 * y[:, None])
    return np.rint(127.5 + 60 * np.stack([values, -values, values**2 - 1]))[None]


def overflown(pixels):
    return (pixels.astype(np.uint8) - np.uint8(128)) / 256


def signed(pixels):
    return pixels.astype(np.uint8).astype(np.int8) / 256


RIGHT = cpm(PIXELS)
NOISE = np.random.default_rng(1).integers(-2, 3, PIXELS.shape)
INPUTS = {
    "127": (RIGHT, cpm(PIXELS + 1), "B has (p − 127) / 256, in place of (p − 128) / 256"),
    "127.5": (RIGHT, cpm(PIXELS + 0.5), "B has (p − 127.5) / 256, in place of"),
    "mean after division": (RIGHT, cpm(PIXELS - 128 * 256 + 128), "B has p / 256 − 128, the mean subtracted after"),
    "no mean": (of_caffe(PIXELS), of_caffe(PIXELS, 0), "B has pixels 0 … 255 as they are, in place of pixels less Ima"),
    "mean RGB": (
        of_caffe(PIXELS),
        of_caffe(PIXELS, MEAN[:, ::-1]),
        "B has pixels less ImageNet's mean (RGB), in",
    ),
    "VGG's mean": (
        of_caffe(PIXELS),
        of_caffe(PIXELS, np.reshape((103.939, 116.779, 123.68), (1, 3, 1, 1))),
        "B has pixels less ImageNet's mean 103.939, 116.779, 123.68 (BGR), in place of pixels less",
    ),
    "MobileNet": (of_caffe(PIXELS), 0.017 * of_caffe(PIXELS), "(BGR), times 0.017 (MobileNet's), in place of"),
    "uint8": (RIGHT, np.concatenate([overflown(PIXELS), gaussian()], 1).astype(np.float32), "8 bits that ran over"),
    "int8": (RIGHT, np.concatenate([signed(PIXELS), gaussian()], 1).astype(np.float32), "8 bits that ran over"),
    "stale": (RIGHT, RIGHT[[0, 0]], "images repeated in B: a batch that was not filled again"),
    "noise": (of_caffe(PIXELS), of_caffe(PIXELS) + 9 * NOISE.clip(-3, 3) + 0.3 * NOISE, "noise in B, of standard"),
    "unsigned": (of_caffe(PIXELS, 128), of_caffe(PIXELS, 128).clip(0), "B is cut off at 0: its negative values are 0"),
    "grey": (RIGHT, cpm(PIXELS.mean(1, keepdims=True).repeat(3, 1)), "B is a grey picture"),
    "gamma": (RIGHT, cpm(255 * (PIXELS / 255) ** 2.2), "B has another tone curve: gamma"),
    "cut off": (of_caffe(PIXELS, 128), of_caffe(PIXELS, 128).clip(-99, 77), "B is cut off at -99 and 77"),
    "decoder": (RIGHT, cpm((PIXELS + NOISE).clip(0, 255)), "pixels a few grey levels apart: another JPEG decoder"),
    "not rounded": (RIGHT, cpm(PIXELS + NOISE / 7), "B's pixels are no whole grey levels: resized in floats"),
    "blurred": (RIGHT, cpm(np.rint((PIXELS + np.roll(PIXELS, 1, 3)) / 2)), "B is filtered: blurred"),
    "half a pixel": (of_caffe(wave()), of_caffe(wave(0.5)), "moved by parts of a pixel"),
    "other corners": (of_caffe(wave()), of_caffe(wave(0, 1.03)), "the same picture, moved by parts of a pixel"),
    "turned": (
        of_caffe(PIXELS[..., :37]),
        of_caffe(np.rot90(PIXELS[..., :37], 1, (2, 3))),
        "turned by 90° to the left",
    ),
    "centre first": (RIGHT, RIGHT[:, [3, 0, 1, 2]], "the fourth (a CPM's centre map) first"),
    "centre 1": (RIGHT, cpm(PIXELS, np.ones((2, 1, 37, 42))), "B's centre map is 1 everywhere"),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs(name):
    a, b, said = INPUTS[name]
    (cause,) = recognised(a, b, is_input=True)
    assert said in cause.what


def test_picture_and_centre_map_are_looked_at_one_by_one():
    swapped, lacking = recognised(RIGHT, cpm(PIXELS[:, ::-1], 0 * gaussian()), is_input=True)
    assert swapped.what == "channels swapped, RGB against BGR" and lacking.what == "B lacks the centre map"
    (brighter, wider) = recognised(RIGHT, cpm((PIXELS * 256 / 255), gaussian(5)), is_input=True)
    assert "(p − 128) / 256" in brighter.what and "sigma 5 in place of A's 6" in wider.what


def test_another_picture_is_not_explained():
    other = np.random.default_rng(4).integers(0, 256, PIXELS.shape)
    assert recognised(RIGHT, cpm(other), is_input=True) == []
