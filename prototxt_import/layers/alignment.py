"""How far to cut so that Crop's bottoms lie over each other, pixel on pixel.

The Caffe of FCN, HED and CRF-RNN (2014, 2015) found that by itself. BVLC's, which got Crop in 2016, cuts as far as
`offset` says, and without one from the corner.
"""

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from prototxt_import.files import Note, require
from prototxt_import.formats import schema

from .layer import POINT, Layer, Shape
from .shape import Crop


class Line(NamedTuple):
    """The place of a blob's pixel t on an earlier blob, along an axis: scale · t + shift."""

    scale: Fraction
    shift: Fraction

    def then(self, other: "Line") -> "Line":
        """The place on a blob before that one."""
        return Line(other.scale * self.scale, other.scale * self.shift + other.shift)


Lines = tuple[Line, ...]
"""(rows, columns)."""
HERE = (Line(Fraction(1), Fraction(0)),) * 2


def align(spec: "schema.LayerParameter", before: Collection[Layer], shapes: Mapping[str, Shape]) -> None:
    """Writes the offsets that its own Caffe finds into a Crop whose crop_param says `align`, as V1's do. Of one that
    says no offset a Note says them, unless they are 0.

    before: the layers before it; shapes: of their blobs."""
    p = spec.crop_param
    if spec.type != "Crop" or p.offset or p.axis != 2 or len(spec.bottom) != 2:
        return
    offsets = offsets_of(spec.bottom, before, shapes)
    if p.align:
        expected = "bottoms of which one lies over the other (today's `layer` has crop_param { offset })"
        require(f"layer '{spec.name}' (Crop)", offsets is not None, expected, "others")
        p.ClearField("align")
        p.offset.extend(offsets or ())
    elif offsets is not None and any(offsets):
        meant = " ".join(f"offset: {n}" for n in (offsets[:1] if len(set(offsets)) == 1 else offsets))
        warnings.warn(
            Note(
                f"layer '{spec.name}' (Crop) cuts '{spec.top[0]}' from the corner, as BVLC's does without an offset; "
                f"FCN's, HED's and CRF-RNN's own laid the bottoms over each other, as crop_param {{ {meant} }} does"
            ),
            stacklevel=2,
        )


def offsets_of(bottoms: Sequence[str], before: Collection[Layer], shapes: Mapping[str, Shape]) -> list[int] | None:
    """How many rows and columns to leave out of the first bottom so that it lies over the second; None if that is not
    a whole number above or of 0, if it does not fit, or if they come of no common blob."""
    places = [dict(_places(bottom, before, shapes)) for bottom in bottoms]
    common = next((blob for blob in places[1] if blob in places[0]), None)
    if common is None:
        return None
    found = []
    for axis, (first, second) in enumerate(zip(*(place[common] for place in places), strict=True), start=2):
        offset = (second.shift - first.shift) / first.scale
        fits = 0 <= offset <= shapes[bottoms[0]][axis] - shapes[bottoms[1]][axis]
        if first.scale != second.scale or offset.denominator != 1 or not fits:
            return None
        found.append(int(offset))
    return found


def _places(blob: str, before: Collection[Layer], shapes: Mapping[str, Shape]) -> Iterator[tuple[str, Lines]]:
    """The blob and those that it is made of by way of first bottoms, each with where the blob's pixels lie on it."""
    lines: Lines = HERE
    yield blob, lines
    for layer in reversed(list(before)):
        if blob not in layer.top_names or not layer.bottom_names or layer.bottom_names[0] == blob:
            continue
        steps = _lines_of(layer, shapes[layer.bottom_names[0]], shapes[blob])
        if steps is None:
            return
        blob, lines = layer.bottom_names[0], tuple(map(Line.then, lines, steps))
        yield blob, lines


def _lines_of(layer: Layer, bottom: Shape, top: Shape) -> Lines | None:
    """Where a top's pixels lie on the first bottom; None if the layer does not say."""
    if isinstance(layer, Crop):
        return tuple(Line(Fraction(1), Fraction(offset)) for offset in layer.offsets[2:])
    window = layer.receptive_window
    if window is None or len(window.kernel) != 2 or len(bottom) != 4:
        return None
    if window == POINT and bottom[2:] != top[2:]:
        return None
    lines = []
    for kernel, stride, pad, dilation in zip(window.kernel, window.stride, window.pad, window.dilation, strict=True):
        line = Line(Fraction(stride), Fraction(dilation * (kernel - 1), 2) - pad)
        backwards = Line(1 / line.scale, -line.shift / line.scale)
        lines.append(backwards if layer.sees_backwards else line)
    return tuple(lines)
