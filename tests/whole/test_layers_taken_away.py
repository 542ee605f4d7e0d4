"""Every layer type in every form that leaves this project, run at three sizes by programs that cannot import it."""

import functools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from cpm_repro.convert.exported_program import save_program
from cpm_repro.convert.python_export import save_python
from cpm_repro.convert.python_layers import writer_of
from prototxt_import.files import InputError
from prototxt_import.layers.layer import CONVERTERS
from prototxt_import.net import Net
from tests.cpm_repro.convert.elsewhere import run_alone
from tests.cpm_repro.convert.settings_of_layers import SETTINGS, filled, inputs_of_sizes
from tests.cpm_repro.convert.taken_away import Arrays, agree, expected

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `convert` is not installed")
pytest.importorskip("onnx", reason="the extra `convert` is not installed")

from cpm_repro.convert.onnx_export import save_onnx  # noqa: E402
from cpm_repro.convert.onnx_graph import onnx_converter  # noqa: E402

Save = Callable[[Path, Net, str], None]
ALONE = """
import pathlib, runpy, torch
torch.set_num_threads(1)
def runs(path):
    if path.suffix == ".py":
        there = runpy.run_path(str(path))
        net = there["load"]()
        return lambda x: net(*(x[name] for name in there["INPUTS"]))
    return torch.export.load(path).module()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*" + sys.argv[2])):
    run, found = runs(path), []
    for x in torch.load(path.with_suffix(".inputs"), weights_only=True):
        with torch.no_grad():
            y = run(x)
        found.append(list(y.values()) if isinstance(y, dict) else [y])
    torch.save(found, path.with_suffix(".found"))
    print(path)
"""
OF_ONE_SIZE = {("Resample", ".py"), ("PriorBox", ".pt2")}
"""What is written for the prototxt's sizes alone."""


class Prepared(NamedTuple):
    """A net of one layer, inputs of up to three sizes, and what it makes of them."""

    net: Net
    inputs: list[Arrays]
    wanted: list[list[np.ndarray]]


@functools.cache
def prepared(name: str) -> Prepared:
    case = SETTINGS[name]
    net = filled(case)
    inputs = inputs_of_sizes(case, net)
    return Prepared(net, inputs, [expected(net, x) for x in inputs])


def written(save: Save, folder: Path, suffix: str) -> dict[str, str]:
    """Stems of the files that the settings give, whose inputs stand beside them; of which settings. A refusal is one
    sentence that names the layer."""
    names = {}
    for index, name in enumerate(SETTINGS):
        net, path = prepared(name).net, folder / f"n{index}{suffix}"
        try:
            save(path, net, "")
        except InputError as error:
            assert f"layer 'l' ({net.layers['l'].spec.type}): expected " in str(error), name
        else:
            names[path.stem] = name
    return names


def run_and_compared(names: dict[str, str], folder: Path, suffix: str, sizes: int = 3) -> None:
    """Runs the files, all in one process, and holds what they give against what they must."""
    for stem, name in names.items():
        inputs = [{key: torch.from_numpy(x) for key, x in of_size.items()} for of_size in prepared(name).inputs[:sizes]]
        torch.save(inputs[: 1 if (SETTINGS[name].type_name, suffix) in OF_ONE_SIZE else 3], folder / f"{stem}.inputs")
    assert len(run_alone(ALONE, folder, suffix).splitlines()) == len(names)
    for stem, name in names.items():
        for found, wanted in zip(torch.load(folder / f"{stem}.found"), prepared(name).wanted, strict=False):
            agree([y.detach().numpy() for y in found], wanted, name)


def test_every_type_that_can_be_taken_away_has_settings():
    forms = (writer_of, onnx_converter, lambda layer: layer.traceable)
    made = {name for name, layer in CONVERTERS.items() if any(form(layer) for form in forms) and not layer.is_source}
    losses = {name for name in made if "Loss" in name}
    assert {case.type_name for case in SETTINGS.values()} == made - losses - {"Silence", "Lstm"}


def test_as_files_of_python(tmp_path):
    names = written(save_python, tmp_path, ".py")
    assert len(names) > 200
    run_and_compared(names, tmp_path, ".py")


@pytest.mark.parametrize("dynamic", [False, True])
def test_as_onnx(tmp_path, dynamic):
    names = written(partial(save_onnx, dynamic=dynamic), tmp_path, ".onnx")
    assert len(names) > 180
    for stem, name in names.items():
        made = onnxruntime.InferenceSession(tmp_path / f"{stem}.onnx", providers=["CPUExecutionProvider"])
        taken, (_, of_sizes, wanted) = {value.name for value in made.get_inputs()}, prepared(name)
        for inputs, values in list(zip(of_sizes, wanted, strict=True))[: 3 if dynamic else 1]:
            found = made.run(None, {key: x for key, x in inputs.items() if key in taken})
            agree(found[: len(values)], values, name)


@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
def test_as_programs(tmp_path, dynamic):
    names = written(partial(save_program, dynamic=dynamic), tmp_path, ".pt2")
    assert len(names) > 180
    run_and_compared(names, tmp_path, ".pt2", sizes=3 if dynamic else 1)
