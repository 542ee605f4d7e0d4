"""Which net of a prototxt is meant: phase, stages and level choose layers (Caffe: NetState), and input shapes make a
train/val net one to deploy.
"""

import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .files import InputError, Note, first_five, naming
from .formats import schema
from .formats.prototxt import format_prototxt, parse_net
from .graph import check_order, filter_net, left_out
from .layers.layer import CONVERTERS, DATA_TYPES, Layer, Shape, is_known


@dataclass(frozen=True)
class Variant:
    """One of the nets that a prototxt describes.

    phase: "TEST" or "TRAIN"; stages and level join those of the net's own `state`. input_shapes: of input blobs, by
    name; with any, blobs that a data layer made become inputs, and losses, accuracies and what needs another blob of
    theirs go. A blob that another layer made becomes an input, too: the net begins there.
    """

    phase: str = "TEST"
    stages: Sequence[str] = ()
    level: int | None = None
    input_shapes: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether it is another net than the prototxt says by itself in that phase."""
        return bool(self.stages or self.input_shapes) or self.level is not None

    @property
    def options(self) -> dict[str, Any]:
        """As `load_net` takes them."""
        return {name: getattr(self, name) for name in ("phase", "stages", "level", "input_shapes")}

    def of(self, text: str, where: str) -> "schema.NetParameter":
        """The net of a prototxt's text, of which `where` is the name; InputErrors name it."""
        net = parse_net(text, where, self.input_shapes)
        net.state.stage.extend(self.stages)
        if self.level is not None:
            net.state.level = self.level
        if not self.input_shapes:
            return net
        with naming(where):
            return deployed(net, self.phase, self.input_shapes)

    def alone(self, text: str, where: str) -> "schema.NetParameter":
        """That net with its own layers only, without rules, so that it is the same in whatever phase it is read."""
        net = self.of(text, where)
        alone = filter_net(net, self.phase)
        check_order(alone, partial(left_out, net, self.phase))
        for layer in alone.layer:
            del layer.include[:], layer.exclude[:]
            layer.phase = layer.phase if layer.HasField("phase") else getattr(schema, self.phase)
        return alone

    def text_of(self, text: str, where: str) -> str:
        """The prototxt of that net by itself."""
        return format_prototxt(self.of(text, where)) if self.changes else text


DEFAULT = Variant()
TRAINING = Variant("TRAIN")


def deployed(net: "schema.NetParameter", phase: str, shapes: Mapping[str, Shape]) -> "schema.NetParameter":
    """A copy with inputs of these shapes in place of data layers, without losses, accuracies and what only labels lead
    to. InputError names a shape that is of no input."""
    kept = _admitted(net, phase)
    inputs = {top for layer in kept if layer.type == "Input" for top in layer.top}
    made = {top for layer in net.layer if _is_data(layer) for top in layer.top}  # in any phase
    needed = {bottom for layer in kept for bottom in layer.bottom}
    tops = {top for layer in kept for top in layer.top}
    known = inputs | made | (needed - tops)
    for name in shapes.keys() - known - tops:
        expected = ", ".join(f"'{blob}'" for blob in sorted(known)) or "none"
        raise InputError(f"input shape of '{name}': expected the name of an input ({expected}), found another")
    new = [name for name in shapes if name not in inputs]
    layers = _from(kept, (set(new) & tops) - made)
    layers = _without_labels(layers, set(new), made - set(new) if new else set())
    result = schema.NetParameter()
    result.CopyFrom(net)
    del result.layer[:]
    if new:
        result.layer.append(_input(new, shapes))
    result.layer.extend(_reshaped(layer, shapes) for layer in layers)
    _say_what_went(kept, layers)
    used = {bottom for layer in layers for bottom in layer.bottom} | shapes.keys()
    result = _only_used_inputs(result, needed - used)
    check_order(result, partial(left_out, net, phase))
    return result


def _say_what_went(before: "list[schema.LayerParameter]", after: "list[schema.LayerParameter]") -> None:
    """A Note of the layers that are left out though they are no data layers, losses or accuracies."""
    stay = {id(layer) for layer in after}
    gone = [layer for layer in before if id(layer) not in stay and layer.bottom and not is_loss(layer)]
    if gone:
        names = first_five([f"'{layer.name}' ({layer.type})" for layer in gone])
        layers, need = ("layer", "needs") if len(gone) == 1 else ("layers", "need")
        why = f"which {need} a blob whose shape is not given, or made only what is given now"
        warnings.warn(Note(f"input shapes leave out {layers} {names}, {why}"), stacklevel=3)


def unwritten(layer: Layer, form: str) -> InputError:
    """The refusal of a layer that the form, "an ONNX export" or another, has no place for; what to do about losses and
    accuracies."""
    if is_loss(layer.spec):
        found = f"{layer.spec.type}, which belongs to training (--input-shape data=N,C,H,W leaves such layers out)"
        return InputError(f"{layer.where}: expected a layer of a deploy net, for {form}, found {found}")
    return InputError(f"{layer.where}: expected a layer type of deploy nets, for {form}, found {layer.spec.type}")


def require_outputs(names: Collection[str], form: str) -> None:
    """InputError for a net without `computed_names`."""
    if not names:
        raise InputError(f"the net: expected a blob that no layer takes, for {form}, found none")


