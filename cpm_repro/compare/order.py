"""When a run makes each array of a dump or trace, and which layers do: so that "the first that differs" has a meaning.

With a prototxt this is the net's own order; without one, that of the dump. A trace counts time in updates: `iter<K>/…`
are the parameters after K updates, row K of `loss` is what the next forward pass makes of them, `blob1/…`,
`blobdiff1/…` and `update1/…` belong to the first iteration. Backward runs from the last blob to the first.
"""

import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

from prototxt_import.formats import schema
from prototxt_import.graph import names_apart

_TRACE_KEY = re.compile(r"(iter|blob|blobdiff|update)(\d+)/(.+)", re.DOTALL)
_PARAMETER = re.compile(r"(.+)/(\d+)", re.DOTALL)


class Phase(IntEnum):
    """What an iteration does, in its order."""

    PARAMETERS = 0
    FORWARD = 1
    LOSS = 2
    BACKWARD = 3
    UPDATE = 4


_PHASES = {
    "iter": Phase.PARAMETERS,
    "blob": Phase.FORWARD,
    "blobdiff": Phase.BACKWARD,
    "update": Phase.UPDATE,
}


class Key(NamedTuple):
    """What a name in a dump means: made after `updates` updates, in `phase`; `subject` is a blob or `<layer>/<i>`."""

    updates: int
    phase: Phase
    subject: str


def _merged(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """The names of both, those that only `b` has after the one that they follow there."""
    names, known, place = list(a), set(a), 0
    for name in b:
        if name in known:
            place = names.index(name) + 1
        else:
            names.insert(place, name)
            place += 1
    return names


class NetworkOrder:
    """The order of the names of two dumps, with the layers of `net` (its Splits inserted) if there is one."""

    def __init__(self, a: Sequence[str], b: Sequence[str], net: schema.NetParameter | None = None) -> None:
        names = _merged(a, b)
        self.is_trace = any(_TRACE_KEY.fullmatch(name) for name in names)
        self.layers = dict(zip(names_apart(net), net.layer, strict=True)) if net else {}
        self._places: dict[str, int] = {}
        for name, layer in self.layers.items():
            for subject in (*layer.top, name):
                self._places.setdefault(subject, len(self._places))
        for name in names:
            self._places.setdefault(self._of_layer(self.key(name).subject), len(self._places))

    def key(self, name: str) -> Key:
        """The meaning of a name."""
        if match := _TRACE_KEY.fullmatch(name):
            phase = _PHASES[match[1]]
            return Key(int(match[2]) - (phase != Phase.PARAMETERS), phase, match[3])
        if self.is_trace and name == "loss":
            return Key(0, Phase.LOSS, name)
        if name.endswith(".diff"):
            return Key(0, Phase.BACKWARD, name.removesuffix(".diff"))
        return Key(0, Phase.PARAMETERS if self.parameter(name) else Phase.FORWARD, name)

    def parameter(self, subject: str) -> tuple[str, int] | None:
        """(layer, i) if the subject is a learnable blob's name."""
        match = _PARAMETER.fullmatch(subject)
        if match is None or subject in self._places or (self.layers and match[1] not in self.layers):
            return None
        return match[1], int(match[2])

    def _of_layer(self, subject: str) -> str:
        parameter = self.parameter(subject)
        return parameter[0] if parameter else subject

    def moment(self, name: str, first: tuple[int, ...] | None = None) -> tuple[int, int, int, int]:
        """Sorts names by when they are made; of the losses, row `first` counts (the first that differs)."""
        updates, phase, subject = self.key(name)
        if phase == Phase.LOSS and first:
            updates = first[0]
        parameter = self.parameter(subject)
        place = self._places.get(parameter[0] if parameter else subject, len(self._places))
        index = parameter[1] if parameter else 0
        return updates, phase, -place if phase == Phase.BACKWARD else place, index

    def sorted(self, names: Iterable[str]) -> list[str]:
        """The names in the order in which a run makes them."""
        return sorted(names, key=self.moment)

    def makers(self, name: str) -> list[str]:
        """The layers whose work the array is, in order; several where some work in place.

        A gradient is made by the layers that take its blob. Empty if no prototxt tells.
        """
        _, phase, subject = self.key(name)
        parameter = self.parameter(subject)
        if parameter is not None:
            return [parameter[0]]
        if phase == Phase.BACKWARD:
            return [name for name, layer in self.layers.items() if subject in layer.bottom]
        if phase == Phase.LOSS:
            return [name for name, layer in self.layers.items() if any(layer.loss_weight) or "Loss" in layer.type]
        return [name for name, layer in self.layers.items() if subject in layer.top]

    def inputs(self, name: str, present: set[str]) -> tuple[list[str], list[str]]:
        """The names in `present` that a forward blob was made from, and the layers in between, last first.

        A bottom that was not recorded is looked through, to what it was made from.
        """
        subject = self.key(name).subject
        prefix = name.removesuffix(subject)
        found: list[str] = []
        layers = list(reversed(self.makers(name)))
        waiting = [bottom for layer in layers for bottom in self.layers[layer].bottom if bottom != subject]
        while waiting:
            bottom = waiting.pop(0)
            if prefix + bottom in present:
                found.append(prefix + bottom)
                continue
            makers = [layer for layer in reversed(self.makers(prefix + bottom)) if layer not in layers]
            layers += makers
            waiting += [other for layer in makers for other in self.layers[layer].bottom if other != bottom]
        return list(dict.fromkeys(found)), layers

    def recorded_bottoms(self, name: str, present: set[str]) -> dict[str, str] | None:
        """The name in `present` of each bottom of the layer that makes a forward blob, looked for through Splits;
        None if one is not recorded."""
        subject = self.key(name).subject
        prefix = name.removesuffix(subject)
        found = {}
        for bottom in self.layers[self.makers(name)[0]].bottom:
            source = bottom
            while prefix + source not in present:
                maker = next((self.layers[layer] for layer in self.makers(prefix + source)), None)
                if maker is None or maker.type != "Split":
                    return None
                source = maker.bottom[0]
            found[bottom] = prefix + source
        return found

    def unsplit(self, name: str) -> str:
        """The blob that a Split's top is a copy of; the name itself, if it is none."""
        maker = next((self.layers[layer] for layer in self.makers(name) if self.layers), None)
        if maker is None or maker.type != "Split":
            return name
        return self.unsplit(name.removesuffix(self.key(name).subject) + maker.bottom[0])

    def users(self, name: str) -> list[str]:
        """The forward blobs that are made directly from this one, Splits looked through."""
        subject = self.key(name).subject
        prefix = name.removesuffix(subject)
        tops = [(layer, top) for layer in self.layers.values() if subject in layer.bottom for top in layer.top]
        direct = [prefix + top for layer, top in tops if layer.type != "Split" and top != subject]
        through = [user for layer, top in tops if layer.type == "Split" for user in self.users(prefix + top)]
        return list(dict.fromkeys(direct + through))

    def describe_makers(self, name: str) -> str:
        """The makers as a reader wants them: `conv1 (Convolution) and relu1 (ReLU)`."""
        phase = self.key(name).phase
        makers = self.makers(name)
        if not makers:
            return ""
        if not self.layers:
            return f"layer {makers[0]}"
        text = " and ".join(f"{layer} ({self.layers[layer].type})" for layer in makers)
        return f"the backward pass of {text}" if phase == Phase.BACKWARD else text
