"""Two dumps, blob by blob: what both have, in the order in which a run makes it, and what only one has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cpm_repro.array_comparison import ArrayComparison, Limits, compare_arrays
from prototxt_import.files import InputError

from .dump_files import Dump
from .order import NetworkOrder


@dataclass
class Comparison:
    """Two dumps: the blobs both have, in the order in which a run makes them, and the names only one has.

    taken: inputs that B was computed from and that are A's own, so that they agree whether they are right or not.
    """

    a: str
    b: str
    limits: Limits
    blobs: list[ArrayComparison]
    only_a: list[str]
    only_b: list[str]
    common: bool = False
    taken: tuple[str, ...] = ()

    @property
    def differing(self) -> list[ArrayComparison]:
        """Blobs that do not agree within the limits, first made first."""
        return [blob for blob in self.blobs if not blob.passes]

    @property
    def equal(self) -> bool:
        """Whether all agree; a name on one side only counts as a difference unless only `common` ones were asked."""
        return not self.differing and (self.common or not (self.only_a or self.only_b))


def compare_dumps(
    a: Dump,
    b: Dump,
    order: NetworkOrder,
    limits: Limits,
    common: bool = False,
    taken: tuple[str, ...] = (),
) -> Comparison:
    """Every blob that both dumps have, one at a time. InputError if they have none in common.

    common, taken: see `Comparison`.
    """
    shared = [name for name in a.names if name in set(b.names)]
    if not shared:
        raise InputError(
            f"{a.where} and {b.where}: expected names in common, found {_some(a.names)} and {_some(b.names)}"
        )
    blobs = [compare_arrays(a.read(name), b.read(name), limits, name) for name in order.sorted(shared)]
    blobs.sort(key=lambda blob: order.moment(blob.name, blob.first))
    only_a = order.sorted([name for name in a.names if name not in set(b.names)])
    only_b = order.sorted([name for name in b.names if name not in set(a.names)])
    return Comparison(a.where, b.where, limits, blobs, only_a, only_b, common, taken)


def by_stage(blobs: Sequence[ArrayComparison]) -> dict[str, list[ArrayComparison]]:
    """The blobs by the stage that their name tells, `stage 1`, …, each in their order; in front those that name none,
    inputs, image features and labels. Of dumps without stages one group."""
    groups: dict[str, list[ArrayComparison]] = {}
    for blob in blobs:
        stage = _STAGE.search(blob.name)
        groups.setdefault(f"stage {stage[1]}" if stage else _NO_STAGE, []).append(blob)
    return dict(sorted(groups.items(), key=lambda group: (group[0] != _NO_STAGE, len(group[0]), group[0])))


_STAGE = re.compile(r"_stage(\d+)(?=\W|_|$)")  # wherever: Caffe's split blobs are called after theirs
_NO_STAGE = "of no stage"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "") if names else "none"
