"""The documentation's pictures are those that docs/drawings.py draws, and the house is the one that is checked."""

import re
import sys
from unittest import mock

import pytest

from tests.tool import ROOT

with mock.patch.object(sys, "path", [str(ROOT / "docs"), *sys.path]):
    import drawings


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_pictures_are_up_to_date(name):
    drawn = drawings.DRAWINGS[name]().svg()
    assert (drawings.PICTURES / f"{name}.svg").read_text(encoding="utf-8") == drawn, "run: python docs/drawings.py"


def test_every_picture_is_shown():
    pages = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    assert all(f"pictures/{path.name})" in pages for path in drawings.PICTURES.iterdir())


def test_the_house_is_the_contract():
    contract = (ROOT / "pyproject.toml").read_text().partition('name = "Imports run one way"')[2]
    layers = re.search(r"layers = \[\n(.*?)\n\]", contract, re.DOTALL)[1].splitlines()
    names = [re.findall(r"[\w.]+", re.sub(r"\([\w.]+\)", "", layer)) for layer in layers]  # optional ones left out
    expected = [[name.removeprefix("cpm_repro.").removeprefix("cpm_") for name in floor] for floor in names]
    assert [[name for name, _ in floor] for floor in drawings.HOUSE] == expected
