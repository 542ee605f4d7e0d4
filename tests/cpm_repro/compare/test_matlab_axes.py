"""A `.mat` of MATLAB's and one of scipy's give the same blobs, told apart by shapes that are known."""

import numpy as np
import pytest
import scipy.io

from cpm_repro.compare.dump_files import dump_of, open_dump
from cpm_repro.compare.matlab_axes import in_caffes_axes
from tests.bits import assert_same_bits

RANDOM = np.random.default_rng(0)


def blobs(images):
    shapes = {"conv1": (images, 3, 5, 4), "centre": (images, 1, 5, 4), "fc": (images, 7), "square": (images, 4, 4, 4)}
    return {name: RANDOM.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def saved(path, arrays, as_python):
    """As scipy writes them; or in MATLAB's order, which keeps no axis of 1 at the end."""
    turned = {name: np.squeeze(v.T, tuple(range(2, v.ndim))[::-1][: trailing(v.T)]) for name, v in arrays.items()}
    scipy.io.savemat(path, arrays if as_python else turned)
    return path


def trailing(array):
    ones = 0
    while ones < array.ndim - 2 and array.shape[-1 - ones] == 1:
        ones += 1
    return ones


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("as_python", [False, True])
def test_shapes_tell_whose_axes_they_are(tmp_path, images, as_python):
    arrays = blobs(images)
    path, others = saved(tmp_path / "a.mat", arrays, as_python), dump_of("B", arrays)
    assumed = "(axes taken for " + ("N×C×H×W, as scipy" if as_python else "W×H×C×N, as MATLAB")
    known_nets = {name: (9, *v.shape[1:]) for name, v in arrays.items()}  # of another number of images
    with open_dump(path) as dump:
        for a in (in_caffes_axes(dump, others, {})[0], in_caffes_axes(others, dump, {})[1]):
            assert assumed in a.where and "conv1" in a.where
            for name, array in arrays.items():
                assert_same_bits(np.ascontiguousarray(a.read(name)), array, name)
        assert assumed in in_caffes_axes(dump, None, known_nets)[0].where


def test_where_no_shape_tells_they_are_matlabs(tmp_path):
    arrays = {"square": RANDOM.standard_normal((4, 4, 4, 4)).astype(np.float32)}
    with open_dump(saved(tmp_path / "a.mat", arrays, False)) as dump:
        a, b = in_caffes_axes(dump, dump_of("B", arrays), {})
        assert a.where.endswith("(axes taken for W×H×C×N, as MATLAB has them: no shape tells)") and b.where == "B"
        assert_same_bits(np.ascontiguousarray(a.read("square")), arrays["square"], "square")


def test_gradients_of_one_image(tmp_path):
    arrays = {"conv1": np.ones((1, 3, 5, 4), np.float32), "conv1.diff": np.ones((1, 3, 5, 4), np.float32)}
    with open_dump(saved(tmp_path / "a.mat", arrays, False)) as dump:
        a, _ = in_caffes_axes(dump, None, {"conv1": (1, 3, 5, 4)})
        assert a.read("conv1.diff").shape == (1, 3, 5, 4)
