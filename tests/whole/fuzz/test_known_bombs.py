"""Small files that ask for much: gigabytes of weights, endless nesting, the same values again and again."""

import io
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from cpm_repro.convert.state_dicts import read_state_dict
from cpm_repro.training.log import parse_log
from data_lmdb.datasets.matlab import read_variables
from data_lmdb.json_stream import records
from prototxt_import.files import InputError
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits
from tests.foreign_nets import data, inner, layer

INPUT = data(3, 200, 200)


@pytest.mark.parametrize(
    "text, said",
    [
        (INPUT + "".join(inner(f"ip{i}", "data", 17000) for i in range(100)), "learnable blobs that fit"),
        (INPUT + layer("Pooling", "p", "data", "pooling_param { kernel_size: 4294967295 }"), "up to 2147483647"),
        (INPUT + layer("Pooling", "p", "data", "pooling_param { kernel_size: 65537 pad: 65536 }"), "a padded bottom"),
        (INPUT + "layer { " * 100_000, "no field named"),
    ],
)
def test_a_prototxt_that_asks_for_too_much(text, said, tmp_path):
    (tmp_path / "net.prototxt").write_text(text)
    with pytest.raises(InputError, match=said):
        load_net(tmp_path / "net.prototxt")


def test_weights_that_do_not_fit_are_refused_before_the_net_takes_memory(tmp_path, monkeypatch):
    net, weights = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.write_text(INPUT + inner("ip", "data", 2))
    weights.write_bytes(load_net(net).to_caffemodel().SerializeToString())
    net.write_text(INPUT + inner("ip", "data", 15000))
    real = torch.zeros

    def only_shapes(*size, **options):
        assert torch.get_default_device().type == "meta"
        return real(*size, **options)

    monkeypatch.setattr(torch, "zeros", only_shapes)
    with pytest.raises(InputError, match=r"net.prototxt: .*net.caffemodel: layer 'ip', blob 0: expected shape"):
        load_net(net, weights)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_a_window_larger_than_all_channels_sees_them_all(engine):
    """local_size 9 spans 5 channels from each of them; with alpha as large, 2³² − 1 is the same."""
    random = np.random.default_rng(0)
    x = torch.from_numpy(random.standard_normal((2, 5, 4, 3), np.float32))
    made = []
    for size in (9, 2**32 - 1):
        lrn = f"lrn_param {{ local_size: {size} alpha: {size} beta: 0.75 }}"
        net = Net(parse_net(data(5, 4, 3) + layer("LRN", "n", "data", lrn), "n"), engine=engine)
        made.append(net({"data": x})["n"])
    np.testing.assert_allclose(made[1], made[0], rtol=1e-6)
    if engine == "exact":
        assert_same_bits(made[1].numpy(), made[0].numpy(), "n")


def _twice(file: h5py.File) -> None:
    file["data/a/0"] = np.zeros(300, np.float32)
    file["data/a/1"] = file["data/a/0"]


def _cycle(file: h5py.File) -> None:
    group = file.create_group("data/a")
    group["0"], group["b"] = np.zeros(3, np.float32), group


def _elsewhere(file: h5py.File) -> None:
    file.create_dataset("data/a/0", (100,), np.float32, external=[("/dev/zero", 0, 400)])


def _large(file: h5py.File) -> None:
    file.create_dataset("data/a/0", (10**9,), np.float32, chunks=(10**6,), compression="gzip")


def _nested(file: h5py.File) -> None:
    file["data" + 200 * "/a" + "/0"] = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    "write, said",
    [
        (_twice, "twice"),
        (_cycle, "twice"),
        (_elsewhere, "in other files"),
        (_large, "can hold"),
        (_nested, "at most 100 groups in each other"),
    ],
)
def test_an_hdf5_file_that_declares_more_than_it_holds(write, said, tmp_path):
    with h5py.File(tmp_path / "w.caffemodel.h5", "w") as file:
        write(file)
    with pytest.raises(InputError, match=said):
        read_caffemodel(tmp_path / "w.caffemodel.h5")


def _with_dimension(size: int) -> bytes:
    """A .mat whose 1 x 3 cell array claims another number of columns."""
    file = io.BytesIO()
    scipy.io.savemat(file, {"x": np.array([[1.0, 2.0, 3.0]], object)})
    found = bytes(file.getvalue())
    dimensions = np.array([1, 3], "<i4").tobytes()
    return found.replace(dimensions, np.array([1, size], "<i4").tobytes(), 1)


def test_a_mat_that_claims_more_than_it_holds(tmp_path):
    path = tmp_path / "x.mat"
    for size, said in ((2**30, "elements in an array"), (4, "expected"), (-1, "dimensions of 0 or more")):
        path.write_bytes(_with_dimension(size))
        with pytest.raises(InputError, match=said):
            read_variables(path, "x")
    path.write_bytes(_with_dimension(3))
    assert [value.item() for value in read_variables(path, "x")[0].ravel()] == [1, 2, 3]


def test_json_numbers_of_a_million_digits(tmp_path):
    (tmp_path / "x.json").write_text('[{"a": ' + "9" * 10**6 + "}]")
    with pytest.raises(InputError, match="expected JSON"):
        list(records(tmp_path / "x.json"))


def test_what_a_sentence_quotes_cannot_break_the_line():
    error = InputError(f"{Path('a.prototxt')}: layer 'x\n\x1b[31m\ud800'" + "y" * 10**6)
    assert str(error).isprintable() and str(error).startswith(r"a.prototxt: layer 'x\n\x1b[31m\ud800'yyy")
    assert len(str(error)) < 2100


def test_a_log_of_other_outputs_each_time(tmp_path):
    lines = "".join(f"x] Iteration {n}, loss = 1\nx] Train net output #0: l{n} = 1\n" for n in range(1100))
    (tmp_path / "x.log").write_text(lines)
    with pytest.raises(
        InputError, match=r"x\.log: expected the outputs of one net, found 1101 names in 1100 iterations"
    ):
        parse_log(tmp_path / "x.log")


def test_checkpoints_in_checkpoints_without_end(tmp_path):
    state = {"c.weight": torch.ones(1)}
    state["model"] = state
    torch.save(state, tmp_path / "c.pt")
    assert "c.weight" in read_state_dict(tmp_path / "c.pt").entries
    torch.save({"module." * 10**4 + "c.weight": torch.ones(1)}, tmp_path / "c.pt")
    assert list(read_state_dict(tmp_path / "c.pt").entries) == ["c.weight"]
