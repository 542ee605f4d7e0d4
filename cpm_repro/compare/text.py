"""A comparison as lines for the terminal, and as the plain values of its JSON file."""

import math
from collections.abc import Iterator
from dataclasses import asdict

from cpm_repro.array_comparison import ArrayComparison
from data_lmdb.counts import how_many

from .blobs import Comparison
from .origins import Origin

_COLUMNS = ("shape", "equal bits", "max ULP", "median", "max abs", "max rel", "cosine", "signs", "NaN/Inf")
_SHOWN_NAMES = 12
_RUN = 6  # rows of blobs that are equal to the bit, above which they become one line


def verdict(comparison: Comparison, origins: list[Origin]) -> str:
    """One sentence: equal, or what differs first and which layer made it."""
    count = len(comparison.blobs) - len(comparison.taken)
    taken = f"; computed from A's own {', '.join(comparison.taken)}, compared with nothing" if comparison.taken else ""
    if comparison.equal:
        return f"EQUAL: {how_many(count, 'blob')}, {comparison.limits}{taken}"
    differing = len(comparison.differing)
    only = len(comparison.only_a) + len(comparison.only_b)
    missing = f"; {_only(comparison)}" if only and not comparison.common else ""
    found = f"DIFFERENT: {differing} of {count} blobs differ ({comparison.limits}{taken})"
    first = f"; first {first_difference(origins[0])}" if origins else ""
    return found + first + _larger(origins) + missing


def _larger(origins: list[Origin]) -> str:
    """Names a later origin that dwarfs the first: rounding comes first, the fault after it."""
    measured = [(origin, origin.blob.error) for origin in origins if origin.blob is not None]
    larger = [origin for origin, error in measured[1:] if error > 100 * measured[0][1]]
    return f"; far more from {_what(larger[0])} on" if larger else ""


def _what(origin: Origin) -> str:
    return origin.name if origin.iteration is None else f"{origin.name} at iteration {origin.iteration}"


def _only(comparison: Comparison) -> str:
    sides = [(side, names) for side, names in (("A", comparison.only_a), ("B", comparison.only_b)) if names]
    return ", ".join(f"{len(names)} only in {side} ({names[0]}{', …' if names[1:] else ''})" for side, names in sides)


def first_difference(origin: Origin) -> str:
    """Name, moment and makers of an origin."""
    return _what(origin) + (f", made by {origin.made_by}" if origin.made_by else "")


def lines(comparison: Comparison, origins: list[Origin]) -> Iterator[str]:
    """The report: a table in network order, names on one side, where differences start and why, and the verdict."""
    yield f"A: {comparison.a}"
    yield f"B: {comparison.b}"
    yield ""
    yield from _table(comparison.blobs)
    for side, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            yield f"only in {side}: {', '.join(names[:_SHOWN_NAMES])}{more}"
    for place, origin in enumerate(origins):
        yield ""
        yield f"{heading(origin, place)}: {first_difference(origin)}"
        if origin.blob and (worst := origin.blob.worst):
            yield f"  worst element {worst.index}: {worst.a!r} in A, {worst.b!r} in B"
        for cause in origin.causes:
            yield f"  likely cause: {cause.what}"
            yield f"    {cause.evidence}"
    yield ""
    yield verdict(comparison, origins)


def heading(origin: Origin, place: int) -> str:
    """What the origin at that place of the list is."""
    if origin.blob is None:
        return "on one side only"
    return "first difference" if place == 0 else "also starts here"


def _table(blobs: list[ArrayComparison]) -> Iterator[str]:
    width = max(len(blob.name) for blob in blobs)
    yield f"  {'blob':{width}}  {_cells(_COLUMNS)}"
    for exact, run in _runs(blobs):
        shown = run if not exact or len(run) <= _RUN else [run[0], None, run[-1]]
        for blob in shown:
            if blob is None:
                yield f"  … {len(run) - 2} more, equal to the bit"
            else:
                yield f"{' ' if blob.passes else '×'} {blob.name:{width}}  {_cells(row(blob))}"


def _runs(blobs: list[ArrayComparison]) -> Iterator[tuple[bool, list[ArrayComparison]]]:
    run: list[ArrayComparison] = []
    for blob in blobs:
        if run and is_exact(run[0]) != is_exact(blob):
            yield is_exact(run[0]), run
            run = []
        run.append(blob)
    yield is_exact(run[0]), run


def is_exact(blob: ArrayComparison) -> bool:
    """Whether every bit is equal."""
    return blob.passes and blob.equal == blob.size


def _cells(cells: tuple[str, ...]) -> str:
    return "  ".join(
        f"{cell:>{width}}" for cell, width in zip(cells, (18, 10, 13, 9, 9, 9, 10, 7, 9), strict=True)
    ).rstrip()


def row(blob: ArrayComparison) -> tuple[str, ...]:
    """A blob's cells under `_COLUMNS`."""
    shape, other = ("×".join(map(str, shape)) or "1" for shape in blob.shapes)
    if not blob.measured:
        text = f"{shape} | {other}" if shape != other else blob.dtypes[0]
        return text, "" if blob.passes else "differs", *("",) * 7
    bad = sum(blob.nan), sum(blob.inf)
    return (
        shape,
        _percent(blob),
        f"{blob.max_ulp:,}",
        f"{blob.median_ulp:,.0f}" if blob.median_ulp >= 1000 else f"{blob.median_ulp:.6g}",
        f"{blob.max_absolute:.2e}" if blob.max_absolute else "0",
        f"{blob.max_relative:.2e}" if blob.max_relative else "0",
        "" if math.isnan(blob.cosine) else f"{blob.cosine:.7f}",
        f"{blob.signs:,}" if blob.signs else "",
        f"{bad[0]:,}/{bad[1]:,}" if any(bad) else "",
    )


def _percent(blob: ArrayComparison) -> str:
    """Equal bits; 100 % only if all are."""
    if blob.equal == blob.size:
        return "100 %"
    return f"{min(blob.equal_percent, 99.9999):.6g} %" if blob.equal_percent > 99.99 else f"{blob.equal_percent:.2f} %"


def as_json(comparison: Comparison, origins: list[Origin]) -> dict[str, object]:
    """Everything measured, as JSON has it: NaN and infinities become text."""
    content = {
        "verdict": verdict(comparison, origins),
        "equal": comparison.equal,
        "a": comparison.a,
        "b": comparison.b,
        "limits": asdict(comparison.limits),
        "taken_from_a": comparison.taken,
        "origins": [
            {
                "blob": origin.name,
                "made_by": origin.made_by,
                "iteration": origin.iteration,
                "causes": [cause._asdict() for cause in origin.causes],
            }
            for origin in origins
        ],
        "only_in_a": comparison.only_a,
        "only_in_b": comparison.only_b,
        "blobs": [asdict(blob) for blob in comparison.blobs],
    }
    return {key: _plain(value) for key, value in content.items()}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
