"""The tree is its own map: packages list what is in them, nothing is too large, tests stand where one looks."""

import ast
import re
from pathlib import Path

import pytest

from tests.tool import ROOT

HOUSE = ("cpm_repro", "data_lmdb", "kernels", "prototxt_import", "tools")
PACKAGES = sorted(path.parent for folder in HOUSE for path in (ROOT / folder).rglob("__init__.py"))
SOURCES = sorted(path for folder in (*HOUSE, "docs", "tests") for path in (ROOT / folder).rglob("*.py"))
MOST_LINES = 400
MOST_MODULES = 15
MAY_BE_LARGER = {"prototxt_import/layers", "tools", "tests/prototxt_import/layers", "tests/tools", "tests/whole"}
LAYER_TYPES = re.compile(r'"(Convolution|Pooling|ReLU|Dropout|Concat|BatchNorm|EuclideanLoss)"')
NAME_LAYER_TYPES = {
    "prototxt_import/formats",
    "prototxt_import/layers",
    "cpm_repro/network/builder.py",
    "cpm_repro/network/specification.py",
    "cpm_repro/compare/layers",
    "cpm_repro/convert/onnx_",
    "cpm_repro/convert/python_",
}
"""Old spellings of types, the registries, nets as they are written, and how other programs get each type wrong."""


def place(path: Path) -> str:
    """From the project's folder."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("package", PACKAGES, ids=place)
def test_the_docstring_names_every_module(package: Path):
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    inside = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert not inside - {"__init__"} - set(re.findall(r"\w+", docstring))


def test_no_module_is_too_long():
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not {path: lines for path, lines in lengths.items() if lines > MOST_LINES}


def test_no_folder_has_too_many_modules():
    folders = {path.parent for path in SOURCES} - {ROOT / folder for folder in MAY_BE_LARGER}
    counts = {place(folder): len([p for p in folder.glob("*.py") if p.name != "__init__.py"]) for folder in folders}
    assert not {folder: count for folder, count in counts.items() if count > MOST_MODULES}


def test_docstrings_name_functions_where_they_are():
    """A module, a dot and its function or class: whoever renames or moves one of them says so everywhere."""
    texts = {path: path.read_text(encoding="utf-8") for folder in HOUSE for path in (ROOT / folder).rglob("*.py")}
    owners: dict[str, set[str]] = {}
    for path, text in texts.items():
        for name in (path.stem, *re.findall(r"^(?:def|class) (\w+)", text, re.MULTILINE)):
            owners.setdefault(name, {"cpm_kernels"}).update(path.relative_to(ROOT).with_suffix("").parts)
    strays = []
    for path, text in texts.items():
        for owner, name in re.findall(r"`([a-z]\w*)\.(?!prototxt)(\w+)(?:\(\))?`", text):
            mentioned = any(module.stem == owner and name in texts[module] for module in texts)
            if owner not in owners.get(name, owner) and not mentioned:
                strays.append(f"{place(path)}: {owner}.{name}")
    assert not strays


def test_every_test_file_is_named_after_its_module():
    """tests/a/b/test_c.py tests a/b/c.py, or __c__.py; tests of the whole stand in tests/whole."""
    tests = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    strays = []
    for test in tests:
        name = test.stem.removeprefix("test_")
        modules = (ROOT / test.parent / f"{name}.py", ROOT / test.parent / f"__{name}__.py")
        if test.parts[0] != "whole" and not any(module.is_file() for module in modules):
            strays.append(test.as_posix())
    assert not strays


def test_lists_of_layer_types_stand_nowhere_else():
    """What a type is, its class says (see layers/layer.py): no module elsewhere names two of them."""
    lists = []
    for path in (path for folder in HOUSE for path in (ROOT / folder).rglob("*.py")):
        named = set(LAYER_TYPES.findall(path.read_text(encoding="utf-8")))
        if len(named) > 1 and not any(place(path).startswith(allowed) for allowed in NAME_LAYER_TYPES):
            lists.append(place(path))
    assert not lists
