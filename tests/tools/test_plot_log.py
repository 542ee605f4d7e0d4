"""tools/plot_log.py: a log of this project's own lines becomes a picture; what is no log is refused."""

from cpm_repro.training import log as caffe_log
from tests.tool import assert_refused, picture_size, run_tool


def write_log(path) -> None:
    lines = caffe_log.header_lines() + caffe_log.solving_lines("CPM", "step")
    for iteration in range(0, 100, 10):
        outputs = [(f"loss_stage{stage}", 50 / (iteration + stage)) for stage in (1, 2, 3)]
        lines += caffe_log.iteration_lines(iteration, 1.0, outputs, dict.fromkeys(dict(outputs), 1.0))
        lines.append(caffe_log.rate_line(iteration, 8e-5 if iteration < 50 else 2e-5))
    path.write_text("\n".join(lines))


def test_a_log_becomes_a_picture(tmp_path):
    log, out = tmp_path / "train.log", tmp_path / "figures" / "loss.png"
    write_log(log)
    result = run_tool("plot_log", log, "--out", out, "--smooth", 3)
    assert result.returncode == 0, result.stderr
    printed = result.stdout
    assert "10 displayed iterations, the last 90" in printed and "loss_stage2: first 25, last 0.543478" in printed
    assert picture_size(out) > (300, 200)


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path):
    log = tmp_path / "train.log"
    log.write_text("nothing\n")
    assert_refused(run_tool("plot_log", log, "--out", tmp_path / "x.png"), "expected a solver's log")
    assert_refused(run_tool("plot_log", tmp_path / "none.log", "--out", tmp_path / "x.png"), "cannot be read")
    write_log(log)
    assert_refused(run_tool("plot_log", log, "--out", tmp_path / "x.bmp"))
    assert [path.name for path in tmp_path.iterdir()] == ["train.log"]
