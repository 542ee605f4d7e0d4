"""What a net is made of, layer by layer and stage by stage: shapes, parameters, work and receptive fields."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prototxt_import.files import InputError
from prototxt_import.layers.layer import Layer, Shape
from prototxt_import.net import Net

from .receptive_field import Fields, receptive_fields
from .stages import has_stages, stage_blobs, stage_of

PAPER_ON_IMAGE = {1: 160, 2: 400}
PAPER_ON_MAPS = 31
"""What the paper says its stages see (section 3), in px of the image by stage, and in units of the maps before. The
first two count 2x2 pooling windows; with the release's 3x3 a unit sees 7 px more."""


@dataclass(frozen=True)
class LayerSummary:
    """One layer. `flop` counts multiplications and additions of convolutions and inner products, one each; `fields`
    are those of its tops on the net's first input. A bottom or top behind a Split has the name that the prototxt
    gives it. `stage` is None in nets without stages. `short_name` and `fill`, a colour, are for drawings."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    shapes: list[Shape]
    stage: int | None
    window: str
    parameters: int
    flop: int
    fields: Fields
    short_name: str
    fill: str

    @property
    def in_place(self) -> bool:
        return self.bottoms == self.tops


@dataclass(frozen=True)
class StageSummary:
    """One stage of a pose machine: its belief maps' fields on the image and on the maps of the stage before."""

    stage: int
    maps: str
    parameters: int
    flop: int
    on_image: Fields
    on_maps: Fields


def summarize_layers(net: Net) -> list[LayerSummary]:
    """Every layer in the net's order, without the Splits that Caffe puts in itself."""
    fields = receptive_fields(net, next(iter(net.input_shapes), ""))
    owned: Counter[str] = Counter()  # a shared blob counts once, where it is owned
    for blob in net.learnable:
        owned[blob.layer] += blob.parameter.numel()
    stages = has_stages([layer.spec.name for layer in net.layers.values()])
    real_name, layers = {}, []
    for layer in net.layers.values():
        spec = layer.spec
        if spec.type == "Split" and spec.name.endswith("_split"):
            real_name.update(dict.fromkeys(spec.top, spec.bottom[0]))
            continue
        layers.append(
            LayerSummary(
                name=layer.own_name,
                type=spec.type,
                bottoms=[real_name.get(blob, blob) for blob in spec.bottom],
                tops=list(spec.top),
                shapes=[net.blob_shapes[blob] for blob in spec.top],
                stage=stage_of(spec.name) if stages else None,
                window=_window_text(layer),
                parameters=owned[layer.own_name],
                flop=layer.flop([net.blob_shapes[blob] for blob in spec.bottom]),
                fields=fields.get(spec.top[0]) if spec.top else None,
                short_name=layer.short_name or spec.type,
                fill=layer.fill,
            )
        )
    return layers


def _window_text(layer: Layer) -> str:
    """Such as "9x9/8" (kernel and stride), with a dilation or group if there is one."""
    window = getattr(layer, "window", None)
    if window is None:
        return "global" if layer.pools else ""
    text = "x".join(map(str, window.kernel))
    text += f"/{window.stride[0]}" if set(window.stride) != {1} else ""
    text += f" dilation {window.dilation[0]}" if set(window.dilation) != {1} else ""
    return text + (f" group {layer.group}" if getattr(layer, "group", 1) != 1 else "")


def summarize_stages(net: Net, layers: Sequence[LayerSummary]) -> list[StageSummary]:
    """The stages of a pose machine; empty for other nets, whatever their layers are called."""
    if all(layer.stage in (None, 1) for layer in layers):
        return []
    try:
        maps, stages = stage_blobs(net), []
    except InputError:
        return []
    on_image = receptive_fields(net, next(iter(net.input_shapes)))
    for stage, blob in enumerate(maps, start=1):
        own = [layer for layer in layers if layer.stage == stage]
        before = receptive_fields(net, maps[stage - 2]).get(blob) if stage > 1 else None
        work = sum(layer.parameters for layer in own), sum(layer.flop for layer in own)
        stages.append(StageSummary(stage, blob, *work, on_image.get(blob), before))
    return stages


def field_text(fields: Fields) -> str:
    """Such as "167x167"; "all" where it is the whole source or unknown."""
    return "all" if fields is None else "x".join(str(field.size) for field in fields)


def stride_text(fields: Fields) -> str:
    """Such as "8"; both axes if they differ."""
    return "-" if fields is None else "x".join(dict.fromkeys(str(field.stride) for field in fields))


