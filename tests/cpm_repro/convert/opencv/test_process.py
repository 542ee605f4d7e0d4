"""OpenCV in a process of its own: what it computes, and what is said where it does not."""

import numpy as np
import pytest

from cpm_repro.convert.check import check
from cpm_repro.convert.opencv.process import NotRun, opencvs_blobs
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

TEXT = """input: "data" input_shape { dim: 1 dim: 3 dim: 6 dim: 6 }
    layer { name: "l" type: "Convolution" bottom: "data" top: "y"
            convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }"""


@pytest.fixture
def net(tmp_path):
    net = Net(parse_net(TEXT, "n"), seed=1)
    write_caffemodel(tmp_path / "n.caffemodel", net.to_caffemodel())
    return net


def test_a_convolution_is_compared_whatever_its_top_is_called(net, tmp_path):
    pytest.importorskip("cv2", reason="cv2 is not installed (extra `test`)")
    opencv = check(net, TEXT, tmp_path / "n.caffemodel")[1]
    assert opencv.fits and [blob.name for blob in opencv.blobs] == ["y"]


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os; os.abort()", "its own process ended with SIGABRT, not compared"),
        ("import os; os._exit(3)", "its own process ended with exit code 3, not compared"),
        (
            "raise ImportError('libGL.so.1:\\n no such file')",
            r"cannot run this net, not compared \(libGL.so.1: no such",
        ),
    ],
)
def test_a_process_that_dies_is_a_sentence(tmp_path, monkeypatch, program, said):
    (tmp_path / "cv2.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("cpm_repro.convert.opencv.process.find_spec", lambda name: name)
    folder = tmp_path / "scratch"
    folder.mkdir()
    with pytest.raises(NotRun, match=said):
        opencvs_blobs(folder, TEXT, tmp_path / "n.caffemodel", {"data": np.zeros((1, 3, 6, 6), np.float32)}, [])
