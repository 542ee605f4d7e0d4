"""What Caffe's Net::Init does to a NetParameter before it makes layers: the phase's layers are kept, Split layers
are put in where a blob feeds several layers, and the order of the layers is checked.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from .files import InputError
from .formats import schema

Place = tuple[int, int]
"""Of a bottom or a top: index of its layer, and position there."""


class State(NamedTuple):
    """What the rules of layers are asked about (Caffe: NetState); its stages are a dict's keys."""

    phase: int
    level: int
    stages: Mapping[str, None]


def filter_net(net: "schema.NetParameter", phase: str) -> "schema.NetParameter":
    """A copy with only the layers whose include/exclude rules admit `phase` ("TRAIN" or "TEST") (Net::FilterNet)."""
    state = state_of(net, phase)
    kept = schema.NetParameter()
    kept.CopyFrom(net)
    del kept.layer[:]
    for layer in net.layer:
        if layer.include and layer.exclude:
            raise InputError(f"layer '{layer.name}': expected `include` or `exclude` rules, found both")
        if _admits(layer, state):
            kept.layer.add().CopyFrom(layer)
    return kept


def left_out(net: "schema.NetParameter", phase: str, blob: str) -> str | None:
    """For `check_order`: which layers would make a blob, and the rules for which `filter_net` left them out; None if
    there are none."""
    state, makers, is_source = state_of(net, phase), [], False
    for layer in net.layer:
        if blob not in layer.top or _admits(layer, state):
            continue
        only = " or ".join(_in_words(rule) for rule in layer.include)
        excluding = next((_in_words(rule) for rule in layer.exclude if _meets(state, rule)), "")
        rule = f"only {only}" if only else f"but not {excluding}"
        makers.append(f"layer '{layer.name}' makes it {rule}")
        is_source = is_source or not layer.bottom
    stages = " and ".join(f"'{stage}'" for stage in state.stages if stage) or "no stage"
    here = f"this is phase {phase}, level {state.level}, {stages}"
    return f"found that {', '.join(makers)}; {here}{_as_input(blob) * is_source}" if makers else None


def _as_input(blob: str) -> str:
    return f" (--input-shape {blob}=N,C,H,W makes an input of it)"


def state_of(net: "schema.NetParameter", phase: str) -> State:
    """What the rules of the net's layers are asked about in that phase."""
    return State(getattr(schema, phase), net.state.level, dict.fromkeys(net.state.stage))


def _admits(layer: "schema.LayerParameter", state: State) -> bool:
    admitted = not layer.include or any(_meets(state, rule) for rule in layer.include)
    return admitted and not any(_meets(state, rule) for rule in layer.exclude)


def _in_words(rule: "schema.NetStateRule") -> str:
    """When a rule is met."""
    words = [f"in phase {('TRAIN', 'TEST')[rule.phase]}"] if rule.HasField("phase") else []
    words += [f"at level {rule.min_level} or more"] if rule.HasField("min_level") else []
    words += [f"at level {rule.max_level} or less"] if rule.HasField("max_level") else []
    words += [f"with stage '{stage}'" for stage in rule.stage]
    words += [f"without stage '{stage}' (not_stage)" for stage in rule.not_stage]
    return " and ".join(words) or "always"


def _meets(state: State, rule: "schema.NetStateRule") -> bool:
    return unmet(state, rule) is None


def unmet(state: State, rule: "schema.NetStateRule") -> tuple[str, str] | None:
    """Why a rule does not admit a state: which of its fields, and what Caffe's log says of it; None if it does
    (Net::StateMeetsRule)."""
    if rule.HasField("phase") and rule.phase != state.phase:
        return "phase", f"phase ({state.phase}) differed from the phase ({rule.phase}) specified"
    if rule.HasField("min_level") and state.level < rule.min_level:
        return "min_level", f"level ({state.level}) is above the min_level ({rule.min_level}) specified"
    if rule.HasField("max_level") and state.level > rule.max_level:
        return "max_level", f"level ({state.level}) is above the max_level ({rule.max_level}) specified"
    for stage in rule.stage:
        if stage not in state.stages:
            return "stage", f"did not contain stage '{stage}' specified"
    for stage in rule.not_stage:
        if stage in state.stages:
            return "not_stage", f"contained a not_stage '{stage}' specified"
    return None


