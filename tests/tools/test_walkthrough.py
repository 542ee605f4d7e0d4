"""`make demo` in small: every step runs, and what it promises to leave is there."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).resolve().parents[2] / "tools/walkthrough.py"


def test_walkthrough_leaves_everything(tmp_path):
    small = ["--pictures", "24", "--held-out", "6", "--iterations", "10"]
    result = subprocess.run(
        [sys.executable, str(TOOL), "--out", "demo", *small], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr
    out = tmp_path / "demo"
    expected = (
        "people/people.csv people.json lmdb/train/data.mdb lmdb/held_out/data.mdb models/train.prototxt "
        "models/deploy.prototxt models/solver.prototxt models/people.log models/people_iter_10.caffemodel "
        "models/people_iter_10.solverstate batch.png loss.png pck_before.json pck_after.json pck_after.png "
        "poses_held_out.png people.pt from_pt.caffemodel"
    )
    for name in expected.split():
        assert (out / name).stat().st_size > 0, name
    assert len(list((out / "poses").glob("*/*_stages.png"))) == 4
    assert len(list((out / "everybody").glob("*.html"))) == 3
    for line in ("before training", "after, stage 1", "after, stage 3", "mean pose", "poses_held_out.png"):
        assert line in result.stdout


def test_more_held_out_than_drawn_is_refused(tmp_path):
    command = [sys.executable, str(TOOL), "--out", str(tmp_path / "demo"), "--pictures", "5"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert result.returncode == 2 and result.stderr.count("\n") == 1 and not (tmp_path / "demo").exists()
