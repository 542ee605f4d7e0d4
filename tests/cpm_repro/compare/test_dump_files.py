"""Dumps in every form that they come in give the same arrays; what is damaged is told."""

import contextlib

import h5py
import numpy as np
import pytest
import scipy.io
import torch

from cpm_repro.compare.dump_files import open_dump
from cpm_repro.npz import write_npz
from prototxt_import.files import InputError
from prototxt_import.formats.blobs import array_to_blob
from prototxt_import.formats.caffemodel import write_caffemodel
from prototxt_import.formats.schema import NetParameter
from tests.bits import assert_same_bits

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "conv2/0": RANDOM.standard_normal((3, 2, 5, 5)).astype(np.float32),
    "conv2/1": RANDOM.standard_normal(3).astype(np.float32),
    "conv10/0": RANDOM.standard_normal((4, 3)).astype(np.float32),
}


def write_folder(path):
    for name, array in ARRAYS.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(path / f"{name}.npy", array)


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        for name, array in ARRAYS.items():
            file.create_dataset(name, data=array, compression="gzip")


def write_weights(path):
    net = NetParameter()
    for layer in ("conv2", "conv10"):
        blobs = [array_to_blob(array) for name, array in ARRAYS.items() if name.startswith(f"{layer}/")]
        net.layer.add(name=layer, blobs=blobs)
    write_caffemodel(path, net)


FORMS = {
    "dump.npz": lambda path: write_npz(path, ARRAYS),
    "folder": write_folder,
    "dump.h5": write_hdf5,
    "w.caffemodel": write_weights,
    "w.caffemodel.h5": write_weights,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_arrays_from_every_form(tmp_path, form):
    FORMS[form](tmp_path / form)
    with open_dump(tmp_path / form) as dump:
        assert set(dump.names) == set(ARRAYS)
        if not form.endswith(".h5"):
            assert list(dump.names) == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert_same_bits(np.asarray(dump.read(name)), array, name)


def read_all(path):
    with open_dump(path) as dump:
        for name in dump.names:
            dump.read(name)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_files_are_read_or_refused(tmp_path, form):
    path = tmp_path / form
    FORMS[form](path)
    file = next(iter(sorted(path.rglob("*.npy")))) if path.is_dir() else path
    whole = file.read_bytes()
    for _ in range(150):
        damaged = bytearray(whole)
        for place in RANDOM.integers(0, RANDOM.choice([len(whole), min(400, len(whole))]), 3):
            damaged[place] = RANDOM.integers(256)
        file.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_all(path)


@pytest.mark.parametrize("form", FORMS)
def test_cut_files_are_refused(tmp_path, form):
    path = tmp_path / form
    FORMS[form](path)
    file = next(iter(sorted(path.rglob("*.npy")))) if path.is_dir() else path
    whole = file.read_bytes()
    for length in [0, 3, *RANDOM.integers(4, len(whole) - 1, 12)]:
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match=file.name):
            read_all(path)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    objects = np.array([{}], dtype=object)
    np.save(tmp_path / "folder/x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "p.npz", x=objects)
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file.create_dataset("x", data=["text"], dtype=h5py.string_dtype())
    for name in ("folder", "p.npz", "o.h5"):
        with pytest.raises(InputError, match="x"):
            read_all(tmp_path / name)


def test_values_that_lie_elsewhere_or_nowhere_are_refused(tmp_path):
    with h5py.File(tmp_path / "big.h5", "w") as file:
        file.create_dataset("x", shape=(1 << 40,), dtype="f4", chunks=(1024,))
    with h5py.File(tmp_path / "external.h5", "w") as file:
        file.create_dataset("x", shape=(4,), dtype="f4", external=[(str(tmp_path / "big.h5"), 0, 16)])
    for name in ("big.h5", "external.h5"):
        with pytest.raises(InputError, match=rf"{name}: x: expected numbers that lie in this file"):
            read_all(tmp_path / name)


def test_what_is_no_dump_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.npz").write_text("no zip")
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "c.pt")
    for name, said in (
        ("empty", "found none in it"),
        ("text.npz", "found a file that is none"),
        ("c.pt", r"\.npz, found .*/data\.pkl: torch's, of which `cpm convert` makes a \.caffemodel"),
        ("no", "No such file"),
    ):
        with pytest.raises(InputError, match=said):
            read_all(tmp_path / name)


@pytest.mark.parametrize("header", [b"", b"MATLAB 7.3 MAT-file"])
def test_matlabs_arrays_have_their_axes_the_other_way_round(tmp_path, header):
    blob = RANDOM.standard_normal((2, 3, 4, 5)).astype(np.float32)
    path = tmp_path / "dump.mat"
    if header:  # MATLAB writes column-major values with their sizes reversed, so that HDF5 shows Caffe's order
        with h5py.File(path, "w", userblock_size=512) as file:
            file["conv1"] = blob
            file["#refs#/a"] = blob
        with path.open("r+b") as file:
            file.write(header)
    else:
        scipy.io.savemat(path, {"conv1": blob.transpose(), "text": "no numbers"})
    with open_dump(path) as dump:
        assert set(dump.names) == ({"conv1"} if header else {"conv1", "text"})
        assert_same_bits(np.ascontiguousarray(dump.read("conv1")), blob, "conv1")
        if not header:
            with pytest.raises(InputError, match="text: expected numbers, found a variable of"):
                dump.read("text")


def test_weights_are_told_by_their_content(tmp_path):
    net = NetParameter()
    net.layer.add(name="inception/1x1", blobs=[array_to_blob(ARRAYS["conv2/0"])])
    write_caffemodel(tmp_path / "weights.bin", net)
    with open_dump(tmp_path / "weights.bin") as dump:
        assert dump.names == ("inception/1x1/0",)
        assert_same_bits(dump.read("inception/1x1/0"), ARRAYS["conv2/0"], "weights")
