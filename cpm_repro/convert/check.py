"""Does a converted file compute what its source does? Both run on random input and their output blobs are compared."""

import math
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from cpm_repro.array_comparison import ArrayComparison, compare_arrays
from cpm_repro.needing import needing
from prototxt_import.files import InputError, scratch_folder
from prototxt_import.formats.caffemodel import read_caffemodel
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.layer import Shape
from prototxt_import.layers.regions import RegionLayer
from prototxt_import.net import Net

from .opencv.process import NotRun, opencvs_blobs
from .opencv.settings import ignored_by_opencv
from .weights import load

Arrays = Mapping[str, np.ndarray]
TOLERANCE = 1e-4
"""Of another runtime, in shares of the blob's largest magnitude: usually 1e-6, more where sums cancel; a wrong rule
gives far more. Files read back here must give the same values."""


@dataclass(frozen=True)
class Check:
    """What one reader of the file made of it: each output blob beside the source's, or why there is none.

    limit: of `share_of_largest`; NaNs and infinities fit where both sides have them.
    """

    reader: str
    blobs: list[ArrayComparison]
    limit: float
    remark: str = ""

    @property
    def fits(self) -> bool:
        """Whether every blob is within the limit; a reader that could not run counts as no objection."""
        return all(blob.share_of_largest <= self.limit for blob in self.blobs)


def check(net: Net, prototxt: str, out: Path, seed: int = 1, dynamic: bool = False) -> list[Check]:
    """Compares `net` with the file written from it, on input uniform in [-0.5, 0.5] from `seed`, or regions.

    `.onnx` runs in ONNX Runtime, `.pt2` and `.py` in torch alone, with `dynamic` on two more numbers of images and
    sizes; the other files are read back here, and a `.caffemodel` by OpenCV too, if installed.
    """
    inputs = _random(net, net.input_shapes, seed)
    expected = _run(net, inputs)
    if out.suffix in _ELSEWHERE:
        reader, run = _ELSEWHERE[out.suffix]
        checks = [_compared(reader, expected, run(out, inputs, list(expected)), TOLERANCE)]
        for shapes in _other_shapes(net) if dynamic else ():
            inputs = _random(net, shapes, seed)
            expected = _run(net, inputs)
            checks.append(_compared(reader, expected, run(out, inputs, list(expected)), TOLERANCE))
        return checks
    checks = [_compared("read back", expected, _run(_read_back(out, prototxt), inputs), 0.0)]
    return checks + [_check_opencv(prototxt, out, net, inputs, expected)] if out.suffix == ".caffemodel" else checks


def _random(net: Net, shapes: Mapping[str, Shape], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    made = {name: random.uniform(-0.5, 0.5, shape).astype(np.float32) for name, shape in sorted(shapes.items())}
    regions = {layer.spec.bottom[1] for layer in net.layers.values() if isinstance(layer, RegionLayer)}
    return made | {name: _as_regions(made[name]) for name in regions & made.keys()}


def _as_regions(values: np.ndarray) -> np.ndarray:
    """Of numbers in [-0.5, 0.5], regions (image, x1, y1, x2, y2) of the first image's upper left 100 pixels."""
    image, *corners = np.split(values.reshape(-1, 5) * 100 + 50, 5, axis=1)
    (x1, x2), (y1, y2) = (np.sort(corners[axis::2], axis=0) for axis in (0, 1))
    return np.concatenate([image * 0, x1, y1, x2, y2], axis=1).reshape(values.shape)


def _other_shapes(net: Net) -> list[dict[str, Shape]]:
    """Other numbers of images and other sizes of the inputs; the sizes stay where layers have learned for one, or
    their fields are for one."""
    tried = [{name: _larger(shape, by) for name, shape in net.input_shapes.items()} for by in (8, 13)]
    try:
        for shapes in tried:
            _run(net, _random(net, shapes, 1))
    except (RuntimeError, InputError):  # torch's, or a layer's own
        return [{name: (shape[0] + 2, *shape[1:]) for name, shape in net.input_shapes.items()}]
    return tried


def _larger(shape: Shape, by: int) -> Shape:
    return (shape[0] + 1, *shape[1:2], *(size + by + axis for axis, size in enumerate(shape[2:])))


def _run(net: Net, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The output blobs that layers make."""
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)  # some dropouts draw in testing, too
        blobs = net({name: torch.from_numpy(values.copy()) for name, values in inputs.items()})
    return {name: blobs[name].contiguous().numpy() for name in net.computed_names}


def _read_back(out: Path, prototxt: str) -> Net:
    if out.suffix not in (".caffemodel", ".h5"):
        return load(out)
    net = Net(parse_net(prototxt, "the prototxt"))
    net.load_weights(read_caffemodel(out), str(out))
    return net


def _run_onnx(out: Path, inputs: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """`names` are the blobs' own, in the file's order: an input overwritten in place has another one there. States
    come behind them; left out, they begin as the net's do."""
    with needing("onnxruntime", "--check of an .onnx file"):
        import onnxruntime
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(None, dict(inputs)), strict=False))


