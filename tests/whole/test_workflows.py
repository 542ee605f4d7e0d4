"""The workflow files call what is there: targets of the Makefile, and scripts."""

import re

import pytest

from tests.tool import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_target_and_path_is_there(workflow):
    text = workflow.read_text(encoding="utf-8")
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= TARGETS
    assert all((ROOT / path).exists() for path in re.findall(r"\btests/[\w/.]+", text))


def test_every_python_that_is_promised_is_tested():
    promised = re.search(r'requires-python = ">=3\.(\d+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"))[1]
    versions = re.search(r"python: \[(.*)\]", (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8"))[1]
    assert re.findall(r'"3\.(\d+)"', versions) == [str(minor) for minor in range(int(promised), 15)]
