"""A comparison as one page: the verdict, where differences start, the table, histograms and maps of the worst blobs.

The page is a single file that loads nothing: styles, a few lines of script that sort the table, and pictures are in it.
`page.html.jinja` is its template.
"""

import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cpm_repro.array_comparison import ArrayComparison
from data_lmdb.counts import how_many
from prototxt_import.files import write_text

from .blobs import Comparison, by_stage
from .drawings import along_the_net, histogram, maps, sparkline
from .dump_files import Dump
from .origins import Origin
from .text import first_difference, heading, is_exact, row, verdict

_LOOKED_AT = 8  # blobs whose maps are drawn
_NUMBERS = ("shape", "equal bits", "max ULP", "median", "max abs", "max rel", "cosine", "signs", "NaN/Inf")
_HEADS = ("", "blob", *_NUMBERS, "ULP apart")


def write_page(path: str | os.PathLike[str], comparison: Comparison, origins: list[Origin], a: Dump, b: Dump) -> None:
    """Writes the page, whole or not at all; reads the blobs that it draws from `a` and `b`."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("page.html.jinja").render(_told(comparison, origins, a, b))
    write_text(path, page)


def _told(comparison: Comparison, origins: list[Origin], a: Dump, b: Dump) -> dict[str, Any]:
    """What the template asks for."""
    headline, _, rest = verdict(comparison, origins).partition(": ")
    sides = (("A", comparison.only_a), ("B", comparison.only_b))
    return {
        "title": f"{headline.capitalize()}: {os.path.basename(comparison.a)} and {os.path.basename(comparison.b)}",
        "equal": comparison.equal,
        "sentence": rest,
        "tiles": _tiles(comparison),
        "a": comparison.a,
        "b": comparison.b,
        "limits": str(comparison.limits),
        "origins": [_origin(origin, place) for place, origin in enumerate(origins)],
        "bars": along_the_net(comparison) if any(blob.error for blob in comparison.blobs) else "",
        "heads": _HEADS,
        "groups": _groups(comparison),
        "only": [(side, names) for side, names in sides if names],
        "looks": [_closer_look(blob, a, b) for blob in _worst(comparison, origins)],
    }


def _tiles(comparison: Comparison) -> list[tuple[int, str]]:
    blobs = comparison.blobs
    return [
        (len(blobs), "compared"),
        (sum(is_exact(blob) for blob in blobs), "equal to the bit"),
        (len(comparison.differing), "beyond the limits"),
        (len(comparison.only_a), "only in A"),
        (len(comparison.only_b), "only in B"),
    ]


def _origin(origin: Origin, place: int) -> dict[str, Any]:
    worst = origin.blob.worst if origin.blob else None
    return {
        "title": f"{heading(origin, place).capitalize()}: {first_difference(origin)}",
        "worst": worst and {"index": worst.index, "a": repr(worst.a), "b": repr(worst.b)},
        "causes": origin.causes,
    }


def _groups(comparison: Comparison) -> list[dict[str, Any]]:
    """The rows of every stage."""
    places = {blob.name: place for place, blob in enumerate(comparison.blobs)}
    groups = []
    for title, blobs in by_stage(comparison.blobs).items():
        beyond = sum(not blob.passes for blob in blobs)
        all_agree = f"{how_many(len(blobs), 'blob')}, all agree"
        summary = f"{beyond} of {len(blobs)} blobs beyond the limits" if beyond else all_agree
        rows = [_row(places[blob.name], blob) for blob in blobs]
        groups.append({"title": title, "summary": summary, "rows": rows})
    return groups


def _row(place: int, blob: ArrayComparison) -> dict[str, Any]:
    numbers = (blob.size, blob.equal_percent, blob.max_ulp, blob.median_ulp, blob.max_absolute, blob.max_relative)
    values = (place, blob.name, *numbers, blob.cosine, blob.signs, sum(blob.nan) + sum(blob.inf), blob.max_ulp)
    shown = ("✓" if blob.passes else "✗", blob.name, *row(blob), Markup(sparkline(blob)))
    return {"passes": blob.passes, "cells": list(zip(values, shown, strict=True))}


def _worst(comparison: Comparison, origins: list[Origin]) -> list[ArrayComparison]:
    """The blobs to draw: where differences start, then those of the largest relative error."""
    starts = [origin.blob for origin in origins if origin.blob is not None]
    others = sorted(comparison.differing, key=lambda blob: -blob.error)
    blobs = [*starts, *(blob for blob in others if blob not in starts)]
    return [blob for blob in blobs if all(_is_number(dtype) for dtype in blob.dtypes)][:_LOOKED_AT]


def _is_number(dtype: str) -> bool:
    return dtype.startswith(("float", "int", "uint", "bool"))


def _closer_look(blob: ArrayComparison, a: Dump, b: Dump) -> dict[str, str]:
    caption, picture = maps(blob, a.read(blob.name), b.read(blob.name))
    cells = [f"{name} {cell}" for name, cell in zip(_NUMBERS, row(blob), strict=True) if cell]
    return {
        "name": blob.name,
        "numbers": ", ".join(cells),
        "caption": caption,
        "picture": picture,
        "histogram": histogram(blob) if blob.measured and any(blob.histogram) else "",
    }
