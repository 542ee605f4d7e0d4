"""State dicts as training scripts leave them, under any name; what is no state dict is told so."""

import numpy as np
import pytest
import torch

from cpm_repro.convert.state_dicts import is_state_dict, read_state_dict
from prototxt_import.files import InputError

STATE = {"c1.weight": torch.arange(6.0).reshape(2, 3), "c1.bias": torch.ones(2)}


def prefixed(prefix):
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize("suffix", [".pth", ".pth.tar", ".ckpt", ".caffemodel"])
@pytest.mark.parametrize(
    "content",
    [
        STATE,
        prefixed("module."),
        prefixed("_orig_mod.module."),
        {"epoch": 3, "state_dict": prefixed("module.")},
        {"model": {"state_dict": STATE}, "optimizer": {}},
    ],
    ids=["plain", "DataParallel", "compiled", "checkpoint", "nested"],
)
def test_torch_checkpoints(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    torch.save(content, path)
    assert is_state_dict(path)
    entries, prototxt, *_ = read_state_dict(path)
    assert prototxt is None and entries.keys() == STATE.keys()
    assert all(torch.equal(entries[name], STATE[name]) for name in STATE)


def test_the_older_form_of_torch(tmp_path):
    torch.save(STATE, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert is_state_dict(tmp_path / "a.pth") and read_state_dict(tmp_path / "a.pth").entries.keys() == STATE.keys()


def test_safetensors_and_npz(tmp_path):
    from safetensors.torch import save_file

    save_file(prefixed("module."), tmp_path / "a.bin")
    np.savez(tmp_path / "b.npz", **{name: value.numpy() for name, value in STATE.items()})
    for name in ("a.bin", "b.npz"):
        assert is_state_dict(tmp_path / name)
        entries = read_state_dict(tmp_path / name).entries
        assert all(torch.equal(entries[key], STATE[key]) for key in STATE)


@pytest.mark.parametrize("content", [b"", b"\x0a\x04mini", b"<!DOCTYPE html>", b"version https://git-lfs"])
def test_other_files_are_none(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    assert not is_state_dict(tmp_path / "a")


def test_a_pickled_module_is_one_sentence(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"save `model\.state_dict\(\)`") as refusal:
        read_state_dict(tmp_path / "a.pth")
    assert "weights_only" not in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_tensor_that_claims_more_than_it_has_is_refused(tmp_path):
    torch.save({"a.weight": torch.zeros(1).expand(1 << 40)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="expected 1099511627776 values"):
        read_state_dict(tmp_path / "a.pth")


def test_sparse_tensors_are_refused(tmp_path):
    torch.save({"a.weight": torch.eye(3).to_sparse()}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"blob 'a\.weight': expected a plain tensor"):
        read_state_dict(tmp_path / "a.pth")


def test_a_damaged_archive_is_one_sentence(tmp_path):
    torch.save({"conv1.weight": torch.ones(3)}, tmp_path / "w.pt")
    content = bytearray((tmp_path / "w.pt").read_bytes())
    content[content.index(b"PK\x01\x02")] = 0
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"w\.pt: expected a \.pt .*, found a damaged archive"):
        read_state_dict(tmp_path / "w.pt")
