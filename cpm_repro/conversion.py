"""`.caffemodel` + prototxt to `.pt` and back: the same blobs in either, bit for bit."""

import os
from pathlib import Path

import torch

from prototxt_import.caffemodel import write_caffemodel
from prototxt_import.files import InputError, read_bytes, replacing
from prototxt_import.net import Net, load_net
from prototxt_import.prototxt import parse_net

FORMAT = "cpm_repro.net.1"


def save_pt(path: str | os.PathLike, net: Net, prototxt: str) -> None:
    """Writes `{"format", "prototxt", "state_dict"}`; `prototxt` is the text of the net's file.

    `torch.load(path, weights_only=True)` reads it, and `load` makes a net of it.
    """
    with replacing(path) as temporary:
        content = {"format": FORMAT, "prototxt": prototxt, "state_dict": net.state_dict()}
        torch.save(content, temporary)


def load(path: str | os.PathLike, phase: str = "TEST", engine: str = "fast") -> Net:
    """The net in a `.pt` written by `save_pt`; runs no code from the file. InputError if it is another kind of file."""
    return _net_of(_read_pt(path), path, phase, engine)


def _read_pt(path: str | os.PathLike) -> dict:
    """What `save_pt` wrote."""
    read_bytes(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types for files that are not its own
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: expected a .pt of this project, found a file torch cannot read ({reason})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: expected a .pt of this project (format {FORMAT}), found another one")
    return content


def _net_of(content: dict, path: str | os.PathLike, phase: str = "TEST", engine: str = "fast") -> Net:
    net = Net(parse_net(content["prototxt"], str(path)), phase, engine)
    missing = net.load_state_dict(content["state_dict"], strict=False)
    if missing.missing_keys or missing.unexpected_keys:
        raise InputError(
            f"{path}: expected the blobs of its own prototxt, found none for {missing.missing_keys} "
            f"and unknown {missing.unexpected_keys}"
        )
    return net


def convert(source: Path, out: Path, prototxt: Path | None) -> int:
    """Converts weights by the suffixes of both names: `.caffemodel`/`.h5` (with `prototxt`) or `.pt` to `.pt` or
    `.caffemodel`. Returns the number of parameters."""
    if source.suffix == ".pt":
        content = _read_pt(source)
        net, text = _net_of(content, source), content["prototxt"]
    elif prototxt is None:
        raise InputError(f"{source}: expected a prototxt with it, found none (--prototxt)")
    else:
        net, text = load_net(prototxt, source), prototxt.read_text(encoding="utf-8")
    if out.suffix == ".caffemodel":
        write_caffemodel(out, net.to_caffemodel())
    elif out.suffix == ".pt":
        save_pt(out, net, text)
    else:
        raise InputError(f"{out}: expected a name that ends in .pt or .caffemodel, found '{out.suffix}'")
    return sum(parameter.numel() for parameter in net.parameters())
