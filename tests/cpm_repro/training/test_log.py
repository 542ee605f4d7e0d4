"""The log as Caffe's public parsers read it, and as this project reads Caffe's."""

import re
from datetime import datetime

import numpy as np
import pytest

from cpm_repro.training import log as caffe_log
from prototxt_import.files import InputError
from prototxt_import.formats import schema

WHEN = datetime(2016, 11, 22, 21, 30, 0, 123456)


def written_log(iterations, rates=None) -> str:
    lines = caffe_log.header_lines(WHEN) + caffe_log.solving_lines("CPM", "step", WHEN)
    for index, iteration in enumerate(iterations):
        outputs = [(f"loss_stage{stage}", 100.0 / (iteration + stage)) for stage in (1, 2, 3)]
        loss = sum(value for _, value in outputs)
        rate = 8e-5 if rates is None else rates[index]
        lines += caffe_log.iteration_lines(iteration, loss, outputs, dict.fromkeys(dict(outputs), 1.0), WHEN)
        lines.append(caffe_log.rate_line(iteration, rate, WHEN))
    lines += caffe_log.snapshot_lines(schema.SolverParameter(snapshot_prefix="a"), 20)
    return "\n".join([*lines, *caffe_log.done_lines()]) + "\n"


def test_lines_read_as_caffe_writes_them():
    outputs = [("loss_stage1", 5.1), ("extra", 7.0)]
    lines = caffe_log.iteration_lines(10, 12.5, outputs, {"loss_stage1": 1.0}, WHEN)
    lines.append(caffe_log.rate_line(10, 8e-5, WHEN))
    prefix = r"I1122 21:30:00\.123456 +\d+ "
    assert re.fullmatch(prefix + r"solver\.cpp:228\] Iteration 10, loss = 12\.5", lines[0])
    output = r"solver\.cpp:244\]     Train net output #0: loss_stage1 = 5\.1 \(\* 1 = 5\.1 loss\)"
    assert re.fullmatch(prefix + output, lines[1])
    assert re.fullmatch(prefix + r"solver\.cpp:244\]     Train net output #1: extra = 7", lines[2])
    assert re.fullmatch(prefix + r"sgd_solver\.cpp:106\] Iteration 10, lr = 8e-05", lines[3])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.333, "0.333"), (2.664e-05, "2.664e-05"), (123456.7, "123457"), (1234567.0, "1.23457e+06"), (1.0, "1")],
)
def test_numbers_are_printed_as_by_cpp_streams(value, text):
    assert caffe_log.number(value) == text


def test_caffes_own_regular_expressions_find_everything():
    iteration = re.compile(r"Iteration (\d+)")
    output = re.compile(r"(?P<net>Train|Test) net output #(\d+): (\S+) = ([\.\deE+-]+)")
    rate = re.compile(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)")
    seen, outputs, rates = set(), [], []
    for line in written_log([0, 10, 20]).splitlines():
        if match := iteration.search(line):
            seen.add(int(match[1]))
            stamp = f"2016{line[1:5]} {line.split()[1]}"
            assert datetime.strptime(stamp, "%Y%m%d %H:%M:%S.%f") == WHEN
        if match := output.search(line):
            outputs.append((match["net"], match[3], float(match[4])))
        if match := rate.search(line):
            rates.append(float(match[1]))
    assert seen == {0, 10, 20}
    assert len(outputs) == 9 and outputs[1] == ("Train", "loss_stage2", 50.0)
    assert rates == [8e-5] * 3
    assert any("Solving" in line and line.startswith("I1122") for line in written_log([0]).splitlines())


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "train.log"
    path.write_text(written_log([0, 10, 20], [8e-5, 8e-5, 2.664e-5]))
    log = caffe_log.parse_log(path)
    np.testing.assert_array_equal(log.iterations, [0, 10, 20])
    assert list(log.losses) == ["loss_stage1", "loss_stage2", "loss_stage3"]
    np.testing.assert_allclose(log.losses["loss_stage2"], [50, 100 / 12, 100 / 22], rtol=1e-5)
    np.testing.assert_allclose(log.loss, sum(log.losses.values()), rtol=1e-5)
    np.testing.assert_array_equal(log.rates, [8e-5, 8e-5, 2.664e-5])


