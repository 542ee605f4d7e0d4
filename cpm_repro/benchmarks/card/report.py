"""A card run in words: report.md with every test and figure, and the short table that the run ends with."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cpm_repro.benchmarks.tables import number, table
from prototxt_import.files import write_text

from .stages import Done, Run

_UNITS = {"data": "samples/s", "infer": "images/s", "train": "samples/s", "exact": "images/s", "labels": "samples/s"}


def write_report(run: Run) -> None:
    """report.md, beside the pictures."""
    write_text(run.out / "report.md", markdown(run))


def markdown(run: Run) -> str:
    """Table, machine, failures, figures and pictures."""
    took = run.as_json()["seconds"]
    parts = [f"# {name_of(run)}", short_table(run), f"{took:.0f} s of {run.seconds:.0f} s."]
    for done in run.done:
        if done.stage == "environment" and done.results:
            parts += ["## The machine", machine_table(done.results)]
    failures = [test for done in run.done for test in tests_of(done) if test["outcome"] == "failed"]
    if failures:
        parts += ["## Tests that failed", *(f"* `{test['test']}`: {test['why']}" for test in failures)]
    for done in run.done:
        if done.stage == "benchmarks" and done.results:
            parts += [f"## bench {done.name}", *figures(done.name, done.results)]
            parts += [f"![{done.name}]({done.name}.png)"] if (run.out / f"{done.name}.png").exists() else []
    return "\n\n".join(parts) + "\n"


def name_of(run: Run) -> str:
    """The card's name if it is known by now, else the device's."""
    machines = [done.results for done in run.done if done.stage == "environment" and done.results]
    return machines[0].get("card", run.device) if machines else run.device


def machine_table(machine: Mapping[str, Any]) -> str:
    """Versions and what is missing."""
    plain = {key: value for key, value in machine.items() if key not in ("packages", "missing")}
    rows = [(key, str(value)) for key, value in {**plain, **machine["packages"]}.items()]
    rows += [(missing["package"], f"missing: needed by {missing['needed by']}") for missing in machine["missing"]]
    return table(("what", "version"), rows)


def short_table(run: Run) -> str:
    """A row for each job: outcome, seconds, and what it found."""
    rows = [(done.stage, done.name, done.outcome, f"{done.seconds:.0f}", found(done)) for done in run.done]
    return table(("stage", "job", "outcome", "s", "found"), rows)


def found(done: Done) -> str:
    """What a job found, in a few words."""
    tests = tests_of(done)
    if tests:
        counts = Counter(test["outcome"] for test in tests)
        said = ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "skipped") if counts[name])
        return f"{said} ({done.why})" if done.outcome in ("skipped", "cut short") else said
    if done.stage == "environment" and done.results:
        missing = [missing["package"] for missing in done.results["missing"]]
        return f"missing: {', '.join(missing)}" if missing else "nothing is missing"
    if done.stage == "benchmarks" and done.results:
        return headline(done.name, done.results)
    return done.why


def tests_of(done: Done) -> Sequence[Mapping[str, Any]]:
    """The results of a job of tests."""
    return done.results if isinstance(done.results, list) else []


def rates_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Medians by pipeline, this project's first."""
    compared = report.get("forward", report)
    rates = compared.get("pipelines") or compared["one_thread"]
    medians = {name: rate["median"] for name, rate in rates.items()}
    if "card" in report:
        return {"the kernels on the card": report["card"]["kernels"], **medians}
    return medians


def headline(name: str, report: Mapping[str, Any]) -> str:
    """This project's rate, and the fastest other's."""
    (ours, rate), *others = rates_of(report).items()
    best = max(others, key=lambda other: other[1], default=None)
    said = f"{ours}: {number(rate)} {_UNITS[name]}"
    return said if best is None else f"{said}; {best[0]}: {number(best[1])}"


def figures(name: str, report: Mapping[str, Any]) -> list[str]:
    """All rates, and a card's shares of its limits."""
    compared = report.get("forward", report)
    differences = compared.get("differences", {})
    rows = [
        (way, number(rate), f"{differences[way]:.1g}" if way in differences else "")
        for way, rate in rates_of(report).items()
    ]
    parts = [table(("way", _UNITS[name], "differs by"), rows)]
    parts += [f"Not measured: {way}: {why}." for way, why in compared.get("missing", {}).items()]
    if "share_of_product" in compared:
        shares = ", ".join(f"{way} {share:.0%}" for way, share in compared["share_of_product"].items())
        parts.append(f"Of the rate of a float32 matrix product: {shares}.")
    if "same_bits_as_on_the_cpu" in report:
        parts.append(f"Of the maps made on the card, {report['same_bits_as_on_the_cpu']:.2%} have the CPU's bits.")
    if "card" in report:
        card = report["card"]
        parts.append(
            f"The kernels move data at {card['share_of_copy_bandwidth']:.0%} of a copy's rate; the data layer makes "
            f"{number(card['pipeline'])} samples/s, limited by {card['pipeline_limited_by']}."
        )
    return parts


def succeeded(run: Run) -> bool:
    """Whether nothing failed or was cut short."""
    return all(done.outcome in ("passed", "skipped") for done in run.done)


def pictures(out: Path) -> list[Path]:
    """The pictures that the benchmarks left."""
    return sorted(out.glob("*.png"))
