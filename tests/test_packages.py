"""Each package's docstring lists its modules and sub-packages, so that `ls` and `head` say where to begin."""

import ast
import re
from pathlib import Path

import pytest

from tests.tool import ROOT

HOUSE = ("cpm_repro", "data_lmdb", "kernels", "prototxt_import", "tools")
PACKAGES = sorted(path.parent for folder in HOUSE for path in (ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_docstring_names_every_module(package: Path):
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
    inside = {path.stem for path in package.glob("*.py")} | {path.parent.name for path in package.glob("*/__init__.py")}
    assert not inside - {"__init__"} - set(re.findall(r"\w+", docstring))
