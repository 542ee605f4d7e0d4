"""From measured differences to where they start, and why: arrays that differ though all they were made from agree."""

from dataclasses import dataclass

import numpy as np

from cpm_repro.array_comparison import ArrayComparison
from prototxt_import.formats import schema
from prototxt_import.net import Net

from .array_causes import OTHER_VALUES, ROUNDING, Cause, by_size, recognised
from .blobs import Comparison
from .dump_files import Dump
from .layer_causes import other_weights, pooling_rounding
from .order import NetworkOrder, Phase
from .trace_causes import parting, trace_causes

_LEAST = 1e-6  # relative error that rounding may have
_JUMP = 100  # times the error of all blobs before
_MOST = 6  # places of origin that are explained
_CANDIDATES = 40  # names that are tried for a blob that is missing


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
        return (self._differing_origins(differing) if differing else []) + self._missing_origins()

    def _differing_origins(self, differing: list[ArrayComparison]) -> list[Origin]:
        first = differing[0]
        moment = self._moment(first)
        rest = [blob for blob in differing[1:] if self._moment(blob) == moment and self._starts(blob)]
        blobs = [first, *rest[: _MOST - 1], *self._jump(differing), *self._later_parting(first)]
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
        sides = (("A", self.comparison.only_b), ("B", self.comparison.only_a))
        named = [(name, side) for side, names in sides for name in names[:_MOST]]
        return [Origin(n, self.order.describe_makers(n), [self._missing_cause(n, side)]) for n, side in named]

    def _missing_cause(self, name: str, side: str) -> Cause:
        candidates = self.comparison.only_a if side == "A" else self.comparison.only_b
        lacking, having = (self.a, self.b) if side == "A" else (self.b, self.a)
        array = having.read(name)
        for other in candidates[:_CANDIDATES]:
            if np.array_equal(array, lacking.read(other)):
                return Cause(f"{side} lacks it under this name", f"{other} in {side} holds the same values")
        moment = self.order.moment(name)
        later = [blob for blob in self.comparison.blobs if self.order.moment(blob.name) > moment]
        if later and all(blob.passes for blob in later):
            return Cause(
                f"{side} lacks it: made, but not written down", f"all {len(later)} blobs that are made later agree"
            )
        return Cause(
            f"{side} lacks it: its net has no such blob, or its dump ends early", f"{array.dtype} {array.shape}"
        )

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
        pooled = self._pooling_cause(blob.name, a, b) if phase == Phase.FORWARD else None
        if found := [pooled] if pooled else recognised(a, b):
            return found
        if phase == Phase.PARAMETERS and self.order.key(blob.name).updates:
            return [self._between_records(blob.name, cause) for cause in by_size(a, b)]
        trials = self._weights_causes(blob.name, a, b) if phase == Phase.FORWARD else []
        return trials or [self._with_inputs(blob.name, cause) for cause in by_size(a, b)]

    def _between_records(self, name: str, cause: Cause) -> Cause:
        """Parameters that differ after some updates, and agreed where they were recorded before."""
        updates, _, subject = self.order.key(name)
        before = [self.order.key(other) for other, passes in self._passes.items() if passes]
        last = max((key.updates for key in before if key.subject == subject and key.updates < updates), default=None)
        if last is None:
            return cause
        evidence = f"{subject} agrees after {last} updates and not after {updates}; {cause.evidence}"
        return Cause(f"another update (data, rate, momentum, decay) between iterations {last} and {updates}", evidence)

    def _pooling_cause(self, name: str, a: np.ndarray, b: np.ndarray) -> Cause | None:
        makers = self.order.makers(name)
        specs = [self.order.layers[layer] for layer in makers]
        if specs and specs[0].type != "Pooling":
            return None
        names = self._inputs(name)[0] if specs else self._earlier(name)
        bottom = next((other for other in names if self._may_be_pooled(other, a.shape)), None)
        return pooling_rounding(self.a.read(bottom), a, b, specs[0] if specs else None) if bottom else None

    def _may_be_pooled(self, bottom: str, shape: tuple[int, ...]) -> bool:
        """Whether a map of that shape can come from pooling the bottom."""
        whole = self._shapes[bottom]
        larger = all(n > pooled for n, pooled in zip(whole[2:], shape[2:], strict=False))
        return len(whole) == len(shape) == 4 and whole[:2] == shape[:2] and larger

    def _earlier(self, name: str) -> list[str]:
        """The arrays before this one that agree, the nearest first: without a prototxt any could be its bottom."""
        names = [blob.name for blob in self.comparison.blobs]
        return [other for other in reversed(names[: names.index(name)]) if self._near[other]]

    def _weights_causes(self, name: str, a: np.ndarray, b: np.ndarray) -> list[Cause]:
        if self.net is None:
            return []
        inputs, layers = self._inputs(name)
        makers = self.order.makers(name)
        recorded = set(layers) - set(makers) <= self._splits()
        if not recorded or not makers or not all(self._near[bottom] for bottom in inputs):
            return []
        return other_weights(self.net, makers, [self.a.read(bottom) for bottom in inputs], a, b)

    def _splits(self) -> set[str]:
        return {layer.name for layer in self.order.layers.values() if layer.type == "Split"}

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