def _run_program(out: Path, inputs: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    program = torch.export.load(out).module()
    with torch.no_grad():
        found = program({name: torch.from_numpy(values) for name, values in inputs.items()})
    return {name: found[name].numpy() for name in names}


def _run_python(out: Path, inputs: Mapping[str, np.ndarray], names: list[str]) -> dict[str, np.ndarray]:
    """The file was just written from the net: its code is this project's."""
    there = runpy.run_path(str(out))
    with torch.no_grad():
        found = there["load"]()(*(torch.from_numpy(inputs[name]) for name in there["INPUTS"]))
    return {name: (found if len(names) == 1 else found[name]).numpy() for name in names}


_ELSEWHERE: dict[str, tuple[str, Callable[[Path, Mapping[str, np.ndarray], list[str]], dict[str, np.ndarray]]]] = {
    ".onnx": ("ONNX Runtime", _run_onnx),
    ".pt2": ("torch.export", _run_program),
    ".py": ("torch alone", _run_python),
}


def _check_opencv(prototxt: str, out: Path, net: Net, inputs: Arrays, expected: Arrays) -> Check:
    reader = "OpenCV"
    makers = {top: (layer.name, i, top) for layer in net.param.layer for i, top in enumerate(layer.top)}
    try:
        with scratch_folder() as folder:
            version, found = opencvs_blobs(folder, prototxt, out, inputs, [makers[blob] for blob in expected])
    except NotRun as error:
        return Check(reader, [], TOLERANCE, str(error))
    ignored = ignored_by_opencv(net)
    if any(v.size != expected[blob].size for blob, v in zip(expected, found, strict=True)):
        why = f", for it ignores {'; '.join(ignored)}" if ignored else ""
        return Check(reader, [], TOLERANCE, f"gives another number of values{why}: not compared")
    shaped = {blob: v.reshape(expected[blob].shape) for blob, v in zip(expected, found, strict=True)}
    made = _compared(f"{reader} {version}", expected, shaped, TOLERANCE)
    if made.fits or not ignored:
        return made
    return Check(made.reader, [], TOLERANCE, f"gives other values, for it ignores {'; '.join(ignored)}: not compared")


def _compared(reader: str, expected: Arrays, found: Arrays, limit: float) -> Check:
    return Check(reader, [compare_blobs(name, expected[name], found[name]) for name in expected], limit)


def compare_blobs(name: str, expected: np.ndarray, found: np.ndarray) -> ArrayComparison:
    """One output blob of both sides; InputError if their shapes differ."""
    if expected.shape != found.shape:
        raise InputError(f"blob '{name}': expected shape {expected.shape} on both sides, found {found.shape}")
    return compare_arrays(expected, found, name=name)


def check_table(checks: list[Check]) -> str:
    """The checks as a table for the terminal, a verdict under each."""
    lines = []
    for made in checks:
        if made.remark:
            lines.append(f"{made.reader}: {made.remark}")
            continue
        lines.append(f"{made.reader:<28} {'shape':<18} {'same bits':>9} {'max abs':>9} {'max rel':>9}")
        for blob in made.blobs:
            shape = "x".join(map(str, blob.shapes[0])) or "scalar"
            greatest = math.inf if blob.broken else blob.max_absolute
            numbers = f"{blob.equal_percent:8.2f}% {greatest:9.2g} {blob.share_of_largest:9.2g}"
            lines.append(f"  {blob.name:<26} {shape:<18} {numbers}")
        wanted = f"max rel at most {made.limit:g}" if made.limit else "the same values"
        lines.append(f"  {'fits' if made.fits else 'DOES NOT FIT'}: {wanted}")
    return "\n".join(lines)
