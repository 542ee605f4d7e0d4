"""What watches a run: when snapshots are due, what the first and the second Ctrl-C do, who draws the timeline."""

import contextlib
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from cpm_repro.samples.timeline import Timeline
from cpm_repro.training.hooks import Interruption, Log, Snapshots, TimelineReport
from cpm_repro.training.loop import Step
from cpm_repro.training.watch import output
from cpm_repro.training.watch.output import LogFile
from cpm_repro.training.watch.own_files import own_log
from prototxt_import.files import InputError
from prototxt_import.formats import schema


def training(iteration=0, rank=0, **param):
    """A run after so many iterations; writes down its snapshots."""
    written = []

    def snapshot():
        written.append(iteration)
        return Path(f"s_iter_{iteration}.caffemodel"), Path(f"s_iter_{iteration}.solverstate")

    param = {"snapshot": 3, "snapshot_after_train": True, "max_iter": 7, **param}
    return SimpleNamespace(
        param=schema.SolverParameter(snapshot_prefix="s", **param),
        solver=SimpleNamespace(iteration=iteration),
        share=SimpleNamespace(rank=rank),
        snapshot=snapshot,
        due=lambda interval: bool(interval) and iteration % interval == 0,
        timeline=Timeline(),
        written=written,
    )


def silent():
    return Log(None, "fast", "cpu", resumed=False, skip_bad=False)


def snapshot_after(iteration, stopped=False, **run):
    """Whether there is one after that iteration."""
    run, hook = training(iteration, **run), Snapshots(silent(), Interruption())
    hook.after_step(run, Step(iteration - 1, 0.1, 1.0, {}), stopped)
    if stopped or iteration == run.param.max_iter:
        hook.after_iterations(run, stopped)
    assert (hook.model is not None) == bool(run.written)
    return bool(run.written)


def test_snapshots_are_due_every_so_often_and_at_the_end():
    assert [n for n in range(1, 8) if snapshot_after(n)] == [3, 6, 7]
    assert [n for n in range(1, 8) if snapshot_after(n, snapshot_after_train=False)] == [3, 6]
    assert [n for n in range(1, 8) if snapshot_after(n, snapshot=0)] == [7]


def test_a_stopped_run_snapshots_and_only_the_first_process_writes():
    assert snapshot_after(4, stopped=True)
    assert not snapshot_after(3, rank=1) and not snapshot_after(4, stopped=True, rank=1)


def test_a_run_outlives_a_snapshot_that_cannot_be_written_but_for_the_last(tmp_path, capfd):
    def full():
        raise InputError("s_iter_3.caffemodel: cannot be written: No space left on device")

    with own_log(tmp_path / "s.log", None, overwrite=False) as file:
        log = Log(file, "fast", "cpu", resumed=False, skip_bad=False)
        hook, run = Snapshots(log, Interruption()), training(3)
        good, run.snapshot = run.snapshot, full
        hook.after_step(run, Step(2, 0.1, 1.0, {}), stopped=False)
        said = "s_iter_3.caffemodel: cannot be written: No space left on device: the run goes on without it"
        assert capfd.readouterr().err == f"{said}\n" and file.path.read_text().endswith(f"] {said}\n")
        with pytest.raises(InputError, match="No space left on device"):
            hook.after_iterations(run, stopped=False)
        run.snapshot = good
        hook.after_iterations(run, stopped=False)
        hook.after_iterations(run, stopped=False)
    assert run.written == [3] and hook.model == Path("s_iter_3.caffemodel")


def test_the_first_signal_stops_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption().listening() as interruption:
        assert not interruption.stops
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.stops
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


def test_sighup_asks_for_one_snapshot():
    with Interruption().listening() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not interruption.stops and interruption.takes_snapshot() and not interruption.takes_snapshot()


def test_a_run_outlives_stdout_but_not_its_log(tmp_path, capfd, monkeypatch):
    """Without stdout it goes on and says so; without its log it stops, snapshots, and ends with the reason."""
    with own_log(tmp_path / "s.log", None, overwrite=False) as file, open("/dev/full", "w") as full:
        log = Log(file, "fast", "cpu", resumed=False, skip_bad=False)
        with contextlib.redirect_stdout(full):
            log.say(["one"])
            log.say(["two"])
        lines = file.path.read_text().splitlines()
        gone = f"stdout takes no more lines (No space left on device): the run goes on, its log is {file.path}"
        assert lines[0] == "one" and lines[1].endswith(f"] {gone}") and lines[2:] == ["two"] and not log.stops
        assert capfd.readouterr().err == f"{gone}\n"
    with contextlib.closing(LogFile(tmp_path / "s.log")) as file, open("/dev/full", "wb", buffering=0) as full:
        log = Log(file, "fast", "cpu", resumed=False, skip_bad=False)
        with monkeypatch.context() as patched:
            patched.setattr(output.os, "write", lambda _, rest: full.write(rest))
            log.say(["one"])
        assert log.stops and "the run stops after this iteration, with a snapshot" in capfd.readouterr().err
        with pytest.raises(InputError, match=r"s\.log: cannot be written: No space left on device"):
            log.after_training(training(), stopped=True)


def test_a_log_whose_folder_is_removed_goes_on_there(tmp_path, capfd):
    with own_log(tmp_path / "run" / "s.log", None, overwrite=False) as file:
        log = Log(file, "fast", "cpu", resumed=False, skip_bad=False)
        log.say(["one"])
        shutil.rmtree(tmp_path / "run")
        log.say([])
        assert not file.path.exists()
        log.say(["two"])
        log.say(["three"])
        assert file.path.read_text() == "two\nthree\n"
        said = f"{file.path}: was removed or moved while the run wrote to it: it goes on in a new one\n"
        assert capfd.readouterr().err == said and not log.stops
        with pytest.raises(InputError, match="expected to be the only run"), own_log(file.path, None, overwrite=False):
            pass


def test_a_log_in_whose_place_another_run_began_ends_the_run(tmp_path):
    path = tmp_path / "s.log"
    with own_log(path, None, overwrite=False) as file:
        log = Log(file, "fast", "cpu", resumed=False, skip_bad=False)
        log.say(["one"])
        path.unlink()
        with own_log(path, None, overwrite=False) as other:
            other.write(["another run"])
            with pytest.raises(InputError, match="expected to be the only run with this"):
                log.say(["two"])
            log.fail("why it ended")
        assert path.read_text() == "another run\n"


@pytest.mark.parametrize(("rank", "drawn"), [(0, 1), (1, 0)])
def test_the_first_process_draws_the_timeline(rank, drawn):
    drawings, run = [], training(rank=rank)
    TimelineReport(silent(), drawings.append).after_training(run, stopped=False)
    assert drawings == [run.timeline] * drawn
