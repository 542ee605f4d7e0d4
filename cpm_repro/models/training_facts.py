"""What testing a pose machine must know of its training beside the weights: `target_dist` (a person's height in the
net's input / 200 px), `sigma_center` (of the centre map, px), and which part each belief map is of.

The first two stand in the training net's CPMData layer: in a snapshot of Caffe's or of this project's, which has the
net it was trained as, or in a prototxt beside the weights. `.pt`, `.safetensors`, `.onnx`, `.pt2` and `.py` carry all.
"""

import math
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from data_lmdb.joints import PARTS
from prototxt_import.files import InputError, Note
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import read_net
from prototxt_import.net import Net

NUMBERS = ("target_dist", "sigma_center")
BACKGROUND = "background"
_MOST_FILES, _MOST_BYTES = 50, 1 << 20  # that are looked at beside the weights


def positive(found: Mapping[str, object]) -> dict[str, float]:
    """Those of the two that are numbers above 0, also as text."""
    known = {}
    for name in NUMBERS:
        try:
            value = float(found.get(name, 0))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if 0 < value < math.inf:
            known[name] = value
    return known


def of_layers(net: "schema.NetParameter") -> dict[str, float]:
    """What the net's first CPMData layer says, of those that set `target_dist`; nothing if there is none."""
    params = [layer.transform_param for layer in net.layer if layer.type == "CPMData"]
    param = next((param for param in params if param.HasField("target_dist")), None)
    values = {} if param is None else {name: float(f"{getattr(param, name):.7g}") for name in NUMBERS}  # of a float32
    return positive(values)


def beside(files: Iterable[Path]) -> dict[str, float]:
    """What the prototxts in these files' folders say, with a Note of which one said it; nothing if two of them differ,
    or if there is none."""
    folders = dict.fromkeys(file.resolve().parent for file in files)
    found = [(path, facts) for folder in folders for path in _prototxts(folder) if (facts := _of_file(path))]
    if not found or any(facts != found[0][1] for _, facts in found):
        return {}
    path, facts = found[0]
    numbers = " and ".join(f"{name} {value:g}" for name, value in facts.items())
    warnings.warn(Note(f"{path}: {numbers}, which the weights do not say, are taken from here"), stacklevel=2)
    return facts


def _prototxts(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.glob("*.prototxt"))
        return [path for path in paths[:_MOST_FILES] if path.is_file() and path.stat().st_size <= _MOST_BYTES]
    except OSError:
        return []


def _of_file(path: Path) -> dict[str, float]:
    try:
        return of_layers(read_net(path)) if b"CPMData" in path.read_bytes() else {}
    except (InputError, OSError):  # not what anybody asked for
        return {}


def parts_of(net: Net) -> tuple[str, ...]:
    """The parts of a pose machine's belief maps, in their order, the background behind them: those its file says, or
    the release's; empty if the net is none of the release's kind, with `data` N x 4 x H x W and 9, 14 or 28 parts."""
    if net.own_parts:
        return (*net.own_parts, BACKGROUND)
    data = net.input_shapes.get("data", ())
    if len(data) != 4 or data[1] != 4:
        return ()
    known = PARTS.get(_number_of_parts(net), ())
    return (*known, BACKGROUND) if known else ()


def _number_of_parts(net: Net) -> int:
    """Of a pose machine's last belief maps; -1 if the net has no maps."""
    maps = net.blob_shapes[net.output_names[-1]] if net.output_names else ()
    return maps[1] - 1 if len(maps) == 4 else -1


def name_parts(net: Net, text: str, where: str) -> None:
    """From now on the net's parts are those in the text, joined by commas, with or without the background behind them.
    InputError, which begins with `where`, unless they are as many as the net's last maps and all differ."""
    names = tuple(name.strip() for name in text.split(","))
    names = names[:-1] if names[-1] == BACKGROUND else names
    if not all(names) or len(set(names)) != len(names):
        raise InputError(f"{where}: expected names of parts that differ, joined by commas, found '{text}'")
    if len(names) != _number_of_parts(net):
        expected = f"{max(_number_of_parts(net), 0)} names of parts, as the network's last maps are of"
        raise InputError(f"{where}: expected {expected}, found {len(names)} ('{text}')")
    net.own_parts = () if names == PARTS.get(len(names)) else names


def description(net: Net) -> dict[str, str]:
    """What exported files say of the net, as text: `channel_order`, the two numbers, and `parts`, joined by commas."""
    numbers = {name: repr(value) for name, value in net.trained.items()}
    parts = {"parts": ",".join(parts)} if (parts := parts_of(net)) else {}
    return {"channel_order": "bgr", **numbers, **parts}
