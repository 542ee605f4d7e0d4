"""A comparison as one page: the verdict, where differences start, the table, histograms and maps of the worst blobs.

The page is a single file that loads nothing: styles, a few lines of script that sort the table, and pictures are in it.
"""

import os
from collections.abc import Iterator
from html import escape
from string import Template

from cpm_repro.array_comparison import ArrayComparison
from prototxt_import.files import replacing

from .blobs import Comparison
from .diagnosis import Origin
from .drawings import along_the_net, histogram, maps, sparkline
from .dump_files import Dump
from .text import first_difference, heading, is_exact, row, verdict

_LOOKED_AT = 8  # blobs whose maps are drawn
_HEADS = (
    "",
    "blob",
    "shape",
    "equal bits",
    "max ULP",
    "median",
    "max abs",
    "max rel",
    "cosine",
    "signs",
    "NaN/Inf",
    "ULP apart",
)

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>$title</title>
<style>
:root { --ink: #1f2933; --soft: #66727f; --line: #e3e8ee; --good: #2e7d5b; --bad: #c0392b; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8fa; color: var(--ink); }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1320px; margin: 0 auto; padding: 28px 24px 60px; }
.verdict { border-radius: 10px; color: #fff; padding: 18px 24px; margin-bottom: 18px; }
.verdict.equal { background: var(--good); } .verdict.different { background: var(--bad); }
.verdict h1 { margin: 0; font-size: 26px; line-height: 1.25; } .verdict p { margin: 4px 0 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 10px; } h3 { font-size: 15px; margin: 0 0 4px; overflow-wrap: anywhere; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 14px 18px; margin-bottom: 12px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; }
.tiles div { background: #fff; border: 1px solid var(--line); border-radius: 10px; }
.tiles div { padding: 8px 16px; color: var(--soft); }
.tiles b { display: block; font-size: 24px; color: var(--ink); }
.files { color: var(--soft); overflow-wrap: anywhere; margin: 12px 2px; }
.origin { border-left: 5px solid var(--bad); } .origin .cause { font-weight: 600; margin: 8px 0 0; }
.soft { color: var(--soft); margin: 0; overflow-wrap: anywhere; }
.scroll { overflow: auto; max-height: 620px; padding: 0; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 7px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { cursor: pointer; user-select: none; color: var(--soft); font-weight: 600; }
th { position: sticky; top: 0; background: #fff; box-shadow: inset 0 -1px var(--line); }
th:nth-child(2), td:nth-child(2) { text-align: left; }
td:nth-child(2) { font-family: ui-monospace, "DejaVu Sans Mono", monospace; }
th:hover { color: var(--ink); } tr.differs td { background: #fdf1ef; } td svg { vertical-align: middle; }
td:first-child { color: var(--good); } tr.differs td:first-child { color: var(--bad); }
.chart text { font-size: 10px; fill: var(--soft); } .chart tspan { font-size: 7px; }
.chart .grid { stroke: var(--line); } .chart .name { font-size: 12px; fill: var(--bad); }
.look img { max-width: 100%; } .look svg { max-width: 100%; height: auto; } ul { margin: 4px 0; padding-left: 20px; }
</style>
</head>
<body>
<main>
<section class="verdict $state" id="verdict"><h1>$headline</h1><p>$sentence</p></section>
<div class="tiles">$tiles</div>
<p class="files">A: $a<br>B: $b<br>Agreeing means: $limits</p>
$body
</main>
<script>
document.querySelectorAll("th").forEach(function (head, column) {
  var up = false;
  head.addEventListener("click", function () {
    var body = document.querySelector("tbody"), rows = Array.from(body.rows);
    up = !up;
    rows.sort(function (one, other) {
      var x = one.cells[column].dataset.value, y = other.cells[column].dataset.value;
      var order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return up ? order : -order;
    });
    rows.forEach(function (row) { body.appendChild(row); });
  });
});
</script>
</body>
</html>
""")


def write_page(path: str | os.PathLike[str], comparison: Comparison, origins: list[Origin], a: Dump, b: Dump) -> None:
    """Writes the page, whole or not at all; reads the blobs that it draws from `a` and `b`."""
    sentence = verdict(comparison, origins)
    headline, _, rest = sentence.partition(": ")
    page = _PAGE.substitute(
        title=escape(f"{headline.capitalize()}: {os.path.basename(comparison.a)} and {os.path.basename(comparison.b)}"),
        state="equal" if comparison.equal else "different",
        headline="Equal" if comparison.equal else "Different",
        sentence=escape(rest),
        tiles="".join(_tiles(comparison)),
        a=escape(comparison.a),
        b=escape(comparison.b),
        limits=escape(str(comparison.limits)),
        body="\n".join(_body(comparison, origins, a, b)),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _tiles(comparison: Comparison) -> Iterator[str]:
    blobs = comparison.blobs
    for count, what in (
        (len(blobs), "compared"),
        (sum(is_exact(blob) for blob in blobs), "equal to the bit"),
        (len(comparison.differing), "beyond the limits"),
        (len(comparison.only_a), "only in A"),
        (len(comparison.only_b), "only in B"),
    ):
        yield f"<div><b>{count:,}</b>{what}</div>"


def _body(comparison: Comparison, origins: list[Origin], a: Dump, b: Dump) -> Iterator[str]:
    if origins:
        yield "<h2>Where it starts, and why</h2>"
        yield from (_origin(origin, place) for place, origin in enumerate(origins))
    yield f'<h2>Along the network: relative error of each blob</h2><div class="card">{along_the_net(comparison)}</div>'
    yield '<h2>Every blob, in the order in which they are made</h2><p class="soft">A click on a heading sorts.</p>'
    heads = "".join(f"<th>{head}</th>" for head in _HEADS)
    rows = "".join(_row(place, blob) for place, blob in enumerate(comparison.blobs))
    yield f'<div class="card scroll"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    for side, names in (("A", comparison.only_a), ("B", comparison.only_b)):
        if names:
            items = "".join(f"<li>{escape(name)}</li>" for name in names)
            yield f'<h2>Only in {side}</h2><div class="card"><ul>{items}</ul></div>'
    looked_at = _worst(comparison, origins)
    if looked_at:
        yield "<h2>A closer look at the worst</h2>"
        yield from (_closer_look(blob, a, b) for blob in looked_at)


def _origin(origin: Origin, place: int) -> str:
    worst = origin.blob.worst if origin.blob else None
    element = f'<p class="soft">worst element {worst.index}: {worst.a!r} in A, {worst.b!r} in B</p>' if worst else ""
    causes = "".join(
        f'<p class="cause">Likely cause: {escape(cause.what)}</p><p class="soft">{escape(cause.evidence)}</p>'
        for cause in origin.causes
    )
    title = f"{heading(origin, place).capitalize()}: {first_difference(origin)}"
    return f'<div class="card origin"><h3>{escape(title)}</h3>{element}{causes}</div>'


def _worst(comparison: Comparison, origins: list[Origin]) -> list[ArrayComparison]:
    """The blobs to draw: where differences start, then those of the largest relative error."""
    starts = [origin.blob for origin in origins if origin.blob is not None]
    others = sorted(comparison.differing, key=lambda blob: -blob.error)
    blobs = [*starts, *(blob for blob in others if blob not in starts)]
    return [blob for blob in blobs if all(_is_number(dtype) for dtype in blob.dtypes)][:_LOOKED_AT]


def _is_number(dtype: str) -> bool:
    return dtype.startswith(("float", "int", "uint", "bool"))


def _closer_look(blob: ArrayComparison, a: Dump, b: Dump) -> str:
    caption, picture = maps(blob, a.read(blob.name), b.read(blob.name))
    chart = histogram(blob) if blob.measured else ""
    names = ("shape", "equal bits", "max ULP", "median ULP", "max abs", "max rel", "cosine", "signs", "NaN/Inf")
    cells = [f"{name} {cell}" for name, cell in zip(names, row(blob), strict=True) if cell]
    return (
        f'<div class="card look"><h3>{escape(blob.name)}</h3><p class="soft">{escape(", ".join(cells))}</p>'
        f'<p class="soft">{escape(caption)}</p><img src="{picture}" alt="A, B and their difference">{chart}</div>'
    )


def _row(place: int, blob: ArrayComparison) -> str:
    numbers = (blob.size, blob.equal_percent, blob.max_ulp, blob.median_ulp, blob.max_absolute, blob.max_relative)
    values = (place, blob.name, *numbers, blob.cosine, blob.signs, sum(blob.nan) + sum(blob.inf), blob.max_ulp)
    shown = ("✓" if blob.passes else "✗", escape(blob.name), *map(escape, row(blob)), sparkline(blob))
    cells = "".join(f'<td data-value="{escape(str(v))}">{cell}</td>' for v, cell in zip(values, shown, strict=True))
    return f"<tr{'' if blob.passes else ' class=differs'}>{cells}</tr>"