def layer_table(layers: Sequence[LayerSummary]) -> str:
    """A line per layer, for the terminal."""
    rows = [("layer", "type", "top", "parameters", "GFLOP", "sees", "stride", "bottoms -> tops")]
    for layer in layers:
        graph = " + ".join(layer.bottoms) + " -> " + " + ".join(layer.tops)
        rows.append(
            (
                layer.name,
                f"{layer.type} {layer.window}".strip(),
                " ".join("x".join(map(str, shape)) or "scalar" for shape in dict.fromkeys(layer.shapes)),
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.flop / 1e9:.3f}" if layer.flop else "",
                field_text(layer.fields),
                stride_text(layer.fields),
                "in place" if layer.in_place else graph.removeprefix(" -> "),
            )
        )
    return _aligned(rows, right=(3, 4, 5, 6))


def stage_table(stages: Sequence[StageSummary]) -> str:
    """A line per stage, for the terminal."""
    rows = [("stage", "belief maps", "parameters", "GFLOP", "sees of the image", "of the maps before")]
    for stage in stages:
        work = (f"{stage.parameters:,}", f"{stage.flop / 1e9:.1f}")
        before = field_text(stage.on_maps) if stage.stage > 1 else ""
        rows.append((str(stage.stage), stage.maps, *work, field_text(stage.on_image), before))
    return _aligned(rows, right=(0, 2, 3, 4, 5))


def paper_comparison(stages: Sequence[StageSummary]) -> str:
    """Where the receptive fields are the paper's and where not, a line for each of its numbers."""
    lines = []
    for stage in stages:
        if stage.stage in PAPER_ON_IMAGE:
            paper = PAPER_ON_IMAGE[stage.stage]
            lines.append(_against_paper(f"stage {stage.stage} on the image", stage.on_image, paper, " 2x2 pooling"))
        if stage.stage == 2:
            lines.append(_against_paper("stage 2 on the maps of stage 1", stage.on_maps, PAPER_ON_MAPS, ""))
    return "\n".join(lines)


def _against_paper(what: str, fields: Fields, paper: int, assumed: str) -> str:
    same = fields is not None and all(axis.size == paper for axis in fields)
    said = "as in the paper" if same else f"the paper says {paper}x{paper}" + (f", with{assumed}" if assumed else "")
    return f"{what}: {field_text(fields)}, {said}"


def weight_table(net: Net) -> str:
    """A line per learned blob: its shape, mean, deviation, greatest magnitude, and how many values are not finite."""
    rows: list[tuple[str, ...]] = [("layer", "blob", "shape", "mean", "deviation", "max", "not finite")]
    for blob in net.learnable:
        values = blob.parameter.detach().double()
        finite = values[values.isfinite()]
        numbers = (finite.mean(), finite.std(unbiased=False), finite.abs().max()) if finite.numel() else ()
        shape = "x".join(map(str, values.shape)) or "scalar"
        lost = values.numel() - finite.numel()
        shown = [f"{float(number):.3g}" for number in numbers] or ["-"] * 3
        rows.append((blob.layer, str(blob.index), shape, *shown, f"{lost:,}" if lost else ""))
    return _aligned(rows, right=(3, 4, 5, 6))


def total_line(layers: Sequence[LayerSummary]) -> str:
    """Parameters and work of the whole net."""
    parameters, flop = sum(layer.parameters for layer in layers), sum(layer.flop for layer in layers)
    return f"{len(layers)} layers, {parameters:,} parameters, {flop / 1e9:.4g} GFLOP"


def _aligned(rows: Sequence[Sequence[str]], right: Sequence[int]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (
            text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_json(layers: Sequence[LayerSummary], stages: Sequence[StageSummary]) -> dict[str, object]:
    """Both tables as plain values; `field` and `stride` are (height, width), or null for the whole image."""

    def numbers(fields: Fields) -> dict[str, object]:
        if fields is None:
            return {"field": None, "stride": None}
        return {"field": [axis.size for axis in fields], "stride": [float(axis.stride) for axis in fields]}

    def layer_values(layer: LayerSummary) -> dict[str, object]:
        names = ("name", "type", "bottoms", "tops", "shapes", "stage", "parameters", "flop")
        return {name: getattr(layer, name) for name in names} | numbers(layer.fields)

    def stage_values(stage: StageSummary) -> dict[str, object]:
        names = ("stage", "maps", "parameters", "flop")
        on_maps = numbers(stage.on_maps)["field"]
        return {name: getattr(stage, name) for name in names} | numbers(stage.on_image) | {"field_on_maps": on_maps}

    return {
        "parameters": sum(layer.parameters for layer in layers),
        "flop": sum(layer.flop for layer in layers),
        "layers": [layer_values(layer) for layer in layers],
        "stages": [stage_values(stage) for stage in stages],
    }
