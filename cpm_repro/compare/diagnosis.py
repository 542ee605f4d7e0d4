"""From measured differences to where they start, and why: arrays that differ though all they were made from agree."""

from collections.abc import Iterator
from statistics import median

import numpy as np

from cpm_repro.array_comparison import ArrayComparison
from cpm_repro.compare.causes.arrangements import BLOB_AXES, WEIGHT_AXES
from cpm_repro.compare.causes.arrays import by_size, damaged, recognised, same_values
from cpm_repro.compare.causes.cause import EXPLAINED, OTHER_VALUES, ROUNDING, Cause, distance
from cpm_repro.compare.causes.places import localised
from cpm_repro.compare.causes.traces import parting, trace_causes, weight_decay
from cpm_repro.compare.layers.explanation import explain, layer_causes, of_other_weights, pooling_causes, unexplained
from cpm_repro.compare.layers.inputs import Others, channel_orders, parts_orders
from cpm_repro.compare.layers.machines import machine_causes
from cpm_repro.compare.layers.runs import Bottoms, LayerRun
from prototxt_import.formats import schema
from prototxt_import.net import Net

from .blobs import Comparison
from .dump_files import Dump
from .missing import label, missing_arrays
from .order import NetworkOrder, Phase
from .origins import MOST, Origin, joined

_LEAST = 1e-6  # relative error that rounding may have
_JUMP = 100  # times the error of all blobs before
_UNRELATED = 0.1  # relative error, from which an array may be quite another one
_CANDIDATES = 16  # blobs that are tried as a bottom


