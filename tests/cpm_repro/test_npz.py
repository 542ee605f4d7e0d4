"""Arrays by name: what is written comes back, what is damaged or pickled is refused, nothing half-written stays."""

import zipfile

import numpy as np
import pytest

from cpm_repro.npz import read_npz, write_npz, writing_npz
from prototxt_import import files
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

ARRAYS = {
    "blob1/data": np.random.default_rng(1).standard_normal((3, 0, 5)).astype(np.float32),
    "iter0/conv1/0": np.random.default_rng(2).standard_normal((4, 3)).astype(np.float32),
    "config": np.array('{"a": 1}'),
    "cursor": np.int64(7),
    "label": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}


def test_arrays_come_back_here_and_in_numpy(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, ARRAYS)
    for found in (read_npz(path), dict(np.load(path))):
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert_same_bits(found[name], array, name)
    first = path.read_bytes()
    write_npz(path, ARRAYS)
    assert path.read_bytes() == first and list(tmp_path.iterdir()) == [path]


def test_numpys_own_files_are_read(tmp_path):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "b.npz", x=ARRAYS["iter0/conv1/0"], order=ARRAYS["label"])
        found = read_npz(tmp_path / "b.npz")
        assert_same_bits(found["x"], ARRAYS["iter0/conv1/0"])
        assert_same_bits(found["order"], ARRAYS["label"])


def test_nothing_appears_if_the_writer_fails(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), writing_npz(tmp_path / "c.npz") as add:
        add("x", np.zeros(3))
        raise KeyboardInterrupt
    assert (tmp_path / "c.npz").read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


def test_pickles_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"p\.npz: expected a \.npz file of plain arrays"):
        read_npz(tmp_path / "p.npz")


def header_claims(path, shape):
    """A file whose only array claims another shape than its bytes have."""
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
        stream.write(bytes(12))


@pytest.mark.parametrize("shape", [(10**15,), (2,), (4,)])
def test_a_shape_that_the_bytes_do_not_fill_is_refused(tmp_path, shape):
    header_claims(tmp_path / "h.npz", shape)
    with pytest.raises(InputError, match="holds 12 bytes, not float32 of shape"):
        read_npz(tmp_path / "h.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(50)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "o.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"o\.npz"):
        read_npz(tmp_path / "o.npz")


def test_cut_and_changed_files_are_refused_or_read(tmp_path):
    """Every cut is refused; a flipped byte never gives other values."""
    path = tmp_path / "f.npz"
    write_npz(path, ARRAYS)
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    for _ in range(100):
        path.write_bytes(whole[: random.integers(len(whole))])
        with pytest.raises(InputError):
            read_npz(path)
        place = random.integers(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << random.integers(8)]) + whole[place + 1 :])
        try:
            found = read_npz(path)
        except InputError:
            continue
        for name in found.keys() & ARRAYS.keys():
            assert_same_bits(found[name], np.asarray(ARRAYS[name]), name)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: cannot be read: No such file"):
        read_npz(tmp_path / "none.npz")


def test_a_file_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path, monkeypatch):
    """All its members together; one that is not compressed may be of any size."""
    monkeypatch.setattr(files, "_UNPACKED", 1 << 20)
    arrays = {f"a{number}": np.zeros(1 << 16, np.float32) for number in range(8)}
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    with pytest.raises(InputError, match=r"packed\.npz: expected at most 1048576 bytes once unpacked .* found 20\d{5}"):
        read_npz(tmp_path / "packed.npz")
    np.savez(tmp_path / "plain.npz", **arrays)
    assert read_npz(tmp_path / "plain.npz").keys() == arrays.keys()
    del arrays["a7"], arrays["a6"], arrays["a5"], arrays["a4"], arrays["a3"]
    np.savez_compressed(tmp_path / "small.npz", **arrays)
    assert len(read_npz(tmp_path / "small.npz")) == 3
