"""Writes a net as one readable file of Python that needs torch only, its weights beside it as `.safetensors`.

A method for each stage of a pose machine, in the names of the prototxt; Caffe's rounding of pooling is spelt out.
"""

import inspect
import json
import keyword
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor, nn

from cpm_repro.models.training_facts import NUMBERS, description, parts_of
from cpm_repro.needing import needing
from prototxt_import.deployment import require_outputs, unwritten
from prototxt_import.files import InputError, replacing
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

from . import python_forks as _forks  # noqa: F401  importing it registers them
from . import python_functions
from .python_layers import Lines, writer_of

_STAGE = re.compile(r"_stage(\d+)$")
_WIDTH = 120
_BEGIN = '''"""{name}, a Caffe net as a torch module; written by cpm-repro. Needs torch only.

    import {module}
    net = {module}.load()  # with the weights of {weights} beside this file
    {outputs} = net({inputs})

{shapes}. Colours come in the order B, G, R.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INPUTS = {names}
WEIGHTS = Path(__file__).with_suffix(".safetensors")
{facts}

def load(weights=WEIGHTS):
    """The net with its weights, for testing."""
    net = Net()
    net.load_state_dict(read_safetensors(weights))
    return net.eval()


def read_safetensors(path):
    """Tensors by name: eight bytes say how long the header is, a JSON of types, shapes and places; then the values."""
    content = bytearray(Path(path).read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    tensors = {{}}
    for name, entry in json.loads(content[8:begin]).items():
        if name != "__metadata__":
            first, shape = begin + entry["data_offsets"][0], entry["shape"]
            values = torch.frombuffer(content, dtype=torch.float32, offset=first, count=math.prod(shape))
            tensors[name] = values.reshape(shape)
    return tensors
'''
_FUNCTIONS = {
    name: value
    for name, value in vars(python_functions).items()
    if getattr(value, "__module__", "") == python_functions.__name__
}


def _sources(code: str) -> str:
    """Of the functions and classes that the code uses, and of those that these use."""
    used: set[str] = set()
    text = code
    while new := {name for name in _FUNCTIONS if re.search(rf"(?<![.\w]){name}[(),]", text)} - used:
        used |= new
        text = "".join(inspect.getsource(_FUNCTIONS[name]) for name in new)
    return "".join(f"\n\n{inspect.getsource(value)}" for name, value in _FUNCTIONS.items() if name in used)


def _importing_what_is_used(heading: str, code: str) -> str:
    """The heading without imports that neither it nor the code uses."""
    for name, line, without in (
        ("Sequence", "from collections.abc import Sequence\n", ""),
        ("F", "import torch.nn.functional as F\n", ""),
        ("Tensor", "from torch import Tensor, nn\n", "from torch import nn\n"),
    ):
        heading = heading if re.search(rf"(?<![.\w]){name}\b", code) else heading.replace(line, without)
    return heading


@dataclass
class _Step:
    """A line of forward: variables, and the expression of what they become, which uses other variables."""

    stage: int
    tops: list[str]
    expressions: list[str]
    uses: list[str]

    @property
    def line(self) -> str:
        return f"{', '.join(self.tops)} = {', '.join(self.expressions)}"


