"""Everything that only a card can show, in one run of at most so many minutes: `make card`.

Jobs are processes of their own, each with a time budget, in stages: what the machine has, building, every `gpu` test,
the golden replays on the card, and the benchmarks in short form. After every job report.json and report.md are written
anew, so that a run cut short leaves what it has.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

from prototxt_import.files import InputError, write_text

ROOT = Path(__file__).resolve().parents[3]
REPLAYS = "tests/whole/"
"""Tests of whole runs against the original's files: a stage of their own."""
QUICK_FIRST = ("tests/kernels/samples", "tests/kernels/exact", "tests/kernels", "tests/prototxt_import")
SIDE_BY_SIDE = 6  # test files: a card has room for their contexts, and most of their time is Python's
RESERVE = 3.0  # seconds kept for the last report
BENCHMARKS = ("data", "infer", "train", "exact", "labels")
SHORT = {
    "cuda": {name: ["--short", "--rounds", "2"] for name in BENCHMARKS},
    "cpu": {
        "data": ["--short", "--rounds", "1"],
        **{name: ["--short", "--rounds", "1", "--size", "48", "--stages", "1"] for name in ("infer", "train", "exact")},
        "labels": ["--short", "--rounds", "1"],
    },
}
"""Options of the benchmarks. On a CPU they show only that all of this runs."""


@dataclass(frozen=True)
class Job:
    """A command with a budget in seconds. `results`: a file it writes, JSON or a line of JSON for each test."""

    stage: str
    name: str
    command: Sequence[str]
    seconds: float
    results: Path | None = None


@dataclass
class Done:
    """What became of a job. outcome: "passed", "failed", "cut short" (its budget or the run's was over), "skipped"."""

    stage: str
    name: str
    outcome: str
    seconds: float
    why: str = ""
    results: Any = None


@dataclass
class Run:
    """A run on a device: where its report goes, when it must end, and what has been done so far."""

    device: str
    out: Path
    seconds: float
    started: float = field(default_factory=time.monotonic)
    done: list[Done] = field(default_factory=list)
    written: Callable[["Run"], None] = lambda run: None

    def left(self) -> float:
        """Seconds until the run must end."""
        return self.started + self.seconds - RESERVE - time.monotonic()

    def add(self, done: Done) -> None:
        """Takes in a result, and writes the report anew."""
        self.done.append(done)
        self.written(self)

    def as_json(self) -> dict[str, Any]:
        """What report.json holds."""
        took = time.monotonic() - self.started
        return {"device": self.device, "seconds": round(took, 1), "jobs": [asdict(done) for done in self.done]}


def run_stage(run: Run, jobs: Sequence[Job], side_by_side: int = 1) -> None:
    """Runs the jobs in their order, so many at a time."""
    with ThreadPoolExecutor(side_by_side) as pool:
        for done in pool.map(lambda job: run_job(run, job), jobs):
            run.add(done)


def run_job(run: Run, job: Job) -> Done:
    """Runs a job in a process group of its own, and ends all of that when its budget is over."""
    seconds, started = min(job.seconds, run.left()), time.monotonic()
    if seconds <= 0:
        return Done(job.stage, job.name, "skipped", 0.0, "no time was left")
    log = run.out / "jobs" / f"{re.sub('[^0-9A-Za-z]+', '_', f'{job.stage} {job.name}')}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            job.command, cwd=ROOT, start_new_session=True, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = log.read_text(encoding="utf-8", errors="replace")
    return finished(job, code, round(time.monotonic() - started, 1), text)


def finished(job: Job, code: int | None, seconds: float, text: str) -> Done:
    """What a job's exit code (None: it was ended), its results and its output say."""
    results = read_results(job.results)
    outcome = "cut short" if code is None else "failed" if code else "passed"
    why = f"its {job.seconds:.0f} s were over" if code is None else "" if code == 0 else last_words(text)
    if job.results and job.results.suffix == ".jsonl":
        tests = [result["outcome"] for result in results or []]
        if outcome == "passed" and tests and set(tests) == {"skipped"}:
            outcome, why = "skipped", results[0]["why"]
    return Done(job.stage, job.name, outcome, seconds, why, results)


def read_results(path: Path | None) -> Any:
    """The JSON of a file, or the list of its lines' (the last may be cut); None without a file."""
    if path is None or not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return json.loads(text)
    lines = []
    for line in text.splitlines():
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


