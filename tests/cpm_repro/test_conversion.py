"""`.caffemodel` to `.pt` and back, to the bit; and a `.pt` that is none."""

import pickle

import numpy as np
import pytest
import torch
from bits import assert_same_bits

import cpm_repro
from cpm_repro.conversion import convert
from prototxt_import.caffemodel import read_caffemodel
from prototxt_import.files import InputError


def test_round_trip_gives_the_same_blobs(golden, tmp_path):
    weights, prototxt = golden / "net/mini_cpm_deploy.caffemodel", golden / "net/mini_cpm_deploy.prototxt"
    count = convert(weights, tmp_path / "net.pt", prototxt)
    assert count == sum(
        np.prod(b.shape.dim, dtype=int) for layer in read_caffemodel(weights).layer for b in layer.blobs
    )
    convert(tmp_path / "net.pt", tmp_path / "back.caffemodel", None)
    assert read_caffemodel(tmp_path / "back.caffemodel") == read_caffemodel(weights)
    convert(tmp_path / "net.pt", tmp_path / "again.pt", None)
    again, once = cpm_repro.load(tmp_path / "again.pt"), cpm_repro.load(tmp_path / "net.pt")
    for name, value in once.state_dict().items():
        assert_same_bits(again.state_dict()[name].numpy(), value.numpy(), name)


def test_load_computes_the_golden_blobs(golden, tmp_path):
    convert(golden / "net/mini_cpm_deploy.caffemodel.h5", tmp_path / "n.pt", golden / "net/mini_cpm_deploy.prototxt")
    expected = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    blobs = cpm_repro.load(tmp_path / "n.pt")({"data": torch.from_numpy(expected["data"])})
    maps = expected["Mconv5_stage3"]
    np.testing.assert_allclose(blobs["Mconv5_stage3"].detach(), maps, rtol=0, atol=1e-5 * np.abs(maps).max())


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("code from the file ran",))


@pytest.mark.parametrize("content", [b"", b"not a zip", pickle.dumps({"a": 1}, protocol=2)])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"other\.pt: expected a \.pt of this project"):
        cpm_repro.load(path)


def test_a_pt_runs_no_code_and_must_be_ours(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"format": Bomb()}, path)
    with pytest.raises(InputError, match="cannot read"):
        cpm_repro.load(path)
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match="found another one"):
        cpm_repro.load(path)
    with pytest.raises(InputError, match=r"none\.pt: cannot be read"):
        cpm_repro.load(tmp_path / "none.pt")


def test_conversions_that_make_no_sense(golden, tmp_path):
    weights = golden / "net/mini_cpm_deploy.caffemodel"
    with pytest.raises(InputError, match="expected a prototxt with it"):
        convert(weights, tmp_path / "n.pt", None)
    with pytest.raises(InputError, match=r"ends in \.pt or \.caffemodel, found '\.bin'"):
        convert(weights, tmp_path / "n.bin", golden / "net/mini_cpm_deploy.prototxt")
    assert not list(tmp_path.iterdir())
