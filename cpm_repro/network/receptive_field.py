"""Which pixels a unit of each blob can see: the receptive fields that the paper argues with (section 3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net


@dataclass(frozen=True)
class Field:
    """Along one axis: unit i sees the source's pixels i · stride + low … i · stride + high."""

    stride: Fraction = Fraction(1)
    low: Fraction = Fraction(0)
    high: Fraction = Fraction(0)

    @property
    def size(self) -> int:
        """How many pixels a unit sees, the image's border left out of account."""
        return int(self.high - self.low) + 1

    def through(self, kernel: int, stride: int, pad: int, dilation: int) -> "Field":
        """The field after a convolution or pooling."""
        reach = dilation * (kernel - 1)
        return Field(self.stride * stride, self.low - self.stride * pad, self.high + self.stride * (reach - pad))

    def back_through(self, kernel: int, stride: int, pad: int, dilation: int) -> "Field":
        """The field after a deconvolution: unit i takes units (i + pad − reach) / stride … (i + pad) / stride."""
        reach, step = dilation * (kernel - 1), self.stride / stride
        return Field(step, self.low + step * (pad - reach), self.high + step * pad)


Fields = tuple[Field, Field] | None
"""(height, width); None where a unit sees the whole source, or the blob is no map of it."""


def receptive_fields(net: Net, source: str) -> dict[str, Fields]:
    """For every blob that depends on the blob `source`: its units' fields on `source`, in units of `source`.

    A blob that is made in place has the field of its last state.
    """
    fields: dict[str, Fields] = {source: (Field(), Field())}
    for layer in net.layers.values():
        tops = {}
        for index, top in enumerate(layer.spec.top):
            seen = [fields[bottom] for bottom in layer.seen_by(index) if bottom in fields]
            if seen and top != source:
                tops[top] = _through(layer, _joined(seen))
        fields.update(tops)
    return fields


def _through(layer: Layer, seen: Fields) -> Fields:
    """The field of a layer's top from what the bottoms' units at its place see."""
    window = layer.receptive_window
    if seen is None or window is None:
        return None
    geometry = zip(window.kernel, window.stride, window.pad, window.dilation, strict=True)
    step = Field.back_through if layer.sees_backwards else Field.through
    rows, columns = (step(field, *axis) for field, axis in zip(seen, geometry, strict=True))
    return rows, columns


def _joined(seen: Sequence[Fields]) -> Fields:
    """What a unit sees that looks through several bottoms at once; None if their strides differ."""
    known = [fields for fields in seen if fields is not None]
    if len(known) < len(seen):
        return None
    axes = list(zip(*known, strict=True))
    if any(len({field.stride for field in axis}) > 1 for axis in axes):
        return None
    rows, columns = (Field(a[0].stride, min(f.low for f in a), max(f.high for f in a)) for a in axes)
    return rows, columns
