"""Layers of the reader's own: the page of the documentation as it stands, Python layers, and what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.layers.layer import CONVERTERS, Layer, register, register_python
from prototxt_import.layers.own import PYTHON_LAYERS
from prototxt_import.net import Net
from tests.tool import ROOT

X = 'input: "x" input_shape { dim: 1 dim: 2 }\n'


@pytest.fixture(autouse=True)
def clean_registries() -> Iterator[None]:
    before = dict(CONVERTERS), dict(PYTHON_LAYERS)
    yield
    for registry, content in zip((CONVERTERS, PYTHON_LAYERS), before, strict=True):
        registry.clear()
        registry.update(content)


def net_of(*layers: str, engine: str = "fast") -> Net:
    return Net(parse_net(X + "\n".join(f"layer {{ {layer} }}" for layer in layers), "n"), engine=engine)


@pytest.mark.parametrize("engine", ["fast", "exact"])
def test_the_page_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    page = (ROOT / "docs/own-layer.md").read_text(encoding="utf-8")
    comments = re.findall(r"# (layer \{.*)", page)
    (tmp_path / "deploy.prototxt").write_text('input: "conv" input_shape { dim: 2 dim: 3 }\n' + "\n".join(comments))
    monkeypatch.chdir(tmp_path)
    space: dict = {"__name__": "page"}
    for block in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        exec(block, space)
    x = torch.linspace(-2, 2, 6).reshape(2, 3).requires_grad_()
    made = space["net"]({"conv": x})["s"]
    torch.testing.assert_close(made, torch.sin(2 * x))
    made.sum().backward()
    python = re.findall(r"# (python_param \{.*)", page)[0]
    net = net_of(f'name: "h" type: "Python" bottom: "x" top: "h" {python}', engine=engine)
    assert net({"x": torch.tensor([[2.0, 4.0]])})["h"].tolist() == [[1, 2]]


def test_fields_of_its_own_are_read() -> None:
    @register("Mine")
    class Mine(Layer):
        takes_own_fields = True

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    text = """name: "m" type: "Mine" bottom: "x" top: "m"
      mine_param { gain: 2.5 mode: FAST on: true size: 3 size: 4 name: 'a "b" {' filler < value: 0x10 > steps: [1, 2f] }
      other: -1"""
    own = net_of(text).layer("m").own
    filler = {"value": 16}
    fields = {"gain": 2.5, "mode": "FAST", "on": True, "size": [3, 4], "name": 'a "b" {', "filler": filler}
    assert own == {"mine_param": {**fields, "steps": [1, 2.0]}, "other": -1}
    assert len(net_of(text).to_caffemodel().layer[-1].own_param) == 2


def test_a_cell_run_again_registers_anew_and_another_class_does_not() -> None:
    def cell() -> type[Layer]:
        @register("Mine")
        class Mine(Layer):
            pass

        return Mine

    first = cell()
    assert cell() is CONVERTERS["Mine"] is not first
    with pytest.raises(ValueError, match="Mine is registered twice"):
        register("Mine")(type("Other", (Layer,), {}))
    register_python("a", "b")(type("One", (Layer,), {}))
    with pytest.raises(ValueError, match="registered twice"):
        register_python("a", "b")(type("Two", (Layer,), {}))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ('name: "a" type: "Nobodys" nobodys_param { x: 1 }', r"'a': expected a known type, found 'Nobodys' \(a class"),
        ('name: "a" type: "Nobodys"', r'@register\("Nobodys"\): docs/own-layer.md'),
        ('name: "a" type: "DetectionEvaluate"', "found 'DetectionEvaluate' of the fork SSD"),
        ('name: "a" type: "Python" python_param { module: "m" layer: "L" }', r"module 'm', layer 'L' .*\(.m., .L.\)"),
        ('name: "a" type: "ReLU"\n bottom: "x" top: "a"\n rulu_param { }', r"'a' \(ReLU\): .*'rulu_param' in line 4"),
    ],
)  # fmt: skip
def test_what_is_refused_names_layer_type_and_way(layer: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        net_of(layer)
    assert "\n" not in str(error.value)


def test_a_class_of_ones_own_takes_the_place_of_a_forks() -> None:
    for add, layer in (
        (register("Mish"), 'name: "m" type: "Mish" bottom: "x" top: "m"'),
        (
            register_python("spatial_dropout", "SpatialDropoutLayer"),
            'name: "m" type: "Python" bottom: "x" top: "m" python_param { module: "spatial_dropout" '
            'layer: "SpatialDropoutLayer" }',
        ),
    ):

        @add
        class Negative(Layer):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return -x

        assert net_of(layer)({"x": torch.tensor([[2.0, 4.0]])})["m"].tolist() == [[-2, -4]]