@dataclass
class PythonNet:
    """A net as Python: the lines of its `__init__` and of its stages, and the state_dict of the class."""

    net: Net
    made: list[str] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._variable_of: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self.inputs = [self._own(blob) for blob in self.net.input_shapes]
        layers = self._needed()
        stages = _stages([layer.own_name for layer in layers])
        self._stage_names = {f"stage{stage}" for stage in stages}
        for layer, stage in zip(layers, stages, strict=True):
            self._add(layer, stage)
        require_outputs(self.net.computed_names, "a file of Python")
        self.outputs = {blob: self._variable_of[blob] for blob in self.net.computed_names}

    def _needed(self) -> list[Layer]:
        """The layers that compute, without those whose tops go nowhere but into a Silence."""
        wanted, layers = set(self.net.computed_names), []
        for layer in reversed(list(self.net.layers.values())):
            if not layer.is_source and not wanted.isdisjoint(layer.spec.top):
                wanted = wanted.difference(layer.spec.top).union(layer.spec.bottom)
                layers.append(layer)
        return layers[::-1]

    def _own(self, blob: str) -> str:
        """The variable of a blob from here on: a new one where the blob's own stands for another blob, too."""
        if blob not in self._variables or self._stands_for_others(self._variables[blob], blob):
            self._variables[blob] = _apart(blob, {*_TAKEN, *self._variables.values(), *self._variable_of.values()})
        self._variable_of[blob] = self._variables[blob]
        return self._variable_of[blob]

    def _stands_for_others(self, variable: str, blob: str) -> bool:
        return any(of == variable and other != blob for other, of in self._variable_of.items())

    def _add(self, layer: Layer, stage: int) -> None:
        uses = [self._variable_of[bottom] for bottom in layer.spec.bottom]
        expressions = self._expressions(layer, uses)
        tops = list(layer.spec.top)
        last = self.steps[-1] if self.steps else None
        in_place = layer.rectifies and tops == list(layer.spec.bottom) and not self._stands_for_others(uses[0], tops[0])
        if in_place and last and last.tops == uses and last.stage == stage:
            last.expressions = [expressions[0].replace(f"({uses[0]}", f"({last.expressions[0]}")]
        elif any(expression not in uses for expression in expressions):
            self.steps.append(_Step(stage, [self._own(top) for top in tops], expressions, uses))
        else:  # another name for the same
            self._variable_of.update(zip(tops, expressions, strict=True))

    def _expressions(self, layer: Layer, uses: list[str]) -> list[str]:
        """Of the layer's tops; what it owns is added."""
        writer = writer_of(type(layer))
        if writer is None:
            raise unwritten(layer, "a file of Python")
        owned = {key.split(".")[0] for key in self.state}
        lines = Lines(layer, _apart(layer.own_name, {*owned, *dir(nn.Module), "training", *self._stage_names}), uses)
        expressions = writer(lines)
        while not owned.isdisjoint(key.split(".")[0] for key in lines.state):
            lines = Lines(layer, f"{lines.name}_", uses)
            expressions = writer(lines)
        self.made += lines.made
        self.state.update(lines.state)
        return [expressions] if isinstance(expressions, str) else expressions

    def source(self, path: Path) -> str:
        """The file."""
        shapes = "; ".join(f"`{name}` has {tuple(shape)}" for name, shape in self.net.input_shapes.items())
        heading = _BEGIN.format(
            name=(self.net.param.name or "net").replace('"', "'").replace("\\", "/"),
            module=path.stem,
            weights=path.with_suffix(".safetensors").name,
            inputs=", ".join(self.inputs),
            names=list(self.net.input_shapes),
            facts="".join(f"{name} = {value!r}\n" for name, value in self._facts()),
            outputs=next(iter(self.outputs.values())) if len(self.outputs) == 1 else "blobs",
            shapes="In the prototxt " + shapes.replace("\\", "/").replace('"', "'"),
        )
        made = self.made or ["pass"]
        lines = ["", "", "class Net(nn.Module):", "    def __init__(self):", "        super().__init__()"]
        lines += [f"        {line}" for line in made]
        lines += ["", *self._methods()]
        code = _sources("\n".join(lines)) + "\n".join(lines) + "\n"
        return _importing_what_is_used(heading, code) + code

    def _facts(self) -> Iterator[tuple[str, object]]:
        """Of a pose machine, what testing needs."""
        yield from ((name.upper(), value) for name, value in self.net.trained.items())
        if parts := parts_of(self.net):
            yield "PARTS", parts

    def _methods(self) -> list[str]:
        """forward, and before it a method for each stage, if there are several."""
        runs = [(stage, list(steps)) for stage, steps in groupby(self.steps, lambda step: step.stage)]
        blobs = list(self.outputs.items())
        result = blobs[0][1] if len(blobs) == 1 else "{" + ", ".join(f"{blob!r}: {name}" for blob, name in blobs) + "}"
        forward = _method("forward", self.inputs)
        if len(runs) == 1:
            return [*forward, *(f"        {step.line}" for step in self.steps), f"        return {result}"]
        methods: list[str] = []
        names = [f"stage{stage}" for stage, _ in runs]
        names = [name if names.count(name) == 1 else f"{name}_{index}" for index, name in enumerate(names)]
        for index, (name, (_, steps)) in enumerate(zip(names, runs, strict=True)):
            later = [use for _, others in runs[index + 1 :] for step in others for use in step.uses]
            made = list(dict.fromkeys(top for step in steps for top in step.tops))
            given = [top for top in made if top in {*later, *self.outputs.values()}]
            taken = _taken(steps)
            body = [f"        {step.line}" for step in steps]
            methods += [*_method(name, taken), *body, f"        return {', '.join(given)}", ""]
            forward.append(f"        {', '.join(given)} = self.{name}({', '.join(taken)})")
        return [*methods, *forward, f"        return {result}"]


