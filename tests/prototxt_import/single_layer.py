"""A net of one layer, for tests of layers."""

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

Shape = tuple[int, ...]


def single_layer(
    type_name: str,
    shapes: dict[str, Shape],
    more: str = "",
    engine: str = "fast",
    tops: tuple[str, ...] = ("t",),
    seed: int | None = None,
    phase: str = "TEST",
) -> Net:
    """Layer "l" of that type with inputs of these shapes as bottoms and the tops, and `more` in its text."""
    inputs = "".join(
        f'input: "{name}" input_shape {{ {" ".join(f"dim: {d}" for d in shape)} }} ' for name, shape in shapes.items()
    )
    blobs = " ".join([*(f'bottom: "{name}"' for name in shapes), *(f'top: "{name}"' for name in tops)])
    text = f'{inputs} layer {{ name: "l" type: "{type_name}" {blobs} {more} }}'
    return Net(parse_net(text, "n"), phase, engine, seed)