def last_words(text: str) -> str:
    """The line of a failed command's output that says most: its error, or else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(E  |\w*(\.\w+)*(Error|Exception)\b|.*\berror:)", line)]
    return (errors or lines or ["no output"])[-1][:300]


def environment_jobs(run: Run) -> list[Job]:
    """Which versions there are, and what is missing."""
    results = run.out / "machine.json"
    command = [sys.executable, "-m", "cpm_repro.benchmarks.card.machine", run.device, str(results)]
    return [Job("environment", "machine", command, 60, results)]


def building_jobs(run: Run) -> list[Job]:
    """The CPU library, if it is not there or older than its sources, and the card's kernels: side by side."""
    library = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    jobs = [] if library_is_new() else [Job("build", "the CPU's library", library, 150)]
    if run.device == "cuda":
        compiling = [sys.executable, "-m", "cpm_repro.benchmarks.card.machine", "--compile"]
        jobs.append(Job("build", "the card's kernels", compiling, 150))
    return jobs


def library_is_new() -> bool:
    """Whether the library in kernels/ is for this Python, and younger than all its sources."""
    built = ROOT / f"kernels/_host{EXTENSION_SUFFIXES[0]}"
    newest = max(path.stat().st_mtime for path in (ROOT / "kernels/src").glob("*/*"))
    return built.exists() and built.stat().st_mtime > newest


def test_files() -> list[str]:
    """The test files that may have `gpu` tests, those of the kernels first: they mention the mark, or the fixture of
    a device."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.gpu" in text or re.search(r"\bdef test_\w+\([^)]*\bdevice\b", text):
            found.append(path.relative_to(ROOT).as_posix())
    order = [*QUICK_FIRST, ""]
    return sorted(found, key=lambda name: next(i for i, start in enumerate(order) if name.startswith(start)))


def test_jobs(run: Run, stage: str, files: Iterable[str], seconds: float) -> list[Job]:
    """A job for each file: a kernel that fails may leave the card unusable to its process."""
    jobs = []
    for file in files:
        results = run.out / "jobs" / f"{file.replace('/', '.')}.jsonl"
        command = [sys.executable, "-m", "pytest", file, "-m", "gpu", "-q", "--tb=short", "-W", "default"]
        command += ["-p", "no:cacheprovider", "-p", "tests.results_as_lines", "--results", str(results)]
        jobs.append(Job(stage, file, command, seconds, results))
    return jobs


def benchmark_jobs(run: Run) -> list[Job]:
    """The benchmarks in short form, which leave pictures beside the report."""
    jobs = []
    for name, seconds in zip(BENCHMARKS, (60, 75, 60, 60, 30), strict=True):
        results = run.out / f"{name}.json"
        command = [sys.executable, "tools/bench.py", name, "--device", run.device, *SHORT[run.device][name]]
        command += ["--json", str(results), "--plot", str(run.out / f"{name}.png")]
        jobs.append(Job("benchmarks", name, command, seconds, results))
    return jobs


def run_all(run: Run, golden: Path) -> None:
    """All stages; `golden`: the original's files."""
    clear(run.out)
    run_stage(run, environment_jobs(run))
    run_stage(run, building_jobs(run), side_by_side=2)
    files = test_files()
    single = [file for file in files if not file.startswith(REPLAYS)]
    run_stage(run, test_jobs(run, "gpu tests", single, 120), SIDE_BY_SIDE)
    if golden.is_dir():
        replays = [file for file in files if file.startswith(REPLAYS)]
        run_stage(run, test_jobs(run, "golden replays", replays, 90), SIDE_BY_SIDE)
    else:
        run.add(Done("golden replays", "all", "skipped", 0.0, f"no golden files in {golden}"))
    run_stage(run, benchmark_jobs(run))


def clear(out: Path) -> None:
    """Forgets an earlier run's results."""
    for pattern in ("*.json", "*.png", "report.md", "jobs/*"):
        for path in out.glob(pattern):
            path.unlink()


def check_checkout(root: Path = ROOT) -> None:
    """InputError unless the tests and sources are there."""
    for name in ("tests", "tools", "kernels/src", "setup.py"):
        if not (root / name).exists():
            raise InputError(f"{root / name}: expected a checkout of the project, found no {name}")


def write_json(run: Run) -> None:
    """report.json."""
    write_text(run.out / "report.json", json.dumps(run.as_json(), indent=1) + "\n")
