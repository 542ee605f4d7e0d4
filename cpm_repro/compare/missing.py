"""Arrays that only one of two dumps has: under another name, not written down, or not made; said once for a stage."""

import re
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from cpm_repro.compare.causes.cause import Cause

from .blobs import Comparison
from .dump_files import Dump
from .order import NetworkOrder

_CANDIDATES = 40  # names that are tried for a blob that is missing
_STAGE = re.compile(r".*_(stage\d+)(?!\d)")


def missing_arrays(comparison: Comparison, a: Dump, b: Dump, order: NetworkOrder) -> Iterator[tuple[list[str], Cause]]:
    """Names that belong together, in order, and why a side lacks them."""
    for side, names in (("A", comparison.only_b), ("B", comparison.only_a)):
        candidates = comparison.only_a if side == "A" else comparison.only_b
        lacking, having = (a, b) if side == "A" else (b, a)
        named = [(name, _cause(name, side, lacking, having, candidates, comparison, order)) for name in names]
        for (_, what), group in groupby(named, key=lambda pair: (_stage(pair[0]), pair[1].what)):
            together = list(group)
            yield [name for name, _ in together], _joined(what, [cause.evidence for _, cause in together])


def label(names: list[str]) -> str:
    """One name, or the first and the last and how many of which stage."""
    if len(names) == 1:
        return names[0]
    stage = _stage(names[0])
    return f"{names[0]} … {names[-1]} ({len(names)} arrays{f' of {stage}' if stage else ''})"


def _stage(name: str) -> str:
    match = _STAGE.match(name)
    return match[1] if match else ""


def _joined(what: str, evidence: list[str]) -> Cause:
    shown = dict.fromkeys(evidence[:3])
    return Cause(what, "; ".join(shown) + ("; …" if len(evidence) > 3 and len(shown) > 1 else ""))


def _cause(
    name: str,
    side: str,
    lacking: Dump,
    having: Dump,
    candidates: list[str],
    comparison: Comparison,
    order: NetworkOrder,
) -> Cause:
    array = having.read(name)
    for other in candidates[:_CANDIDATES]:
        if np.array_equal(array, lacking.read(other)):
            return Cause(f"{side} lacks it under this name", f"{other} in {side} holds the same values")
    moment = order.moment(name)
    later = [blob for blob in comparison.blobs if order.moment(blob.name) > moment]
    if later and all(blob.passes for blob in later):
        return Cause(f"{side} lacks it: made, but not written down", f"all {len(later)} blobs made later agree")
    what = "its net has no such blob, or its dump ends early"
    return Cause(f"{side} lacks it: {what}", f"{array.dtype} {array.shape}")
