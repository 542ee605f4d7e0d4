"""Which machine made a dump: the profile of the exact engine that makes each recorded blob of its recorded bottoms.

The blobs are gone through in the order of the net, and a profile that fails one where another does not is out: the
first few products decide. The winner is then held against the whole dump (`--engine exact:auto`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cpm_kernels.exact.profiles import FAMILIES, Profile
from cpm_repro.array_comparison import compare_arrays
from prototxt_import.net import Net

from .dump_files import Dump
from .layers.machines import MORE_THREADS, PROFILES, described, of_same_threads, tops
from .layers.runs import LayerRun
from .order import NetworkOrder, Phase


@dataclass
class Trial:
    """How a profile fared: blobs that it made to the bit of those that it was tried on, and the first that it did
    not."""

    profile: Profile
    tried: int = 0
    equal: int = 0
    first: str = ""
    max_ulp: int = 0

    def take(self, name: str, top: np.ndarray, recorded: np.ndarray) -> bool:
        """Counts one blob; whether it is equal."""
        self.tried += 1
        if top.shape == recorded.shape and top.tobytes() == np.ascontiguousarray(recorded).tobytes():
            self.equal += 1
            return True
        if not self.first:
            compared = compare_arrays(recorded, top)
            self.first, self.max_ulp = name, compared.max_ulp if compared.measured else 0
        return False


@dataclass
class Machine:
    """The machine that fits a dump best, the others that fit as well, how all that were tried fared, and the first blob
    that none of them made."""

    profile: Profile
    fits: bool
    alike: list[Profile] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    unmade: str = ""
    unit: str = "blobs"  # what was counted

    def lines(self) -> Iterator[str]:
        """A row for each profile that was tried; of those with many threads the ones that made some blob."""
        shown = [trial for trial in self.trials if trial.profile in PROFILES or trial.equal]
        width = max(len(str(trial.profile)) for trial in shown)
        for trial in shown:
            row = f"  exact:{trial.profile!s:{width}}  {trial.equal} of {trial.tried} {self.unit} equal"
            yield row + (f"; first {trial.first}, {trial.max_ulp:,} ULP" if trial.first else "")

    def verdict(self, equal: bool, count: int) -> str:
        """Who made the dump; `equal`: whether the whole net, run as this machine, is the dump's to the bit."""
        if equal:
            best = of_same_threads(self.profile, *self.alike)
            if {profile.family for profile in (self.profile, *self.alike)} == set(FAMILIES):
                return f"equal, {count} of {count} {self.unit}, by every machine that is known: they do not tell which"
            families = {profile.family for profile in best}
            same = ", ".join(str(other.threads) for other in self.alike if other.family == self.profile.family)
            others = ", ".join(described(other) for other in self.alike if other.family not in families)
            text = f"equal, all {count} {self.unit}: {described(*best)}"
            return text + (f" (or {same})" if same else "") + (f"; as well {others}" if others else "")
        return f"no machine that is known made this; the closest: {described(self.profile)}"


def find_machine(a: Dump, net: Net, order: NetworkOrder) -> Machine:
    """The profile of most equal blobs; `net` is one of the exact engine's and has the weights."""
    search = _Search(a, net, order)
    found = search.knock_out(PROFILES)
    if found.fits and found.profile.threads == 1:
        return found
    families = dict.fromkeys(profile.family for profile in (found.profile, *found.alike)) if found.fits else FAMILIES
    more = [Profile(family, threads) for family in families for threads in MORE_THREADS]
    if found.fits:
        again = search.knock_out([found.profile, *found.alike, *more])
    else:
        able = search.able(found.unmade, more)
        if not able:
            return found
        again = search.knock_out(able)
    again.trials = found.trials + [trial for trial in again.trials if trial.profile not in PROFILES]
    return again


class _Search:
    """A dump's blobs, made again by candidates."""

    def __init__(self, a: Dump, net: Net, order: NetworkOrder) -> None:
        self.a, self.net, self.order = a, net, order
        self.names = set(a.names)
        self.blobs = [name for name in order.sorted(a.names) if order.key(name).phase == Phase.FORWARD]

    def knock_out(self, profiles: Sequence[Profile]) -> Machine:
        """The best of these: one that fails a blob that another makes is out."""
        trials = {profile: Trial(profile) for profile in profiles}
        left, unmade = list(profiles), ""
        for name in self.blobs:
            made, recorded = self._made(name, left), self.a.read(name)
            equal = [profile for profile, top in made.items() if trials[profile].take(name, top, recorded)]
            if made and not equal:
                unmade = unmade or name
            left = equal or left
        best = max(left, key=lambda profile: (trials[profile].equal, -trials[profile].max_ulp))
        fits = not unmade and trials[best].equal == trials[best].tried > 0
        alike = [profile for profile in left if profile is not best] if fits else []
        return Machine(best, fits, alike, list(trials.values()), unmade)

    def able(self, name: str, profiles: Sequence[Profile]) -> list[Profile]:
        """Those that make this blob to the bit."""
        recorded = self.a.read(name)
        return [profile for profile, top in self._made(name, profiles).items() if top.tobytes() == recorded.tobytes()]

    def _made(self, name: str, profiles: Sequence[Profile]) -> dict[Profile, np.ndarray]:
        makers = self.order.makers(name)
        bottoms = self.order.recorded_bottoms(name, self.names) if makers else None
        if not bottoms:
            return {}
        run = LayerRun([self.order.layers[layer] for layer in makers], self.net, self.order.key(name).subject)
        return tops(run, {bottom: self.a.read(recorded) for bottom, recorded in bottoms.items()}, profiles)
