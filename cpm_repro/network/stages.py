"""Which blobs and layers are a stage's, by their names: the release's nets say `_stage2`, `_stage3`, … behind them."""

import re
from collections.abc import Sequence

from prototxt_import.files import InputError
from prototxt_import.net import Net

_STAGE = re.compile(r"_stage(\d+)$")


def has_stages(names: Sequence[str]) -> bool:
    """Whether any of these layers or blobs names its stage."""
    return any(_STAGE.search(name) for name in names)


def stage_of(name: str) -> int:
    """The stage of a layer or blob of a pose machine. What names none belongs to the first, or is shared by all."""
    match = _STAGE.search(name)
    return int(match[1]) if match else 1


def stage_blobs(net: Net) -> list[str]:
    """The name of the belief maps of every stage, first stage first; InputError if the stages are not 1, 2, ….

    They are the last blob of each stage before the next begins. From the second on, a stage's blobs have names
    that end in `_stage<t>`; the first stage is what comes before, however it is named (`conv7_stage1` in CPM,
    `conv5_2_CPM` in CPM-VGG, whose `pool3_stage1` is no belief map).
    """
    names = [name for name in net.blob_names if "loss" not in name and "_split_" not in name]
    stages = [stage_of(name) for name in names]
    later = next((index for index, stage in enumerate(stages) if stage > 1), len(names))
    if later == 0:
        raise InputError("the network: expected the belief maps of a first stage, found no blob for them")
    last = {1: names[later - 1]}
    last.update((stage, name) for stage, name in zip(stages, names, strict=True) if stage > 1)
    if sorted(last) != list(range(1, len(last) + 1)):
        raise InputError(f"the network: expected stages 1, 2, ..., found blobs of stages {sorted(last)}")
    return [last[stage] for stage in sorted(last)]
