"""A net's weights in other forms: `.caffemodel`, `.caffemodel.h5`, `.pt` and `.safetensors` hold the same bits and
convert into one another; `.onnx`, `.pt2` and `.py` are written for programs without this project.

`.pt` and `.safetensors` hold the prototxt's text beside the weights, so that `load(path)` needs nothing else.
"""

import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch

from cpm_repro.models import zoo
from cpm_repro.models.training_facts import beside, description, name_parts, of_layers
from cpm_repro.needing import needing
from prototxt_import.deployment import DEFAULT, Variant
from prototxt_import.files import InputError, replacing
from prototxt_import.formats.caffemodel import write_caffemodel, write_hdf5
from prototxt_import.formats.prototxt import parse_net, read_text
from prototxt_import.layers.layer import Shape
from prototxt_import.net import Net
from prototxt_import.operations import Operations

from .channel_order import swap_red_and_blue
from .exported_program import save_program
from .python_export import in_fixed_order, is_of_python, save_python
from .state_dicts import FORMAT, StateDict
from .stored_weights import StoredWeights, read_weights


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """InputErrors of the body that know layers only name the file too; those of the weights beside it name them."""
    try:
        yield
    except InputError as error:
        named = str(error).startswith((f"{path}: ", f"{Path(path).with_suffix('.safetensors')}: "))
        raise InputError(str(error) if named else f"{path}: {error}") from None


def save_pt(path: str | os.PathLike[str], net: Net, prototxt: str) -> None:
    """Writes `{"format", "prototxt", "state_dict", "meta"}`; `prototxt` is the text of the net's file.

    `torch.load(path, weights_only=True)` reads it, and `load` makes a net of it. `meta` says what the input blobs
    are: their shapes, and `channel_order`, which is "bgr" in everything this project writes; and it has what testing
    needs (see `training_facts`).
    """
    meta = {
        **description(net),
        **net.trained,
        "inputs": {name: list(shape) for name, shape in net.input_shapes.items()},
    }
    content = io.BytesIO()
    torch.save({"format": FORMAT, "prototxt": prototxt, "state_dict": net.state_dict(), "meta": meta}, content)
    with replacing(path) as temporary, content.getbuffer() as written:
        temporary.write_bytes(written)


def save_safetensors(path: str | os.PathLike[str], net: Net, prototxt: str) -> None:
    """The state_dict as `.safetensors`; format, prototxt and what testing needs in its metadata. InputError where the
    weights of a file of Python lie, which could not read these."""
    python, path = Path(path).with_suffix(".py"), Path(path)
    if python.is_file() and is_of_python(path):
        raise InputError(
            f"{path}: expected a place for a net's own .safetensors, found the weights that {python.name} reads "
            "(another name for --out)"
        )
    with needing("safetensors", str(path)):
        from safetensors.torch import save
    plain = {"memory_format": torch.contiguous_format}
    state = {name: value.clone(**plain) for name, value in net.state_dict().items()}  # shared blobs: one copy each
    content = save(state, {"format": FORMAT, "prototxt": prototxt, **description(net)})
    with replacing(path) as temporary:
        temporary.write_bytes(in_fixed_order(content))


def _save_onnx(path: Path, net: Net, prototxt: str, dynamic: bool = False) -> None:
    with needing("onnx", str(path)):
        from .onnx_export import save_onnx
    with naming(path):
        save_onnx(path, net, prototxt, dynamic)


def _save_program(path: Path, net: Net, prototxt: str, dynamic: bool = False) -> None:
    with naming(path):
        save_program(path, net, prototxt, dynamic)


def _save_python(path: Path, net: Net, prototxt: str) -> None:
    with naming(path):
        save_python(path, net, prototxt)


WRITERS: dict[str, Callable[[Path, Net, str], None]] = {
    ".pt": save_pt,
    ".safetensors": save_safetensors,
    ".onnx": _save_onnx,
    ".pt2": _save_program,
    ".py": _save_python,
    ".caffemodel": lambda path, net, prototxt: write_caffemodel(path, net.to_caffemodel()),
    ".h5": lambda path, net, prototxt: write_hdf5(path, net.to_caffemodel()),
}
"""What writes a net, by the suffix of the file's name: (path, net, the prototxt's text)."""
OF_ANY_SIZE: dict[str, Callable[[Path, Net, str, bool], None]] = {".onnx": _save_onnx, ".pt2": _save_program}
"""What can leave the number of images and their size open, with True for that."""


def load(
    weights: str | os.PathLike[str],
    prototxt: str | os.PathLike[str] | None = None,
    phase: str = "TEST",
    engine: str | Operations = "fast",
    channel_order: str | None = None,
    input_shapes: Mapping[str, Shape] | None = None,
    stages: Sequence[str] = (),
    level: int | None = None,
) -> Net:
    """The net of these weights in whatever file `read_model` reads, told by what is in it, or a model of the package by
    its name (`load("lsp-small")`); in the TEST phase it is in torch's `eval()` mode. Runs no code from the file.

    prototxt: its net; Caffe's weights and what this project wrote carry it. channel_order: "bgr" or "rgb", which a
    state_dict from elsewhere must say; weights of RGB are made to take BGR. input_shapes: of input blobs, for a net
    without sizes or for other ones; stages, level: of the net's state (see `deployment.Variant`). InputError says what
    is missing.
    """
    if prototxt is None and str(weights) in zoo.names() and not Path(weights).exists():
        shipped = zoo.find(str(weights))
        net = load(shipped.weights, shipped.prototxt, phase, engine, channel_order, input_shapes, stages, level)
        net.trained.update(shipped.trained)
        return net
    variant = Variant(phase, stages, level, input_shapes or {})
    model = read_model(Path(weights), None if prototxt is None else Path(prototxt), channel_order, variant, engine)
    return model.net.train(phase != "TEST")