def check_order(net: "schema.NetParameter", reason: Callable[[str], str | None] | None = None) -> None:
    """InputError, naming the layer, unless every bottom has an earlier maker and every top is new or in place of a
    blob that no other layer takes (Net::AppendTop; a Split would stand between).

    reason: of a blob, why no layer makes it (see `left_out`)."""
    available: set[str] = set()
    takers: dict[str, str] = {}
    for index, layer in enumerate(net.layer):
        bottoms = set(layer.bottom)
        for bottom in layer.bottom:
            if bottom not in available:
                raise InputError(_missing_bottom(net, index, bottom, reason))
        for top in layer.top:
            if top in available and top not in bottoms:
                raise InputError(f"layer '{layer.name}': expected a new top, found '{top}', which another layer makes")
            if top in available and top in takers:
                found = f"found '{top}', which layer '{takers[top]}' takes, too"
                raise InputError(f"layer '{layer.name}': expected a blob of its own to work in place on, {found}")
            available.add(top)
        takers.update(dict.fromkeys(bottoms, layer.name))
        for top in layer.top:
            takers.pop(top, None)


def _missing_bottom(
    net: "schema.NetParameter", index: int, bottom: str, reason: Callable[[str], str | None] | None
) -> str:
    layer = net.layer[index]
    start = f"layer '{layer.name}' ({layer.type}): bottom '{bottom}'"
    maker = next((later for later in range(index, len(net.layer)) if bottom in net.layer[later].top), None)
    if maker is None:
        found = (reason and reason(bottom)) or f"found none of that name{_as_input(bottom)}"
        return f"{start}: expected a blob that an earlier layer makes, {found}"
    name = net.layer[maker].name
    if _depends(net, maker, index):
        return f"{start}: expected an order without cycles, found that '{name}' needs this layer to make it"
    return f"{start}: expected an earlier layer to make it, found that the later layer '{name}' does"


def _depends(net: "schema.NetParameter", layer: int, on: int) -> bool:
    """Whether the layer at one place needs, directly or through others, a top of the one at another."""
    makers = {top: place for place, maker in enumerate(net.layer) for top in maker.top}
    seen: set[int] = set()
    waiting = [layer]
    while waiting:
        place = waiting.pop()
        if place == on:
            return True
        if place not in seen:
            seen.add(place)
            waiting += [makers[bottom] for bottom in net.layer[place].bottom if bottom in makers]
    return False


def names_apart(net: "schema.NetParameter") -> list[str]:
    """A name for each layer that no other has. Caffe lets layers have equal names and empty ones: the first keeps its
    own, later ones get a number behind it, and one without a name is called by its type."""
    return apart([layer.name or layer.type for layer in net.layer])


def apart(names: Sequence[str]) -> list[str]:
    """The names, with `_2`, `_3`, … behind those that stood before."""
    taken, seen, different = set(names), set[str](), []
    next_number: dict[str, int] = {}
    for name in names:
        new, number = name, next_number.get(name, 2)
        while new in seen or (new != name and new in taken):
            new, number = f"{name}_{number}", number + 1
        next_number[name] = number
        seen.add(new)
        different.append(new)
    return different


def insert_splits(net: "schema.NetParameter") -> "schema.NetParameter":
    """A copy in which a blob that feeds several layers goes through a Split layer with a top for each of them
    (insert_splits.cpp), because backward adds the gradients in that order. In-place layers count as new blobs."""
    maker_of, uses = _count_uses(net)
    split = schema.NetParameter()
    split.CopyFrom(net)
    del split.layer[:]
    used: Counter[Place] = Counter()
    for index, layer in enumerate(net.layer):
        new = split.layer.add()
        new.CopyFrom(layer)
        for position, bottom in enumerate(layer.bottom):
            made = maker_of[(index, position)]
            if uses[made] > 1:
                new.bottom[position] = f"{bottom}_{net.layer[made[0]].name}_{made[1]}_split_{used[made]}"
                used[made] += 1
        for position in range(len(layer.top)):
            if uses[(index, position)] > 1:
                _add_split(split, layer, position, uses[(index, position)])
    return split


def _count_uses(net: "schema.NetParameter") -> tuple[dict[Place, Place], Counter[Place]]:
    """(layer, bottom position) -> (maker, top position), and how many bottoms each maker's top feeds."""
    latest: dict[str, Place] = {}
    maker_of: dict[Place, Place] = {}
    uses: Counter[Place] = Counter()
    for index, layer in enumerate(net.layer):
        for position, bottom in enumerate(layer.bottom):
            maker_of[(index, position)] = latest[bottom]
            uses[latest[bottom]] += 1
        latest.update({top: (index, position) for position, top in enumerate(layer.top)})
    return maker_of, uses


def _add_split(net: "schema.NetParameter", maker: "schema.LayerParameter", position: int, count: int) -> None:
    blob = maker.top[position]
    name = f"{blob}_{maker.name}_{position}_split"
    tops = [f"{name}_{k}" for k in range(count)]
    net.layer.add(name=name, type="Split", bottom=[blob], top=tops)
