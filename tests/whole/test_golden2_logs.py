"""The logs of all solvers and learning-rate policies, line by line; the fast engine's tests, within its bound."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from cpm_repro.training.loop import solve
from cpm_repro.training.run import train
from cpm_repro.training.setup import Options, prepare
from tests.whole.phases import Means, copied, said
from tests.whole.test_golden2_solvers import ALL, POLICIES


@pytest.fixture
def folder(golden: Path, golden2: Path, tmp_path: Path) -> Path:
    """solver_types' solvers and nets, beside their LMDB."""
    (tmp_path / "solver_types").mkdir()
    for path in (golden2 / "solver_types").glob("*.prototxt"):
        shutil.copyfile(path, tmp_path / "solver_types" / path.name)
    (tmp_path / "transform").symlink_to((golden / "transform").resolve())
    return tmp_path / "solver_types"


@pytest.mark.parametrize("name", ALL)
def test_every_line_of_a_solvers_log(golden2: Path, folder: Path, name: str) -> None:
    train(folder / f"{name}_solver.prototxt", Options(engine="exact"))
    expected = said((golden2 / f"solver_types/{name}.log").read_text())
    assert said((folder / f"{name}.log").read_text()) == expected


@pytest.mark.parametrize("policy", POLICIES)
def test_every_rate_in_the_log(golden2: Path, folder: Path, policy: str) -> None:
    solver = folder / f"rate_{policy}_solver.prototxt"
    solver.write_text(solver.read_text() + '\nsnapshot_prefix: "r"')
    train(solver, Options(engine="exact"))
    sentences = [line.partition("] ")[2] for line in (folder / "r.log").read_text().splitlines()]
    found = [line for line in sentences if ", lr = " in line or line.startswith("MultiStep")]
    assert found == (golden2 / f"solver_types/rate_{policy}.log").read_text().splitlines()


@pytest.mark.parametrize("name", ["two"])
def test_the_fast_engine_tests_the_same(golden: Path, golden2: Path, tmp_path: Path, name: str) -> None:
    """Its dropout has other dice: so without them, against the exact engine."""
    means = {}
    for engine in ("exact", "fast"):
        (tmp_path / engine).mkdir()
        folder, means[engine] = copied(golden, golden2, tmp_path / engine), Means()
        for path in folder.glob("*.prototxt"):
            lines = path.read_text().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if '"Dropout"' not in line))
        with prepare(folder / f"{name}_solver.prototxt", Options(engine=engine)) as training:
            solve(training, [means[engine]])
    for number, expected in means["exact"].found.items():
        np.testing.assert_allclose(means["fast"].found[number], expected, rtol=1e-4)
