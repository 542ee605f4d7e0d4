"""A net for whoever looks at it: what it is in lines, and what is wrong with what it was called with."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from prototxt_import.files import InputError

from .layer import Layer, Shape


def described(name: str, layers: Sequence[Layer]) -> str:
    """A line a layer: its name, type, and the sizes of its tops and blobs."""
    learned = sum(getattr(layer, blob).numel() for layer in layers for blob in layer.blob_names)
    rows = [(layer.own_name, layer.spec.type, _tops(layer), _blobs(layer)) for layer in layers]
    rows = [row for row, layer in zip(rows, layers, strict=True) if layer.spec.type != "Split"]
    widths = [max([0, *(len(row[column]) for row in rows)]) for column in range(3)]
    lines = [
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[3]]).rstrip()
        for row in rows
    ]
    return "\n".join(
        [f"Net '{name}', {len(rows)} layers, {learned:,} values learned", *(f"  {line}" for line in lines)]
    )


def _tops(layer: Layer) -> str:
    return ", ".join(f"{top} {_size(shape)}" for top, shape in zip(layer.spec.top, layer.shapes_of_tops, strict=True))


def _blobs(layer: Layer) -> str:
    return ", ".join(f"{name} {_size(tuple(getattr(layer, name).shape))}" for name in layer.blob_names)


def _size(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def check_inputs(where: str, shapes: Mapping[str, Shape], inputs: object) -> None:
    """InputError unless there is a tensor for each of the shapes, of as many axes and channels."""
    example = ", ".join(f'"{name}": tensor {_size(shape)}' for name, shape in shapes.items())
    if not isinstance(inputs, Mapping):
        found = f"the text {inputs!r}" if isinstance(inputs, str) else f"a {type(inputs).__name__}"
        hint = "; for a picture's file see cpm_repro.estimate_pose" if isinstance(inputs, str) else ""
        raise InputError(f"{where}: expected input blobs by name, {{{example}}}, found {found}{hint}")
    for name, shape in shapes.items():
        if name not in inputs:
            raise InputError(f"{where}: expected the input blob '{name}', found {sorted(map(str, inputs))}")
        blob, place = inputs[name], f"{where}: input blob '{name}'"
        if not isinstance(blob, Tensor):
            raise InputError(f"{place}: expected a tensor {_size(shape)}, found a {type(blob).__name__}")
        if blob.dim() != len(shape) or blob.shape[1:2] != shape[1:2]:
            wanted = f"{len(shape)} axes" + (f" and {shape[1]} channels" if len(shape) > 1 else "")
            raise InputError(f"{place}: expected {wanted}, as in {_size(shape)}, found {_size(tuple(blob.shape))}")
