"""Layer by layer a net computes what it does as a whole, forward and backward."""

from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_repro.caffe_commands.layer_times import LayerPasses, timed
from cpm_repro.caffe_commands.ready_net import ready_net
from cpm_repro.caffe_commands.scores import scored
from prototxt_import.files import InputError
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import write_rows

NET = """
layer { name: "rows" type: "HDF5Data" top: "x" top: "y" hdf5_data_param { source: "files.txt" batch_size: 2 } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a"
        convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "relu" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b"
        inner_product_param { num_output: 2 weight_filler { type: "gaussian" std: 0.3 } } }
layer { name: "all" type: "Eltwise" bottom: "b" bottom: "b" top: "all" }
layer { name: "loss" type: "EuclideanLoss" bottom: "all" bottom: "y" top: "loss" loss_weight: 0.5 }
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    write_rows(tmp_path / "r.h5", x=random.standard_normal((4, 1, 5, 4)), y=random.standard_normal((4, 2)))
    (tmp_path / "files.txt").write_text("r.h5")
    (tmp_path / "net.prototxt").write_text(NET)
    return tmp_path / "net.prototxt"


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_layer_by_layer_is_the_whole(model: Path, engine: str) -> None:
    with ready_net(model, "TRAIN", engine=engine) as alone, ready_net(model, "TRAIN", engine=engine) as whole:
        passes = LayerPasses(alone)
        blobs = passes.forward()
        passes.backward()
        expected = whole.net(whole.data.next_batch())
        torch.as_tensor(whole.net.loss(expected)).backward()
        assert_same_bits(blobs["loss"].detach().numpy(), expected["loss"].detach().numpy())
        for one, other in zip(alone.net.learnable, whole.net.learnable, strict=True):
            assert one.parameter.grad is not None and other.parameter.grad is not None
            assert_same_bits(one.parameter.grad.numpy(), other.parameter.grad.numpy(), one.layer)
        assert set(passes.backward_seconds) == {"a", "relu", "b", "b_b_0_split", "all", "loss"}


def test_every_layer_has_a_line_for_each_way(model: Path) -> None:
    with ready_net(model, "TRAIN") as ready:
        lines = [line.partition("] ")[2] for line in timed(ready, 2)]
    assert sum("forward: " in line for line in lines) == sum("backward: " in line for line in lines) == 7
    assert lines[-1] == "*** Benchmark ends ***" and "Iteration: 2 forward-backward time" in " ".join(lines)


def test_scores_are_means_over_batches(model: Path) -> None:
    with ready_net(model, "TEST") as ready:
        lines = [line.partition("] ")[2] for line in scored(ready, 2)]
    first, second = (float(line.split(" = ")[1]) for line in lines[1:3])
    assert [line.split(" = ")[0] for line in lines[1:3]] == ["Batch 0, loss", "Batch 1, loss"]
    mean = float(lines[4].split(" = ")[1].split(" (")[0])
    assert mean == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(lines[3].removeprefix("Loss: ")) == pytest.approx(mean / 2, rel=1e-5)


def test_a_layer_that_cannot_be_is_told_with_its_file(model: Path) -> None:
    model.write_text(NET.replace("num_output: 3", "num_output: 0"))
    with pytest.raises(InputError, match=r"net\.prototxt: layer 'a'"), ready_net(model, "TRAIN"):
        pass