class Model(NamedTuple):
    """A net on the CPU that takes BGR, its prototxt's text, and the layers whose red and blue were swapped for it."""

    net: Net
    prototxt: str
    swapped: list[str]


class Prototxt(NamedTuple):
    """A net's text, and how messages name its place."""

    text: str
    where: str


def read_model(
    weights: Path,
    prototxt: Path | Prototxt | None = None,
    channel_order: str | None = None,
    variant: Variant = DEFAULT,
    engine: str | Operations = "fast",
) -> Model:
    """The net of these weights, in the variant of its prototxt that is asked for.

    weights: whatever `read_weights` reads; every layer has to find its own there. Without a prototxt the net is the
    file's own: Caffe's weights have it, and what this project wrote. channel_order: "bgr" or "rgb", what the weights
    were trained on. Caffe's and this project's are BGR unless said otherwise; a state_dict from elsewhere must say.
    InputError names what does not fit.
    """
    stored = read_weights(weights, channel_order)
    text, where = _prototxt_of(stored) if prototxt is None else _read(prototxt)
    stored.check_colours()
    try:
        text = variant.text_of(text, where)
        param = parse_net(text, where)
        with naming(where):
            net = Net(param, variant.phase, engine, only_shapes=True)
        stored.check_whole(net)
        with naming(where):
            net.allocate()
    except InputError as error:
        if prototxt is None and not isinstance(stored.content, StateDict):
            raise InputError(f"{error}; expected a deploy prototxt beside it, found none (--prototxt)") from None
        raise
    stored.load(net)
    net.trained.update(_trained(stored, prototxt if isinstance(prototxt, Path) else None))
    if isinstance(stored.content, StateDict) and stored.content.parts:
        other_net = (InputError,) if prototxt or variant.changes else ()
        with suppress(*other_net):
            name_parts(net, stored.content.parts, f"{weights}: parts")
    with naming(where):
        return Model(net, text, swap_red_and_blue(net) if channel_order == "rgb" else [])


def _trained(stored: StoredWeights, prototxt: Path | None) -> dict[str, float]:
    """What the weights say of the training; of Caffe's else what prototxts beside them, or beside the net's, say."""
    content = stored.content
    known = content.trained if isinstance(content, StateDict) else of_layers(content)
    return known or beside(filter(None, (stored.path, prototxt)))


def net_of(
    weights: Path | None,
    prototxt: Path | Prototxt | None,
    seed: int | None = None,
    channel_order: str | None = None,
    variant: Variant = DEFAULT,
    engine: str | Operations = "fast",
) -> Net:
    """What the tools' --weights, --prototxt and --channel-order name; without weights the fillers' net, from `seed`."""
    if weights is not None:
        return read_model(weights, prototxt, channel_order, variant, engine).net
    if prototxt is None:
        raise InputError("the network: expected --prototxt or weights that carry their net (--weights), found neither")
    text, where = _read(prototxt)
    param = variant.of(text, where)
    with naming(where):
        return Net(param, variant.phase, engine, seed)


def _read(prototxt: Path | Prototxt) -> Prototxt:
    return prototxt if isinstance(prototxt, Prototxt) else Prototxt(read_text(prototxt), str(prototxt))


def _prototxt_of(stored: StoredWeights) -> Prototxt:
    """The net that the file itself has."""
    text, path = stored.prototxt, stored.path
    if text is None and not isinstance(stored.content, StateDict):
        raise InputError(f"{path}: expected a prototxt with weights that lack their net, found none (--prototxt)")
    if text is None:
        raise InputError(f"{path}: expected a prototxt with a state_dict that is not of this project, found none")
    return Prototxt(text, str(path))


def convert(
    source: Path,
    out: Path,
    prototxt: Path | None = None,
    channel_order: str | None = None,
    dynamic: bool = False,
    variant: Variant = DEFAULT,
    trained: Mapping[str, float] | None = None,
    parts: str | None = None,
) -> Model:
    """Writes the weights in the form that `out`'s suffix names (see WRITERS and `read_model`); returns the model.

    dynamic: for any number of images of any size, in forms that have sizes. trained: `target_dist` and `sigma_center`
    of a pose machine's training, if no file says them (see `training_facts`); parts: the names of its belief maps but
    the background, joined by commas, if they are others than the release's.
    """
    if out.suffix not in WRITERS:
        raise InputError(f"{out}: expected a name that ends in {', '.join(WRITERS)}, found '{out.suffix}'")
    if dynamic and out.suffix not in OF_ANY_SIZE:
        raise InputError(f"{out}: expected a name that ends in {' or '.join(OF_ANY_SIZE)}, for any size (--dynamic)")
    model = read_model(source, prototxt, channel_order, variant)
    model.net.trained.update(trained or {})
    if parts is not None:
        name_parts(model.net, parts, "parts")
    if dynamic:
        OF_ANY_SIZE[out.suffix](out, model.net, model.prototxt, True)
    else:
        WRITERS[out.suffix](out, model.net, model.prototxt)
    return model