def test_scores_and_what_a_run_leaves_behind_that_goes_back(tmp_path):
    path = tmp_path / "train.log"

    def score(iterations, value):
        line = caffe_log.glog_line(f"Held out, after {iterations} iterations: PCK@0.2 = {value:g}", when=WHEN)
        return written_log([*range(0, iterations, 10)]) + line + "\n"

    path.write_text(score(40, 12.5) + score(60, 25) + written_log([50, 55]))
    log = caffe_log.parse_log(path)
    assert list(log.iterations) == [0, 10, 20, 30, 40, 50, 55] and log.scores == {}
    path.write_text(score(40, 12.5) + "\n".join(caffe_log.iteration_lines(40, 3.0, [], {}, WHEN)))
    log = caffe_log.parse_log(path)
    assert list(log.iterations) == [0, 10, 20, 30, 40] and log.scores == {"PCK@0.2": {40: 12.5}}


def test_a_resumed_and_cut_log_is_read(tmp_path):
    path = tmp_path / "train.log"
    text = written_log([0, 10, 20, 30]) + written_log([20, 30], [1e-5, 1e-5])
    path.write_text(text[: text.rindex("Train net output #1")])
    log = caffe_log.parse_log(path)
    np.testing.assert_array_equal(log.iterations, [0, 10, 20, 30])
    np.testing.assert_array_equal(log.rates[:3], [8e-5, 8e-5, 1e-5])
    assert np.isnan(log.losses["loss_stage2"][3]) and np.isfinite(log.losses["loss_stage1"][3])


def test_newer_caffes_lines_and_divergence_are_read(tmp_path):
    path = tmp_path / "new.log"
    path.write_text(
        "I0102 03:04:05.000001    77 solver.cpp:239] Iteration 40 (3.1 iter/s, 3.2s/10 iters), loss = nan\n"
        "I0102 03:04:05.000002    77 solver.cpp:258]     Train net output #0: loss = -nan (* 1 = -nan loss)\n"
        "I0102 03:04:05.000003    77 solver.cpp:347] Iteration 50, Testing net (#0)\n"
        "I0102 03:04:05.000004    77 solver.cpp:414]     Test net output #0: accuracy = 0.5\n"
    )
    log = caffe_log.parse_log(path)
    np.testing.assert_array_equal(log.iterations, [40])
    assert list(log.losses) == ["loss"] and np.isnan(log.losses["loss"]).all()


def test_what_is_no_log_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"missing\.log: cannot be read"):
        caffe_log.parse_log(tmp_path / "missing.log")
    path = tmp_path / "x.log"
    path.write_bytes(b"\xff\x00 nothing here\n")
    with pytest.raises(InputError, match=r'x\.log: expected a solver.s log with lines "Iteration N, loss = X"'):
        caffe_log.parse_log(path)
    path.write_text("I0102 03:04:05.000001    77 solver.cpp:239] Iteration 40, loss = oops\n")
    with pytest.raises(InputError, match="line 1: expected a number, found 'oops'"):
        caffe_log.parse_log(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.#QNAN", np.nan), ("-1.#IND", np.nan), ("1.#INF", np.inf), ("-1.#INF00", -np.inf), ("-nan(ind)", np.nan)],
)
def test_numbers_that_are_none_as_windows_writes_them(tmp_path, text, value):
    lines = "".join(caffe_log.glog_line(f"Iteration {i}, loss = {loss}") + "\n" for i, loss in ((0, "3.5"), (1, text)))
    (tmp_path / "run.log").write_text(lines)
    assert np.array_equal(caffe_log.parse_log(tmp_path / "run.log").loss[1], value, equal_nan=True)
