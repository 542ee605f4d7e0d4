"""A plugin of pytest that writes every result as soon as there is one: `-p tests.results_as_lines --results FILE`.

A line of JSON for each test: {"test", "outcome" (passed, failed or skipped), "seconds", "why"}. A file that cannot be
collected is a line, too.
"""

import json
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", type=Path, required=True, help="where the lines go")


def pytest_configure(config: pytest.Config) -> None:
    path: Path = config.getoption("--results")
    path.parent.mkdir(parents=True, exist_ok=True)
    config.pluginmanager.register(ResultLines(path), "result lines")


class ResultLines:
    """Collects a test's phases; a test that passed its call can still fail in its teardown."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.seconds = 0.0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds += report.duration
        if report.when == "call" or report.outcome != "passed":
            self.write(report.nodeid, report.outcome, self.seconds, reason(report))
        if report.when == "teardown":
            self.seconds = 0.0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome == "failed":
            self.write(report.nodeid, "failed", 0.0, reason(report))

    def write(self, test: str, outcome: str, seconds: float, why: str) -> None:
        line = {"test": test, "outcome": outcome, "seconds": round(seconds, 3), "why": why}
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()


def reason(report: Any) -> str:
    """Why a test was skipped or failed, in a line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = [line for line in str(crash.message if crash else report.longrepr or "").splitlines() if line.strip()]
    if crash:
        return lines[0][:300] if lines else ""
    return next((line.removeprefix("E").strip() for line in reversed(lines) if line.startswith("E ")), "")[:300]
