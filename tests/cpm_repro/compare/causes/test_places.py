"""What differs in one place is said to; what weights or settings change is not."""

import numpy as np
import pytest

from cpm_repro.compare.causes.arrays import recognised
from cpm_repro.compare.layers.explanation import explain
from cpm_repro.compare.layers.runs import LayerRun
from tests.prototxt_import.single_layer import single_layer

RANDOM = np.random.default_rng(8)
A = RANDOM.standard_normal((3, 6, 18, 21)).astype(np.float32)


def with_part(part, values):
    changed = A.copy()
    changed[part] = values(changed[part]) if callable(values) else values
    return changed


ROWS, COLUMNS = np.s_[:, :, 8:12], np.s_[1, :, :, 5:9]
PLACES = {
    "a strip of zeros": (with_part(ROWS, 0), "only rows 8 to 11 differ: B is 0 there"),
    "a strip of others": (with_part(ROWS, A[:, :, 2:6]), "only rows 8 to 11 differ: B holds there A's rows 2 to 5"),
    "columns of an image": (
        with_part(COLUMNS, A[1, :, :, :4]),
        "only columns 5 to 8 of image 1 differ: B holds there A's columns 0 to 3: memory used again",
    ),
    "a block": (
        with_part(np.s_[0, 2:4, 3:9, 3:9], lambda x: x[::-1] + 1),
        "of rows 3 to 8 of channels 2 to 3 of image",
    ),
    "an image": (with_part(np.s_[2], 0), "only image 2 differs: B is 0 there"),
    "an image's scale": (with_part(np.s_[1], lambda x: 2 * x), "only image 1 differs: a constant factor of 2"),
    "an image mirrored": (with_part(np.s_[1], lambda x: x[..., ::-1]), "only image 1 differs: mirrored from left to"),
    "channels of others": (with_part(np.s_[:, 4:], A[:, :2]), "channels repeated in B: memory used again, or outputs"),
    "bytes": (A.byteswap(), "each number's bytes are in reversed order: written big-endian"),
}


@pytest.mark.parametrize("name", PLACES)
def test_planted(name):
    wrong, said = PLACES[name]
    assert said in recognised(A, wrong)[0].what


def test_a_place_is_no_dropout_and_small_values_neither():
    small = np.where(np.abs(A) < 0.01, 0, A)
    assert recognised(A, small)[0].what.startswith("the smallest, up to 0.009")
    everywhere = np.where(RANDOM.random(A.shape) < 0.5, 0, 2 * A)
    assert recognised(A, everywhere)[0].what == "dropout is at work in B"


def test_zeros_of_either_sign():
    zeros = np.where(A > 0, A, 0)
    assert recognised(zeros, np.where(A > 0, A, np.float32(-0.0)))[0].what == "signs of zeros alone, -0 for 0"


def test_what_is_infinite_on_both_sides_is_nothing():
    a, b = A.copy(), 2 * A
    a[0, 0, 0, 0] = b[0, 0, 0, 0] = np.inf
    assert "a constant factor of 2" in recognised(a, b)[0].what


def made_by(change, x=A):
    """What is said of a side for which the convolution's result, or its bottom, was changed."""
    settings = 'convolution_param { num_output: 5 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }'
    net = single_layer("Convolution", {"x": x.shape}, settings, seed=1)
    run = LayerRun([net.layer("l").spec], net)
    own = run.top({"x": x})
    return [cause.what for cause in explain(run, {"x": x}, "B", change(run, own.copy()), own)]


def test_a_threads_share_is_no_other_weights():
    def share(run, made):
        made[:, :, 5:9] = run.top({"x": 0.3 * A[::-1]})[:, :, 5:9]
        return made

    (what,) = made_by(share)
    assert what.startswith("only rows 5 to 8 differ: not computed, overwritten, or a thread's share")


def test_a_difference_that_fades_or_an_empty_map_is_no_place():
    y, x = np.mgrid[:18, :21]
    bump = np.exp(-((y - 9) ** 2 + (x - 10) ** 2) / 8).astype(np.float32)
    assert not any("only rows" in cause.what for cause in recognised(A, A + np.where(bump > 1e-3, bump, 0) * A[::-1]))
    half = np.where(x < 10, A, 0)  # the other half of the picture is black
    assert not any("only columns" in cause.what for cause in recognised(half, half * (1 + 0.3 * A[::-1])))