_TAKEN = {
    "self",
    "torch",
    "nn",
    "F",
    "json",
    "math",
    "Path",
    "Sequence",
    "Net",
    "INPUTS",
    "WEIGHTS",
    "PARTS",
    *(name.upper() for name in NUMBERS),
    "load",
    "Tensor",
    "read_safetensors",
    *_FUNCTIONS,
}


def _apart(name: str, others: set[str]) -> str:
    """A Python name like it that is none of the others."""
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    plain = f"_{plain}" if not plain or plain[0].isdigit() or keyword.iskeyword(plain) else plain
    while plain in others:
        plain += "_"
    return plain


def _method(name: str, arguments: list[str]) -> list[str]:
    return [f"    def {name}({', '.join(['self', *arguments])}):"]


def _taken(steps: list[_Step]) -> list[str]:
    """Variables that the steps use before they make them."""
    made: set[str] = set()
    taken: list[str] = []
    for step in steps:
        taken += [use for use in step.uses if use not in made and use not in taken]
        made.update(step.tops)
    return taken


def _stages(names: list[str]) -> list[int]:
    """The stage of each layer: what its name says, else that of the layer before it."""
    found = [int(match[1]) if (match := _STAGE.search(name)) else None for name in names]
    stage = next((number for number in found if number is not None), 1)
    stages = []
    for number in found:
        stage = stage if number is None else number
        stages.append(stage)
    return stages


def save_python(path: str | os.PathLike[str], net: Net, prototxt: str) -> None:
    """`path` and, beside it, the weights as `.safetensors`. InputError names a layer that cannot be written."""
    path = Path(path)
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise InputError(f"{path}: expected a name that Python can import, such as net.py")
    if path.stem == "torch" or path.stem in sys.stdlib_module_names:
        raise InputError(f"{path}: expected a name that no module of Python's or torch has, such as net.py")
    with needing("safetensors", str(path)):
        from safetensors.torch import save
    beside = path.with_suffix(".safetensors")
    if beside.is_file() and "format" in _metadata(beside):
        raise InputError(
            f"{beside}: expected a place for the weights of {path.name}, found a net's own .safetensors (another name "
            "for --out)"
        )
    python = PythonNet(net)
    plain = {"memory_format": torch.contiguous_format}
    state = {name: value.cpu().clone(**plain) for name, value in python.state.items()}
    weights = save(state, {"prototxt": prototxt, **description(net)})
    with replacing(beside) as stored, replacing(path) as module:  # both or none
        stored.write_bytes(in_fixed_order(weights))
        module.write_text(python.source(path), encoding="utf-8")


def is_of_python(path: Path) -> bool:
    """Whether these are the weights of a file of Python, written by `save_python`."""
    said = _metadata(path) if path.is_file() else {}
    return "prototxt" in said and "format" not in said


def _metadata(path: Path) -> dict[str, str]:
    """What a `.safetensors` says of itself; nothing if the file is another."""
    try:
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (ValueError, OSError):
        return {}
    said = header.get("__metadata__") if isinstance(header, dict) else None
    return said if isinstance(said, dict) else {}


def in_fixed_order(content: bytes) -> bytes:
    """A `.safetensors` whose metadata stand in alphabetical order: its writer's order is another one each time."""
    end = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:end])
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    header = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[end:]
