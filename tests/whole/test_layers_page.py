"""docs/layers.md has every layer type that is read."""

import re

import prototxt_import.net  # noqa: F401  (registers the layers)
from prototxt_import.layers.layer import CONVERTERS
from prototxt_import.layers.own import PYTHON_LAYERS
from tests.tool import ROOT


def test_every_type_stands_on_the_page_and_bvlcs_row_has_no_other() -> None:
    table = (ROOT / "docs" / "layers.md").read_text(encoding="utf-8").split("\n\nA type that is not")[0]
    named = set(re.findall(r"`([\w.]+)`", table))
    here = {name for name, layer in CONVERTERS.items() if layer.__module__.startswith("prototxt_import.")}
    assert not here - named
    assert not {module for module, _ in PYTHON_LAYERS if not module.startswith("tests")} - named
    bvlc = next(row for row in table.splitlines() if row.startswith("| BVLC's"))
    assert set(re.findall(r"`(\w+)`", bvlc)) <= CONVERTERS.keys()
    assert not any(CONVERTERS[name].of_a_fork for name in re.findall(r"`(\w+)`", bvlc))
