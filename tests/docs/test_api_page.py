"""docs/api.md is what docs/api_page.py writes of the code as it is."""

import runpy

from tests.tool import ROOT


def test_the_page_is_current() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "api_page.py"))
    assert written["PAGE"].read_text(encoding="utf-8") == written["page"](), "run python docs/api_page.py"
