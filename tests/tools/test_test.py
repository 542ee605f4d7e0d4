"""tools/test.py: what `caffe test` prints, line by line."""

from pathlib import Path

import pytest

from tests.tool import assert_refused, run_tool
from tests.whole.phases import copied, said


@pytest.fixture
def folder(golden: Path, golden2: Path, tmp_path: Path) -> Path:
    return copied(golden, golden2, tmp_path)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("test_cpm", "--model cpm_train_val.prototxt --weights cpm_iter_8.caffemodel --iterations 3"),
        (
            "test_stages_rows",
            "--model stages_train_val.prototxt --weights stages_iter_6.caffemodel --iterations 2 --stage rows",
        ),
    ],
)
def test_the_lines_are_the_originals(golden2: Path, folder: Path, name: str, command: str) -> None:
    done = run_tool("test", *command.split(), "--engine", "exact", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert said(done.stdout) == said((golden2 / f"caffe_tools/{name}.log").read_text())


def test_a_net_without_data_layers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text('layer { name: "i" type: "Input" top: "i" input_param { shape { dim: 1 } } }')
    assert_refused(run_tool("test", "--model", tmp_path / "n.prototxt", "--weights", tmp_path / "w"), "w")
