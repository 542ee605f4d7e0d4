"""Where differences start, and the same fault of several layers said once."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cpm_repro.array_comparison import ArrayComparison
from cpm_repro.compare.causes.cause import Cause

from .order import NetworkOrder

_SHOWN = 8
MOST = 6
"""Places of origin that are explained: of more it is not known where they end."""
_STAGE = re.compile(r"_stage(\d+)$")
_WEIGHTS = re.compile(
    r"^(.) (?:has other weights of layer .* of another file or snapshot|was computed with other weights )"
)
_UNLESS = ", or arithmetic in "
"""Begins what a layer alone cannot tell from its weights; a layer behind it can."""


@dataclass
class Origin:
    """Where a difference starts: an array, what makes it, the likely causes; `blob` is None if one side lacks it.

    iteration: of losses, the first that is off by more than rounding.
    """

    name: str
    made_by: str
    causes: list[Cause]
    blob: ArrayComparison | None = None
    iteration: int | None = None


def joined(origins: Sequence[Origin], order: NetworkOrder) -> Iterator[Origin]:
    """The origins, of which those with the same cause but for names and numbers are one, the first."""
    groups: dict[str, list[Origin]] = {}
    kinds = [_kind(origin, order) if origin.causes and origin.blob else str(at) for at, origin in enumerate(origins)]
    for kind, origin in zip(kinds, origins, strict=True):
        certain = kind.partition(_UNLESS)[0]
        groups.setdefault(certain if certain in kinds else kind, []).append(origin)
    for group in groups.values():
        first, *others = group
        if others:
            first.causes = [_of_all(first, others, len(origins) < MOST), *first.causes[1:]]
        yield first


def _kind(origin: Origin, order: NetworkOrder) -> str:
    cause = origin.causes[0].what
    if weights := _WEIGHTS.match(cause):
        return f"weights of {weights[1]}"
    for name in sorted({origin.name, *order.makers(origin.name)}, key=len, reverse=True):
        cause = cause.replace(name, "…")
    return re.sub(r"(?<!\w)-?\d+(\.\d+)?(e-?\d+)?", "#", cause)


def _of_all(first: Origin, others: Sequence[Origin], complete: bool) -> Cause:
    """The cause of all of them; complete: whether they are all that there are."""
    cause, names = first.causes[0], [origin.name for origin in others]
    certain = any(_UNLESS not in other.causes[0].what for other in others)
    what = cause.what.partition(_UNLESS)[0] if certain else cause.what
    also = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    if (weights := _WEIGHTS.match(what)) and len(names) > 1:
        stages = {found[1] if (found := _STAGE.search(name)) else "" for name in (first.name, *names)}
        alone = complete and len(stages) == 1 and "" not in stages
        where = f" in stage {min(stages)} alone" if alone else ""
        what = f"{weights[1]} has the weights of another file or snapshot{where}"
    return Cause(what, f"the same in {also}; {cause.evidence}")
