"""State dicts as people have them: torch checkpoints, plain, nested or of a DataParallel, `.safetensors` and `.npz`,
told apart by what is in them, whatever their names end in. No code of a file is ever run.
"""

import os
import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cpm_repro.models.training_facts import positive
from cpm_repro.needing import needing
from cpm_repro.npz import check_members, read_npz
from prototxt_import.files import InputError, read_bytes

FORMAT = "cpm_repro.net.1"
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_NESTED = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params")
"""Under which keys training scripts keep the state dict of their checkpoints."""
_DEEPEST = 20
_WRAPPED = re.compile(r"^(?:module\.|_orig_mod\.|layers\.)*")
"""Of names in a DataParallel's, a compiled module's and this project's state dicts."""


class StateDict(NamedTuple):
    """What the file has by name, tensors if it is a state dict, without the prefixes of what wrapped the net; and the
    prototxt's text, and what is known of the training, if this project wrote it; parts are joined by commas."""

    entries: dict[str, object]
    prototxt: str | None
    trained: dict[str, float]
    parts: str


def is_state_dict(path: str | os.PathLike[str]) -> bool:
    """Whether the file begins as torch's, NumPy's or safetensors' do. InputError if it cannot be read."""
    start = read_bytes(path, 16)
    return start.startswith((_ZIP, _PICKLE)) or _is_safetensors(start)


def read_state_dict(path: str | os.PathLike[str]) -> StateDict:
    """The state dict of the file; InputError, naming what it is instead, if there is none in it, or if a tensor claims
    more values than the file has."""
    start = read_bytes(path, 16)
    if _is_safetensors(start) or Path(path).suffix == ".safetensors":
        content = _read_safetensors(path)
    elif start.startswith(_ZIP) and _is_npz(path):
        arrays = read_npz(path)  # what has no numbers stays an array
        content = {n: torch.from_numpy(a) if a.dtype.kind in "fiub" else a for n, a in arrays.items()}
    else:
        content = _read_torch(path)
    prototxt = content.get("prototxt") if content.get("format") == FORMAT else None
    if content.get("format") == FORMAT and not (
        isinstance(prototxt, str) and isinstance(content.get("state_dict"), Mapping)
    ):
        raise InputError(f"{path}: expected a prototxt and a state_dict, as format {FORMAT} has, found {list(content)}")
    meta = content.get("meta")  # where a `.pt` has what testing needs; a `.safetensors` has it as text beside the rest
    said = {**content, **(meta if isinstance(meta, Mapping) else {})} if prototxt else {}
    return StateDict(_checked(_innermost(content), path), prototxt, positive(said), str(said.get("parts", "")))


def _innermost(content: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):  # a file may hold a dict that holds itself
        key = next((key for key in _NESTED if isinstance(content.get(key), Mapping)), None)
        if key is None:
            break
        content = content[key]
    return content


def _checked(state: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, object]:
    for name, value in state.items():
        if isinstance(value, Tensor):
            _check_tensor(value, f"{path}: blob '{name}'")
    return {_plain_name(str(name)): value for name, value in state.items()}


def _check_tensor(tensor: Tensor, where: str) -> None:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise InputError(f"{where}: expected a plain tensor, found a quantized, sparse or empty one")
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    if tensor.numel() > stored:
        raise InputError(
            f"{where}: expected {tensor.numel()} values, as its shape {tuple(tensor.shape)} says, found {stored}"
        )


def _plain_name(name: str) -> str:
    return _WRAPPED.sub("", name)


def _is_safetensors(start: bytes) -> bool:
    return start[8:9] == b"{" and 0 < int.from_bytes(start[:8], "little") < 100 << 20


_DAMAGED = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error)
"""What zipfile raises of archives that are."""


def _is_npz(path: str | os.PathLike[str]) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (OSError, *_DAMAGED):
        return False


def _check_archive(path: str | os.PathLike[str], expected: str) -> None:
    """torch does not compress what it saves, but unpacks what others did."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(archive, path)
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(f"{expected}, found a damaged archive ({error})") from None


def _read_torch(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    expected = f"{path}: expected a .pt of this project or a torch state_dict"
    _check_archive(path, expected)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensors' deprecated kinds, which are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{expected}, found a file torch cannot read without running code from it, such as a pickled module: save "
            "`model.state_dict()` where it was made"
        ) from None
    except Exception as error:  # torch raises a dozen types for files that are not its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{expected}, found a file torch cannot read ({reason})") from None
    if not isinstance(content, Mapping):
        raise InputError(f"{expected}, found a {type(content).__name__}")
    return content


def _read_safetensors(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    with needing("safetensors", str(path)):
        from safetensors import SafetensorError, safe_open
    try:
        # By the descriptor, for safetensors knows no path that is not UTF-8.
        with open(path, "rb") as opened, safe_open(f"/proc/self/fd/{opened.fileno()}", framework="pt") as file:
            metadata = file.metadata() or {}
            return {**metadata, "state_dict": {name: file.get_tensor(name) for name in file.keys()}}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path}: expected a .safetensors file, found one that cannot be read ({error})") from None