def shape_hint(spec: "schema.LayerParameter", inputs: Mapping[str, Shape]) -> str:
    """What to do about the refusal of a layer, if it may be for want of a shape: it is a data layer, an Input without
    shape, or one that gets maps of the 1 x 1 that stand for "at run time" in some prototxts. Else empty.

    inputs: the shapes of the net's input blobs."""
    if (_is_data(spec) or spec.type == "Input") and spec.top:
        return f" (to deploy the net: --input-shape {spec.top[0]}=N,C,H,W makes an input of it)"
    if not is_known(spec):
        return ""
    placeholders = (name for name, shape in inputs.items() if len(shape) == 4 and shape[2:] == (1, 1))
    if (name := next(placeholders, None)) is None:
        return ""
    n, c = inputs[name][:2]
    return f" (input '{name}' is {n} x {c} x 1 x 1: --input-shape {name}={n},{c},H,W gives it a size)"


def _admitted(net: "schema.NetParameter", phase: str) -> "list[schema.LayerParameter]":
    """The layers of that phase as the prototxt has them."""
    layers = list(filter_net(net, phase).layer)
    given = iter(net.layer)
    for layer in layers:  # filter_net writes the phase into each
        if not next(own for own in given if own.name == layer.name and own.top == layer.top).HasField("phase"):
            layer.ClearField("phase")
    return layers


def _is_data(layer: "schema.LayerParameter") -> bool:
    """Whether it makes its tops of files: one of Caffe's data layers, or a type that is not known."""
    if layer.bottom or layer.type == "Input":
        return False
    return layer.type in DATA_TYPES or layer.type not in CONVERTERS or CONVERTERS[layer.type].is_source


def is_loss(layer: "schema.LayerParameter") -> bool:
    """Whether the layer belongs to training or its tests: a loss, or an accuracy."""
    return any(layer.loss_weight) or "Loss" in layer.type or "Accuracy" in layer.type


def _without_labels(
    layers: "Iterable[schema.LayerParameter]", available: set[str], gone: set[str]
) -> "list[schema.LayerParameter]":
    """The layers without data layers and losses, and without those that need what these made."""
    kept = []
    for layer in layers:
        drops = bool(gone or available) and _is_data(layer)
        if drops or is_loss(layer) or any(bottom in gone for bottom in layer.bottom):
            gone.update(top for top in layer.top if top not in available)
        else:
            kept.append(layer)
            gone.difference_update(layer.top)
    return kept


def _from(layers: "list[schema.LayerParameter]", blobs: set[str]) -> "list[schema.LayerParameter]":
    """The layers without those that make these blobs, and without those that led to nothing else. InputError if one
    makes a blob besides that is needed."""
    needed = {bottom for layer in layers if layer.top for bottom in layer.bottom}
    kept = []
    for layer in layers:
        makes = blobs & set(layer.top) - set(layer.bottom)  # a layer in place works on the input
        for other in set(layer.top) - blobs & needed if makes else ():
            both = f"that layer '{layer.name}' makes both"
            raise InputError(f"input shape of '{min(makes)}': expected one of '{other}', too, found {both}")
        kept += [] if makes else [layer]
    return _leading_on(kept, needed) if blobs else kept


def _leading_on(layers: "list[schema.LayerParameter]", needed: set[str]) -> "list[schema.LayerParameter]":
    """The layers without those whose tops were needed and are no longer, without those that make nothing, and without
    sources that nobody takes anything of."""
    taken, kept = set[str](), list["schema.LayerParameter"]()
    for layer in reversed(layers):
        useful = any(top in taken or (top not in needed and layer.bottom) for top in layer.top)
        if useful:
            taken.update(layer.bottom)
            kept.append(layer)
    return kept[::-1]


def _input(names: Sequence[str], shapes: Mapping[str, Shape]) -> "schema.LayerParameter":
    layer = schema.LayerParameter(name="input", type="Input", top=names)
    for name in names:
        layer.input_param.shape.add(dim=shapes[name])
    return layer


def _reshaped(layer: "schema.LayerParameter", shapes: Mapping[str, Shape]) -> "schema.LayerParameter":
    """An Input layer with those of its tops' shapes that are given; any other layer itself."""
    if layer.type != "Input" or shapes.keys().isdisjoint(layer.top):
        return layer
    given = [list(shape.dim) for shape in layer.input_param.shape]
    own = given * len(layer.top) if len(given) == 1 else given
    del layer.input_param.shape[:]
    for index, top in enumerate(layer.top):
        layer.input_param.shape.add(dim=shapes[top] if top in shapes else own[index] if index < len(own) else [])
    return layer


def _only_used_inputs(net: "schema.NetParameter", unused: set[str]) -> "schema.NetParameter":
    """The net itself, its Input layers without the tops that nobody takes any more."""
    for index in range(len(net.layer) - 1, -1, -1):
        layer = net.layer[index]
        if layer.type != "Input" or unused.isdisjoint(layer.top):
            continue
        given = list(layer.input_param.shape)
        pairs = list(zip(layer.top, given * len(layer.top) if len(given) == 1 else given, strict=False))
        del layer.top[:], layer.input_param.shape[:]
        for top, shape in pairs:
            if top not in unused:
                layer.top.append(top)
                layer.input_param.shape.add(dim=shape.dim)
        if not layer.top:
            del net.layer[index]
    return net
