"""An ONNX graph that grows layer by layer from a Caffe net, and the registry of the functions that add the layers.

ONNX wants every value made once, where Caffe overwrites blobs in place: `OnnxGraph` keeps the name of the value that
each blob stands for, and gives the blob's own name to the last one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from prototxt_import.deployment import require_outputs, unwritten
from prototxt_import.files import InputError
from prototxt_import.layers.layer import CONVERTERS, Layer, Shape
from prototxt_import.net import Net

Attribute = int | float | str | Sequence[int] | onnx.GraphProto
OPSET = 17
LOWEST = float(np.finfo(np.float32).min)
IR_VERSION = 8  # what came with the opset; older runtimes refuse newer ones


@dataclass
class LayerExport:
    """One layer on its way into the graph: what its converter reads, and how it adds nodes and constants.

    `bottoms` are the names of ONNX values, `shapes` the bottoms' shapes, `top_shapes` the tops'. `dynamic`: they are
    those of an example only, and the nodes must do for others. `finds`: the tops have as many rows as are found.
    `states`: by name, inputs that may be left out, and the values of the outputs beside them, for the next run.
    `taken`: names that values of the layer's own must not have, those of blobs.
    """

    layer: Layer
    bottoms: list[str]
    shapes: list[Shape]
    top_shapes: list[Shape]
    dynamic: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    finds: bool = False
    states: dict[str, str] = field(default_factory=dict)
    scope: str = ""
    taken: Collection[str] = ()

    def node(self, operator: str, *inputs: str, **attributes: Attribute) -> str:
        """Adds a node with one output; returns the name of the value it makes."""
        return self._made(operator, inputs, [self._name(operator, len(self.nodes))], attributes)[0]

    def several(self, operator: str, inputs: Sequence[str], count: int, **attributes: Attribute) -> list[str]:
        """Adds a node with so many outputs; returns their names."""
        first = self._name(operator, len(self.nodes))
        return self._made(operator, inputs, [f"{first}.{index}" for index in range(count)], attributes)

    def _made(
        self, operator: str, inputs: Sequence[str], names: list[str], attributes: dict[str, Attribute]
    ) -> list[str]:
        node = helper.make_node(operator, inputs, names, name=names[0])
        node.attribute.extend(helper.make_attribute(key, of_key) for key, of_key in sorted(attributes.items()))
        self.nodes.append(node)
        return names

    def split(self, value: str, sizes: list[int], axis: int) -> list[str]:
        """Adds a Split."""
        return self.several("Split", [value, self.ints(sizes)], len(sizes), axis=axis)

    def constant(self, values: np.ndarray) -> str:
        """Adds a constant; returns its name."""
        name = self._name("constant", len(self.constants))
        self.constants.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def number(self, value: float) -> str:
        """Adds a float32 constant without axes."""
        return self.constant(np.array(value, np.float32))

    def ints(self, values: Sequence[int] | np.ndarray) -> str:
        """Adds int64 as a constant."""
        return self.constant(np.array(values, np.int64))

    def sizes(self, value: str, first: int, last: int | None = None) -> str:
        """Adds a Shape, of the axes from the first to before the last (default: all)."""
        end = {} if last is None else {"end": last}
        return self.node("Shape", value, start=first, **end)

    def reshape(self, value: str, shape: Shape) -> str:
        """Adds a Reshape to a constant shape; 0 keeps the size that the axis has, −1 is worked out."""
        return self.node("Reshape", value, self.ints(shape))

    def blob(self, name: str, shape: Shape | None = None) -> str:
        """A learned blob of the layer as a constant, in its own shape or another."""
        values = getattr(self.layer, name).detach().cpu().numpy()
        return self.constant(values if shape is None else values.reshape(shape))

    def state(self, name: str, values: np.ndarray) -> str:
        """Adds an input that may be left out, and has these values then; returns its name."""
        self.constants.append(numpy_helper.from_array(values, f"{self.layer.own_name}/{name}"))
        return self.constants[-1].name

    def carry(self, state: str, value: str) -> None:
        """Adds an output for the next run's state."""
        self.states[state] = f"{state}_after"
        self.nodes.append(helper.make_node("Identity", [value], [self.states[state]], name=self.states[state]))

    def _name(self, what: str, index: int) -> str:
        name = f"{self.layer.own_name}/{self.scope}{what}_{index}"
        while name in self.taken:
            name += "_"
        return name


Converter = Callable[[LayerExport], str | list[str]]
ONNX_CONVERTERS: dict[type[Layer], Converter] = {}


def exports(*types: str) -> Callable[[Converter], Converter]:
    """Function decorator: this function adds layers of these types and returns the values of their tops."""

    def add(converter: Converter) -> Converter:
        for name in types:
            if CONVERTERS[name] in ONNX_CONVERTERS:
                raise KeyError(f"the ONNX converter of {name} is registered twice")
            ONNX_CONVERTERS[CONVERTERS[name]] = converter
        return converter

    return add