class Diagnosis:
    """Looks for the origins of a comparison's differences.

    net: if its weights are at hand, layers are run again with it. solver: of a trace, to know where the rate changes.
    """

    def __init__(
        self,
        comparison: Comparison,
        a: Dump,
        b: Dump,
        order: NetworkOrder,
        net: Net | None = None,
        solver: schema.SolverParameter | None = None,
    ) -> None:
        self.comparison, self.a, self.b, self.order = comparison, a, b, order
        self.net, self.solver = net, solver
        self._near = {b.name: b.passes or b.error < ROUNDING for b in comparison.blobs}
        self._shapes = {blob.name: blob.shapes[0] for blob in comparison.blobs}
        self._passes = {blob.name: blob.passes for blob in comparison.blobs}

    def origins(self) -> list[Origin]:
        """The first array that differs, others of that moment that no earlier difference accounts for, and then the
        first arrays that are on one side only."""
        differing = self.comparison.differing
        found = self._differing_origins(differing) if differing else []
        return [*joined(found + self._further_faults(found), self.order), *self._missing_origins()]

    def _differing_origins(self, differing: list[ArrayComparison]) -> list[Origin]:
        first = differing[0]
        moment = self._moment(first)
        rest = [blob for blob in differing[1:] if self._moment(blob) == moment and self._starts(blob)]
        blobs = [first, *rest[: MOST - 1], *self._jump(differing), *self._later_parting(first)]
        return [self._origin(blob) for blob in {blob.name: blob for blob in blobs}.values()]

    def _origin(self, blob: ArrayComparison) -> Origin:
        iteration = None
        if self._is_loss(blob):
            row = parting(self.a.read(blob.name), self.b.read(blob.name))
            iteration = blob.first[0] if row is None and blob.first else row
        return Origin(blob.name, self.order.describe_makers(blob.name), self._causes(blob), blob, iteration)

    def _missing_origins(self) -> list[Origin]:
        if self.comparison.common:
            return []
        found = missing_arrays(self.comparison, self.a, self.b, self.order)
        return [Origin(label(names), self._makers_of(names), [cause]) for names, cause in found][: 2 * MOST]

    def _makers_of(self, names: list[str]) -> str:
        makers = [self.order.describe_makers(name) for name in names]
        return " … ".join(dict.fromkeys(filter(None, (makers[0], makers[-1]))))

    def _further_faults(self, found: list[Origin]) -> list[Origin]:
        """Blobs that a side did not make of its own bottoms, though those differ already: a fault of its own."""
        known = {origin.name for origin in found}
        blobs = [blob for blob in self.comparison.differing if blob.name not in known and not self._is_copy(blob.name)]
        runs = [run for blob in blobs for run in self._own_runs(blob)]
        usual = {side: median([off for _, of, _, off in runs if of == side] or [0]) for side in "AB"}
        worse = [(blob, side, run) for blob, side, run, off in runs if off > max(EXPLAINED, _JUMP * usual[side])]
        return [self._further_fault(*one) for one in worse[: MOST - 1]]

    def _own_runs(self, blob: ArrayComparison) -> list[tuple[ArrayComparison, str, LayerRun, float]]:
        """For each side: how far its blob is off what the layer makes of that side's bottoms, if it can run."""
        run, bottoms = self._run(blob.name)
        if run is None or not blob.measured:
            return []
        sides = {"A": self.a, "B": self.b}
        made = ((side, dump, run.top(self._read(bottoms, dump))) for side, dump in sides.items())
        return [(blob, side, run, distance(dump.read(blob.name), top)) for side, dump, top in made if top is not None]

    def _further_fault(self, blob: ArrayComparison, side: str, run: LayerRun) -> Origin:
        dump = self.a if side == "A" else self.b
        bottoms = self._read(self._run(blob.name)[1], dump)
        wrong, own = dump.read(blob.name), run.top(bottoms)
        assert own is not None  # `_own_runs` made it
        sides = (wrong, own) if side == "A" else (own, wrong)
        others, known = self._others(blob.name, dump), lambda: same_values(*sides)
        causes = damaged(*sides) or explain(run, bottoms, side, wrong, own, others, known) or recognised(*sides)
        causes = causes or [of_other_weights(run, side), *localised(*sides)]
        of_its_own = f"held against what {run.first.name} makes of {side}'s own inputs"
        causes = [Cause(cause.what, f"{of_its_own}: {cause.evidence}") for cause in causes]
        return Origin(blob.name, self.order.describe_makers(blob.name), causes, blob)

    def _jump(self, differing: list[ArrayComparison]) -> list[ArrayComparison]:
        """The first blob that is off by far more than the rounding that all before it show."""
        reached = max(differing[0].error, _LEAST)
        for blob in differing[1:] if reached < ROUNDING else []:
            if self.order.key(blob.name).phase == Phase.FORWARD:
                if blob.error > _JUMP * reached:
                    return [blob]
                reached = max(reached, blob.error)
        return []

    def _later_parting(self, first: ArrayComparison) -> list[ArrayComparison]:
        """The losses of a trace, if after small differences they part at a later iteration."""
        losses = [blob for blob in self.comparison.differing if self._is_loss(blob) and blob is not first]
        return [blob for blob in losses if parting(self.a.read(blob.name), self.b.read(blob.name))]

    def _is_loss(self, blob: ArrayComparison) -> bool:
        return self.order.key(blob.name).phase == Phase.LOSS and all(len(shape) > 0 for shape in blob.shapes)

    def _moment(self, blob: ArrayComparison) -> tuple[int, int]:
        return self.order.moment(blob.name, blob.first)[:2]

    def _starts(self, blob: ArrayComparison) -> bool:
        phase = self.order.key(blob.name).phase
        if phase == Phase.PARAMETERS:
            return self.order.moment(blob.name)[0] == 0  # after an update all of them differ
        if phase != Phase.FORWARD or not self.order.layers:
            return False
        inputs, _ = self._inputs(blob.name)
        return all(self._passes[name] for name in inputs)

    def _inputs(self, name: str) -> tuple[list[str], list[str]]:
        return self.order.inputs(name, set(self._passes))

    def _causes(self, blob: ArrayComparison) -> list[Cause]:
        a, b = self.a.read(blob.name), self.b.read(blob.name)
        phase = self.order.key(blob.name).phase
        if self._is_loss(blob) and (found := trace_causes(a, b, self.solver)):
            return found
        of_layer = self._layer_causes(blob.name, a, b) if phase == Phase.FORWARD else []
        stale = self._stale(blob.name) if phase == Phase.FORWARD else []
        if stale:  # its layer's weights were those that what is made of it tells
            of_layer = [cause for cause in of_layer if " has other weights of layer " not in cause.what]
        found = (
            damaged(a, b)
            or self._machine_causes(blob.name, a, b)
            or of_layer
            or self._recognised(blob.name, a, b)
            or self._same_as_another(blob.name, a, b)
        )
        if stale:
            return found + stale
        if found:
            return found
        if phase == Phase.PARAMETERS and self.order.key(blob.name).updates:
            return [self._between_records(blob.name, cause) for cause in by_size(a, b)]
        run, bottoms = self._near_run(blob.name) if phase == Phase.FORWARD else (None, {})
        known = unexplained(run, self._read(bottoms, self.a), a, b) if run else []
        return known or [self._with_inputs(blob.name, cause) for cause in by_size(a, b)]

    def _recognised(self, name: str, a: np.ndarray, b: np.ndarray) -> list[Cause]:
        key = self.order.key(name)
        if key.phase == Phase.UPDATE and (decay := self._weight_decay(key.subject, a, b)):
            return [decay]
        parameter = self.order.parameter(key.subject) is not None
        is_input = key.phase == Phase.FORWARD and self._is_input(name)
        return recognised(a, b, WEIGHT_AXES if parameter else BLOB_AXES, is_input)

    def _is_input(self, name: str) -> bool:
        if not self.order.layers:
            return self.comparison.blobs[0].name == name
        return not any(self.order.layers[layer].bottom for layer in self.order.makers(name))

    def _weight_decay(self, subject: str, a: np.ndarray, b: np.ndarray) -> Cause | None:
        name = f"iter0/{subject}"
        both = name in self.a.names and name in self.b.names and self._passes[name]
        return weight_decay(a, b, self.a.read(name)) if both else None

    def _same_as_another(self, name: str, a: np.ndarray, b: np.ndarray) -> list[Cause]:
        """One side holds what another blob of the other side holds: names exchanged, or memory used twice."""
        if distance(a, b) < _UNRELATED:
            return []
        others = [other for other, shape in self._shapes.items() if shape == a.shape and other != name]
        others = [other for other in others if not self._is_copy(other)]
        for side, array, dump in (("B", b, self.a), ("A", a, self.b)):
            for other in others[:MOST]:
                if np.array_equal(array, dump.read(other)):
                    what = f"{side} holds {other} under this name: names exchanged, or memory used again"
                    return [Cause(what, f"every value is that of the other side's {other}")]
        return []

    def _is_copy(self, name: str) -> bool:
        return any(self.order.layers[layer].type == "Split" for layer in self.order.makers(name) if self.order.layers)

    def _stale(self, name: str) -> list[Cause]:
        """If what is made of the blob agrees, then the blob was right when it was used."""
        used = [user for user in self.order.users(name) if user in self._passes]
        if not self.order.layers:
            names = [blob.name for blob in self.comparison.blobs]
            used = names[names.index(name) + 1 :]
        if not used or not all(self._passes[user] for user in used):
            return []
        what = "it was right when it was used: stale, written down at another moment or overwritten since (in place?)"
        shown = ", ".join(used[:4]) + (", …" if len(used) > 4 else "")
        if self.order.layers:
            return [Cause(what, f"what is made of it agrees ({shown})")]
        return [Cause(f"nothing is made of it, or {what}", f"all later arrays agree ({shown})")]

    def _layer_causes(self, name: str, a: np.ndarray, b: np.ndarray) -> list[Cause]:
        if not self.order.layers:
            bottom = next((other for other in self._earlier(name) if self._may_be_pooled(other, a.shape)), None)
            return pooling_causes(self.a.read(bottom), a, b) if bottom else []
        run, bottoms = self._near_run(name)
        others, known = self._others(name, self.a), lambda: same_values(a, b) or self._same_as_another(name, a, b)
        return layer_causes(run, self._read(bottoms, self.a), a, b, others, known) if run else []

    def _others(self, name: str, dump: Dump) -> Others:
        """What a port may have taken for a bottom of the blob's layer."""
        layer, recorded = self._run(name)
        groups = layer.first.convolution_param.group if layer else 1

        def others(bottom: str) -> Iterator[tuple[str, np.ndarray]]:
            own = self.order.unsplit(recorded[bottom])
            own = own if own in self._shapes else recorded[bottom]
            run, before = self._run(own)
            for place, (_, made) in enumerate(run.links(self._read(before, dump)) if run else ()):
                if place and run:
                    yield f"{own} before layer {run.layers[place].name}", next(iter(made.values()))
            if run and run.first.type == "Concat":
                sizes = [self._shapes[part][1] for part in before.values()]
                yield from parts_orders(own, dump.read(own), sizes)
            yield from channel_orders(own, dump.read(own), groups)
            same = [n for n, shape in self._shapes.items() if shape == self._shapes[own] and n not in (own, name)]
            for other in [n for n in same if not self._is_copy(n)][:_CANDIDATES]:
                yield f"{other} in place of {own}", dump.read(other)

        return others

    def _machine_causes(self, name: str, a: np.ndarray, b: np.ndarray) -> list[Cause]:
        run, bottoms = self._run(name)
        if run is None or not all(self._passes[bottom] for bottom in bottoms.values()):
            return []
        return machine_causes(run, self._read(bottoms, self.a), a, b)

    def _run(self, name: str) -> tuple[LayerRun | None, dict[str, str]]:
        """The layers that make a forward blob, and the recorded names of their bottoms; none if that is not known."""
        makers = self.order.makers(name) if self.order.key(name).phase == Phase.FORWARD else []
        bottoms = self.order.recorded_bottoms(name, set(self._passes)) if makers and self.order.layers else None
        if not bottoms:
            return None, {}
        specs = [self.order.layers[layer] for layer in makers]
        return LayerRun(specs, self.net, self.order.key(name).subject), bottoms

    def _near_run(self, name: str) -> tuple[LayerRun | None, dict[str, str]]:
        """`_run` if both sides have about the same bottoms."""
        run, bottoms = self._run(name)
        return (run, bottoms) if all(self._near[bottom] for bottom in bottoms.values()) else (None, {})

    @staticmethod
    def _read(bottoms: dict[str, str], dump: Dump) -> Bottoms:
        return {bottom: dump.read(recorded) for bottom, recorded in bottoms.items()}

    def _between_records(self, name: str, cause: Cause) -> Cause:
        """Parameters that differ after some updates, and agreed where they were recorded before."""
        updates, _, subject = self.order.key(name)
        before = [self.order.key(other) for other, passes in self._passes.items() if passes]
        last = max((key.updates for key in before if key.subject == subject and key.updates < updates), default=None)
        if last is None:
            return cause
        evidence = f"{subject} agrees after {last} updates and not after {updates}; {cause.evidence}"
        return Cause(f"another update (data, rate, momentum, decay) between iterations {last} and {updates}", evidence)

    def _may_be_pooled(self, bottom: str, shape: tuple[int, ...]) -> bool:
        """Whether a map of that shape can come from pooling the bottom."""
        whole = self._shapes[bottom]
        larger = all(n > pooled for n, pooled in zip(whole[2:], shape[2:], strict=False))
        return len(whole) == len(shape) == 4 and whole[:2] == shape[:2] and larger

    def _earlier(self, name: str) -> list[str]:
        """The arrays before this one that agree, the nearest first: without a prototxt any could be its bottom."""
        names = [blob.name for blob in self.comparison.blobs]
        return [other for other in reversed(names[: names.index(name)]) if self._near[other]]

    def _with_inputs(self, name: str, cause: Cause) -> Cause:
        """Adds whether the inputs of the layer that made the array agree: then the fault is the layer's."""
        if self.order.key(name).phase != Phase.FORWARD:
            return cause
        inputs = self._inputs(name)[0] if self.order.layers else self._earlier(name)[:1]
        if not inputs or not all(self._near[bottom] for bottom in inputs):
            return cause
        those = "what it was made from" if self.order.layers else "the blob before it"
        agrees = f"{cause.evidence}; {those} ({', '.join(inputs)}) agrees"
        if cause.what != OTHER_VALUES:
            return Cause(cause.what, agrees)
        layer = self.order.makers(name)[0] if self.order.layers else f"that makes {name}"
        what = f"other weights (of another file, transposed, …) or other settings of the layer {layer}"
        return Cause(what, agrees if self.net else f"{agrees}; --prototxt and --weights would try its weights")
