"""Whose OpenBLAS an array was computed with: the exact engine's profiles, tried on the recorded bottoms.

An array that differs by rounding only, and that another profile makes to the bit, was computed on another machine: no
other cause leaves exactly those bits.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from cpm_kernels.exact.profiles import FAMILIES, Profile
from cpm_repro.compare.causes.cause import ROUNDING, Cause, distance
from prototxt_import.exact.operations import Exact
from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net

from .runs import Bottoms, LayerRun

PROFILES = tuple(Profile(family, threads) for threads in (1, 2) for family in FAMILIES)
"""Those that are tried first; more threads have other bits in few products only."""

MORE_THREADS = (3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Tried where two threads fit better than one."""

_CPUS = {
    "cooperlake": "Cooperlake",
    "skylakex": "SkylakeX",
    "haswell": "Haswell",
    "zen": "Zen",
    "haswell-0.3.7": "Haswell or Zen, OpenBLAS 0.3.7 or older",
    "sandybridge": "Sandybridge",
    "nehalem": "Nehalem",
}


def described(*profiles: Profile) -> str:
    """Profiles of one number of threads: `OpenBLAS on Haswell or Zen, one thread`."""
    threads = profiles[0].threads
    cpus = " or ".join(_CPUS[profile.family] for profile in profiles)
    return f"OpenBLAS on {cpus}, {'one thread' if threads == 1 else f'{threads} threads'}"


def of_same_threads(best: Profile, *others: Profile) -> list[Profile]:
    """The best one and those of the others that run as many threads."""
    return [best, *(other for other in others if other.threads == best.threads)]


@contextmanager
def computing_as(net: Net, profile: Profile) -> Iterator[None]:
    """While it lasts, the layers of a net of the exact engine compute with that profile."""
    layers = [layer for layer in net.modules() if isinstance(layer, Layer)]
    before = net.engine, [layer.ops for layer in layers]
    net.engine = engine = Exact(profile)
    for layer in layers:
        layer.ops = engine
    try:
        yield
    finally:
        net.engine = before[0]
        for layer, ops in zip(layers, before[1], strict=True):
            layer.ops = ops


def tops(run: LayerRun, bottoms: Bottoms, profiles: Iterable[Profile]) -> dict[Profile, np.ndarray]:
    """What the layers make of the bottoms with each profile; the run has a net of the exact engine."""
    made: dict[Profile, np.ndarray] = {}
    if run.net is None:
        return made
    for profile in profiles:
        with computing_as(run.net, profile):
            top = run.top(bottoms)
        if top is not None:
            made[profile] = top
    return made


def machine_causes(run: LayerRun, bottoms: Bottoms, a: np.ndarray, b: np.ndarray) -> list[Cause]:
    """Whether the sides are by rounding apart, and are what OpenBLAS makes of these bottoms on two machines."""
    if run.net is None or not isinstance(run.net.engine, Exact):
        return []
    if a.dtype != np.float32 or not distance(a, b) < ROUNDING:
        return []
    made = tops(run, bottoms, dict.fromkeys((run.net.engine.profile, *PROFILES)))
    found = {}
    for side, array in (("A", a), ("B", b)):
        found[side] = [profile for profile, top in made.items() if top.tobytes() == array.tobytes()]
    if not all(found.values()):
        return []
    machines = {side: described(*of_same_threads(*profiles)) for side, profiles in found.items()}
    return [
        Cause(
            f"another machine's BLAS: A was computed with {machines['A']}",
            f"of the same inputs {run.first.name} makes A with the bits of exact:{found['A'][0]}, and B with those of "
            f"exact:{found['B'][0]}; --engine exact:auto looks at all blobs",
        )
    ]