def onnx_converter(layer_class: type[Layer]) -> Converter | None:
    """What adds layers of this class, or of the class that it is derived from; None if ONNX export does not know it."""
    return next((ONNX_CONVERTERS[base] for base in layer_class.__mro__ if base in ONNX_CONVERTERS), None)


class OnnxGraph:
    """The graph of a net in the TEST phase; inputs and outputs are float32 blobs by their Caffe names.

    dynamic: for any number of images of any size, where the layers leave them open; else for the net's shapes.
    InputError names the layer that ONNX export does not know.
    """

    def __init__(self, net: Net, dynamic: bool = False) -> None:
        self.net, self.dynamic = net, dynamic
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.states: list[tuple[onnx.TensorProto, str]] = []
        self.value_of = {blob: blob for blob in net.input_shapes}
        self.found: set[str] = set()
        last_maker = {top: layer.own_name for layer in net.layers.values() for top in layer.spec.top}
        for layer in net.layers.values():
            if not layer.is_source:
                final = [last_maker[top] == layer.own_name and top not in net.input_shapes for top in layer.spec.top]
                self._add(layer, final)
        self._name_outputs()
        require_outputs(net.computed_names, "an ONNX export")
        if "" in net.blob_shapes:
            raise InputError("blob '': expected a name, for an ONNX export, found none")

    def _add(self, layer: Layer, final: list[bool]) -> None:
        spec = layer.spec
        converter = onnx_converter(type(layer))
        if converter is None:
            raise unwritten(layer, "an ONNX export")
        shapes = [self.net.blob_shapes[blob] for blob in spec.bottom]
        tops = [self.net.blob_shapes[blob] for blob in spec.top]
        found = not self.found.isdisjoint(spec.bottom)
        bottoms = [self.value_of[bottom] for bottom in spec.bottom]
        export = LayerExport(layer, bottoms, shapes, tops, self.dynamic or found, taken=self.net.blob_shapes)
        values = converter(export)
        self.found.update(spec.top if found or export.finds else ())
        values = [values] if isinstance(values, str) else values
        for top, value, is_final in zip(spec.top, values, final, strict=True):
            self.value_of[top] = top if is_final and _rename(export.nodes, value, top) else value
        self.nodes += export.nodes
        self.constants += export.constants
        made = {constant.name: constant for constant in export.constants}
        self.states += [(made[state], after) for state, after in export.states.items()]

    def _name_outputs(self) -> None:
        """An output that is another blob's value (a Dropout of it, say) needs a node of its own."""
        for blob in self.net.output_names:
            if self.value_of[blob] != blob and blob not in self.net.input_shapes:
                self.nodes.append(helper.make_node("Identity", [self.value_of[blob]], [blob], name=f"{blob}/Identity"))
                self.value_of[blob] = blob

    def model(self) -> onnx.ModelProto:
        """The finished model; an input that no layer takes is no output of it. States come last: inputs that begin at
        their constants' values if they are left out, and outputs for the next run."""
        shapes, inputs = self.net.blob_shapes, self.net.input_shapes
        made = {blob: self.value_of[blob] for blob in self.net.output_names if self.value_of[blob] not in inputs}
        taken = [float_value(blob, _open(blob, shape) if self.dynamic else shape) for blob, shape in inputs.items()]
        outputs = [
            float_value(value, _all_open(blob, shapes[blob]) if self.dynamic or blob in self.found else shapes[blob])
            for blob, value in made.items()
        ]
        taken += [float_value(state.name, tuple(state.dims)) for state, _ in self.states]
        outputs += [float_value(after, tuple(state.dims)) for state, after in self.states]
        read = set(_read_by(self.nodes)) | {state.name for state, _ in self.states}
        constants = [constant for constant in self.constants if constant.name in read]
        graph = helper.make_graph(self.nodes, self.net.param.name or "net", taken, outputs, constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="cpm-repro")


def _read_by(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """The values that nodes read, those inside of loops too: a layer's converter may make constants in vain."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from _read_by(attribute.g.node)


def _open(blob: str, shape: Shape) -> tuple[int | str, ...]:
    """An input's shape with names for what is open: the images, and the axes behind the channels."""
    axes = ("height", "width") if len(shape) == 4 else tuple(f"axis_{axis}" for axis in range(2, len(shape)))
    return ("batch", *shape[1:2], *(f"{blob}_{axis}" for axis in axes))


def _all_open(blob: str, shape: Shape) -> tuple[int | str, ...]:
    """An output's shape: what it is, the input's says."""
    return tuple(f"{blob}_axis_{axis}" for axis in range(len(shape)))


def float_value(name: str, shape: tuple[int | str, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rename(nodes: list[onnx.NodeProto], old: str, new: str) -> bool:
    """Renames a value everywhere in these nodes; False if none of them makes it."""
    if not any(old in node.output for node in nodes):
        return False
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [new if name == old else name for name in names]
    return True
