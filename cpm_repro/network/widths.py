"""How many channels a CPM must have for a given number of parameters, so that architectures can be compared fairly.

The paper compares receptive fields (section 3.2.2, figure 4) between nets with the same number of parameters.
"""

from collections.abc import Sequence
from dataclasses import replace

from cpm_repro.network.specification import CPM
from prototxt_import.files import InputError

_CENTRE_MAP = 1  # channel


def count_parameters(spec: CPM) -> int:
    """Weights and biases of the CPM's convolutions, without making the net."""
    widths, kernels, maps = spec.widths, spec.kernels, spec.parts + 1
    features = _chain(3, [(size, widths.features) for size in kernels.features])
    image = features + _chain(widths.features, [(kernels.shared, widths.shared)])
    count = image + _chain(widths.shared, [*((size, widths.local) for size in kernels.local), (1, maps)])
    for stage in range(2, spec.stages + 1):
        count += image if stage == 2 else image - features
        own = [*((size, widths.stage) for size in kernels.of_stage(stage)), (1, maps)]
        count += _chain(widths.shared + maps + _CENTRE_MAP, own)
    return count


def _chain(channels: int, convolutions: Sequence[tuple[int, int]]) -> int:
    """Parameters of convolutions of (kernel size, outputs), one behind the other, the first on `channels`."""
    count = 0
    for size, outputs in convolutions:
        count += outputs * (size * size * channels + 1)
        channels = outputs
    return count


def with_parameters(spec: CPM, parameters: int, tolerance: float = 0.03) -> CPM:
    """The CPM with as many channels in its later stages (`widths.stage`) as bring it nearest to `parameters`.

    InputError if it has no later stage, or if that is not within the given share of `parameters`.
    """
    if spec.stages < 2:
        raise InputError("the network: expected a second stage, whose channels can be chosen, found one stage")

    def of_width(stage: int) -> CPM:
        return replace(spec, widths=replace(spec.widths, stage=stage))

    low, high = 1, 2
    while count_parameters(of_width(high)) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count_parameters(of_width(middle)) < parameters else (low, middle)
    best = min(of_width(low), of_width(high), key=lambda made: abs(count_parameters(made) - parameters))
    found = count_parameters(best)
    if abs(found - parameters) > tolerance * parameters:
        share = f"{100 * tolerance:g} %"
        said = f"found {found:,} at {best.widths.stage} channels in the later stages"
        raise InputError(f"the network: expected {parameters:,} parameters within {share}, {said}")
    return best
