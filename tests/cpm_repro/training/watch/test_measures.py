"""The numbers of a run, in a CSV that several runs append to, and for TensorBoard."""

import csv
import errno
import os
from contextlib import closing
from types import SimpleNamespace

import pytest

from cpm_repro.training.loop import Step
from cpm_repro.training.watch.measures import CsvTable, Measures, event_file
from cpm_repro.training.watch.output import LogFile
from prototxt_import.files import InputError

COLUMNS = ["loss", "learning_rate", "iterations_per_second", "loss_stage1", "PCK@0.2"]


def training(rank=0, display=10, outputs=("loss_stage1",)):
    return SimpleNamespace(
        param=SimpleNamespace(display=display),
        share=SimpleNamespace(rank=rank),
        smoothed=SimpleNamespace(value=5.0),
        net=SimpleNamespace(output_names=list(outputs)),
    )


def append(file, lines):
    file.write(lines)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_displayed_iterations_and_scores_are_rows(tmp_path):
    assert Measures.columns(training()) == COLUMNS
    with closing(LogFile(tmp_path / "s.csv")) as file:
        measures = Measures([CsvTable(file, append, COLUMNS).write])
        for iteration in range(12):
            measures.after_step(training(), Step(iteration, 1e-4, 3.0, {"loss_stage1": 3.5}), stopped=False)
        measures.write(12, {"PCK@0.2": 31.25})
    first, second, score = rows(tmp_path / "s.csv")
    assert (first["iteration"], first["loss"], first["learning_rate"], first["loss_stage1"]) == (
        "0",
        "5",
        "0.0001",
        "3.5",
    )
    assert first["iterations_per_second"] == first["PCK@0.2"] == "" and float(second["iterations_per_second"]) > 0
    assert (score["iteration"], score["PCK@0.2"], score["loss"]) == ("12", "31.25", "")
    assert first["run"] == score["run"]


def test_an_output_called_loss_is_not_the_displayed_one():
    written = []
    run = training(outputs=["loss", "accuracy"])
    Measures([lambda iteration, values: written.append(values)]).after_step(
        run, Step(0, 1e-4, 3.0, {"loss": 3.0, "accuracy": 0.5}), stopped=False
    )
    assert written == [{"loss": 5.0, "learning_rate": 1e-4, "output loss": 3.0, "accuracy": 0.5}]
    assert Measures.columns(run) == [*COLUMNS[:3], "output loss", "accuracy", "PCK@0.2"]


def test_a_run_that_goes_on_appends_under_the_same_header(tmp_path):
    for columns, headers in [(["loss"], 1), (["loss"], 1), (["loss", "a, b"], 2)]:
        with closing(LogFile(tmp_path / "s.csv")) as file:
            CsvTable(file, append, columns).write(3, {"loss": 1.0})
        lines = (tmp_path / "s.csv").read_text().splitlines()
        assert sum(line.startswith("run,iteration,loss") for line in lines) == headers
    assert len(lines) == 5 and lines[3] == 'run,iteration,loss,"a, b"'


def test_a_table_that_is_removed_begins_anew(tmp_path):
    with closing(LogFile(tmp_path / "s.csv")) as file:
        table = CsvTable(file, append, ["loss"])
        table.write(3, {"loss": 1.0})
        (tmp_path / "s.csv").unlink()
        table.write(4, {"loss": 2.0})
    assert [(row["iteration"], row["loss"]) for row in rows(tmp_path / "s.csv")] == [("4", "2")]


def test_only_the_first_process_measures():
    written = []
    measures = Measures([lambda iteration, values: written.append(iteration)])
    measures.after_step(training(rank=1), Step(0, 0.1, 1.0, {}), stopped=False)
    for iteration in (0, 50, 100):
        measures.after_step(training(display=0), Step(iteration, 0.1, 1.0, {}), stopped=False)
    assert written == [0, 100]


def test_an_event_file_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with event_file(tmp_path / "events", print) as write:
        write(3, {"loss": 2.5, "PCK@0.2": 31.25})
        found = EventAccumulator(str(tmp_path / "events")).Reload()
    (loss,) = found.Scalars("loss")
    assert (loss.step, loss.value) == (3, 2.5) and found.Scalars("PCK@0.2")[0].value == 31.25


def test_a_full_disk_ends_the_event_file_and_not_the_run(monkeypatch, tmp_path):
    pytest.importorskip("tensorboard")
    said = []
    with event_file(tmp_path, said.append) as write:
        (path,) = tmp_path.iterdir()
        begun = path.read_bytes()
        with monkeypatch.context() as full:
            full.setattr("os.write", lambda descriptor, content: os_error(errno.ENOSPC))
            write(3, {"loss": 2.5})
        write(4, {"loss": 2.5})
    assert said == [f"{path}: cannot be written: No space left on device: the run goes on without TensorBoard"]
    assert path.read_bytes() == begun


def os_error(number):
    raise OSError(number, os.strerror(number))


def test_without_tensorboard_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "tensorboard.compat.proto.event_pb2", None)
    needed = pytest.raises(InputError, match=r"--tensorboard: expected the package tensorboard \(pip install")
    with needed, event_file(tmp_path, print):
        pass
    assert not list(tmp_path.iterdir())
