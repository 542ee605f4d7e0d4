"""Reports in words: tables in Markdown, which read well in a terminal too."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .measure import Rates, ratio


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    rule = [":" + "-" * (width - 1) if column == 0 else "-" * (width - 1) + ":" for column, width in enumerate(widths)]
    lines = [head, rule, *rows]
    return "\n".join(f"| {' | '.join(_cell(row, column, widths) for column in range(len(head)))} |" for row in lines)


def _cell(row: Sequence[str], column: int, widths: Sequence[int]) -> str:
    return row[column].ljust(widths[column]) if column == 0 else row[column].rjust(widths[column])


def number(value: float) -> str:
    """Three digits that count, without an exponent: 0.0123, 1.23, 123, 1234."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def seconds(rates: Rates) -> str:
    """Median seconds of one, from those of the fastest round to those of the slowest."""
    fastest, slowest = 1 / max(rates.rounds), 1 / min(rates.rounds)
    return f"{number(1 / rates.median)} ({number(fastest)} to {number(slowest)})"


def per_second(rates: Rates) -> str:
    """Median number per second, from the slowest round's to the fastest's."""
    return f"{number(rates.median)} ({number(min(rates.rounds))} to {number(max(rates.rounds))})"


def beside(
    rates: Mapping[str, Rates], what: str, cell: Callable[[Rates], str], columns: Mapping[str, Callable[[str], str]]
) -> str:
    """A row for each way: what `cell` says of its rates, how many times as fast the first way is, and by their heads
    the further columns, of the way's name."""
    ours, rows = next(iter(rates)), []
    for name, of_way in rates.items():
        times = "" if name == ours else f"{ratio(rates[ours], of_way):.2f} ×"
        rows.append((name, cell(of_way), times, *(column(name) for column in columns.values())))
    return table(("way", f"{what} (range)", f"{ours} is", *columns), rows)


def mebibytes(count: int | None) -> str:
    """Bytes in MiB."""
    return "not measured" if count is None else number(count / 2**20)


def sweep(rows: Sequence[Mapping[str, Any]], key: str, label: str, cell: Callable[[Rates], str]) -> str:
    """What `cell` says of the rates, over the values of `key` (see `label`), a column for each pipeline."""
    names = list(rows[0]["rates"])
    return table([label, *names], [[number(row[key]), *map(cell, row["rates"].values())] for row in rows])


def median_seconds(rates: Rates) -> str:
    """Seconds of one, as a cell of `sweep`."""
    return number(1 / rates.median)


def median_rate(rates: Rates) -> str:
    """The number per second, as a cell of `sweep`."""
    return number(rates.median)


def about(machine: Mapping[str, Any]) -> str:
    """Date, machine and versions in a line."""
    versions = [f"{name} {value}" for name, value in machine["versions"].items()]
    parts = [machine["cpu"], f"{machine['cores']} cores", *versions, *([machine["card"]] if "card" in machine else [])]
    return f"{machine['date'][:10]}: {', '.join(parts)}"
