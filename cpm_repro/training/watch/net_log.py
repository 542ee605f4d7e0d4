"""What Caffe's log says while nets are set up (net.cpp, solver.cpp, caffe.cpp), line by line in its own order.

Only what its background threads say is left out: that comes in no fixed order.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import Message

from cpm_repro.samples.data_layers import DataLayers
from prototxt_import.formats import schema
from prototxt_import.graph import state_of, unmet
from prototxt_import.net import Net
from prototxt_import.weights import renamed

from ..log import glog_line, number
from ..plan import SolverNet

_RULE_LINES = {"phase": 322, "min_level": 332, "max_level": 342, "stage": 358, "not_stage": 374}
_FLOAT = re.compile(r"(?m)^( *\w+: )(-?\d+\.\d+(?:e[-+]\d+)?|-?\d+e[-+]\d+)$")


def parameters_text(message: Message) -> str:
    """A message as C++'s DebugString prints it."""
    text = text_format.MessageToString(message, as_utf8=False, use_short_repeated_primitives=False)
    return _FLOAT.sub(lambda match: match[1] + _shortest(float(match[2])), text).rstrip("\n")


def _shortest(value: float) -> str:
    """The fewest digits from six on that read back to the same float32, as C++ prints a float."""
    texts = (f"{value:.{digits}g}" for digits in range(6, 10))
    return next((text for text in texts if np.float32(text) == np.float32(value)), f"{value:.9g}")


def device_line(device: str, source_line: int) -> str:
    """What a `caffe` command begins with."""
    return glog_line("Use CPU." if device == "cpu" else "Using GPUs 0", f"caffe.cpp:{source_line}")


def solver_lines(param: schema.SolverParameter) -> list[str]:
    """The solver's parameters."""
    return [glog_line(f"Initializing solver from parameters: \n{parameters_text(param)}", "solver.cpp:48")]


def training_net_line(source: str) -> str:
    """Where the training net stands."""
    lines = {"train_net_param": 77, "train_net file": 81, "net_param": 86, "net file": 91}
    kind = source.partition(":")[0]
    how = f"from {source}" if kind.endswith("file") else f"specified in {source}."
    return glog_line(f"Creating training net {how}", f"solver.cpp:{lines[kind]}")


def test_net_line(number_of_net: int, source: str) -> str:
    """Where a test net stands."""
    return glog_line(f"Creating test net (#{number_of_net}) specified by {source}", "solver.cpp:181")


def resuming_lines(snapshot: Path) -> list[str]:
    """A run goes on from a solver state."""
    resuming = glog_line(f"Resuming from {snapshot}", "caffe.cpp:241")
    return [resuming, glog_line("SGDSolver: restoring history", "sgd_solver.cpp:318")]


def finetuning_line(path: Path) -> str:
    """A run starts from weights."""
    return glog_line(f"Finetuning from {path}", "caffe.cpp:155")


def weights_lines(path: Path, stored: schema.NetParameter, net: Net) -> list[str]:
    """What reading a caffemodel into a net says: old BatchNorm parameters, and layers that the net has not."""
    lines = []
    if any(layer.type == "BatchNorm" for layer in stored.layer):  # as Caffe writes them, with three `param`
        attempt = f"Attempting to upgrade batch norm layers using deprecated params: {path}"
        lines.append(glog_line(attempt, "upgrade_proto.cpp:77"))
        done = "Successfully upgraded batch norm layers using deprecated params."
        lines.append(glog_line(done, "upgrade_proto.cpp:80"))
    own = {layer.name for layer in net.param.layer}
    known = own | renamed(own, [layer.name for layer in stored.layer]).keys()
    ignored = [layer.name for layer in stored.layer if layer.name not in known]
    return lines + [glog_line(f"Ignoring source layer {name}", "net.cpp:761") for name in ignored]


def net_lines(spec: SolverNet, net: Net, data: DataLayers, told: set[tuple[str, str]]) -> list[str]:
    """A net is set up, layer by layer. told: what is said once in a process only, and was."""
    lines = [*_rule_lines(spec.param)]
    lines.append(glog_line(f"Initializing net from parameters: \n{parameters_text(spec.layers)}", "net.cpp:58"))
    automatic, made, memory = set(net.automatic_names), set[str](), 0
    for own_name, layer in net.named_layers():
        lines += _wiring(layer.spec, automatic, made)
        lines += [glog_line(text, source) for source, text in data.said(own_name, told)]
        if _makes_another(layer.spec):
            lines.append(glog_line(f"Creating layer {layer.spec.name}", "layer_factory.hpp:77"))
        lines.append(glog_line(f"Setting up {layer.spec.name}", "net.cpp:150"))
        for top, shape in zip(layer.spec.top, layer.shapes_of_tops, strict=True):
            memory += 4 * math.prod(shape)
            sizes = "".join(f"{size} " for size in shape)
            lines.append(glog_line(f"Top shape: {sizes}({math.prod(shape)})", "net.cpp:157"))
            if weight := net.loss_weights.get(top):
                lines.append(glog_line(f"    with loss weight {number(weight)}", "net.cpp:160"))
        lines.append(glog_line(f"Memory required for data: {memory}", "net.cpp:165"))
    lines += _backward_lines(net)
    lines += [glog_line(f"This network produces output {name}", "net.cpp:270") for name in net.output_names]
    return [*lines, glog_line("Network initialization done.", "net.cpp:283")]


def _rule_lines(net: schema.NetParameter) -> Iterator[str]:
    """Which rules left layers out, or did not."""
    state = state_of(net, ("TRAIN", "TEST")[net.state.phase])
    for layer in net.layer:
        for rule in layer.include or layer.exclude:
            reason = unmet(state, rule)
            if reason is not None:
                field, text = reason
                yield glog_line(f"The NetState {text} by a rule in layer {layer.name}", f"net.cpp:{_RULE_LINES[field]}")
            else:
                break  # one rule that is met decides


def _wiring(spec: schema.LayerParameter, automatic: set[str], made: set[str]) -> Iterator[str]:
    """A layer is made, and its bottoms and tops are found."""
    yield glog_line(f"Creating layer {spec.name}", "layer_factory.hpp:77")
    yield glog_line(f"Creating Layer {spec.name}", "net.cpp:100")
    for bottom in spec.bottom:
        yield glog_line(f"{spec.name} <- {bottom}", "net.cpp:434")
    for index, top in enumerate(spec.top):
        if index < len(spec.bottom) and spec.bottom[index] == top:
            yield glog_line(f"{spec.name} -> {top} (in-place)", "net.cpp:395")
        else:
            yield glog_line(f"{spec.name} -> {'(automatic)' if top in automatic else top}", "net.cpp:408")


def _makes_another(spec: schema.LayerParameter) -> bool:
    """Whether the layer makes another one of its own name to work for it."""
    return spec.type == "SoftmaxWithLoss" or (spec.type == "Scale" and spec.scale_param.bias_term)


def _backward_lines(net: Net) -> Iterator[str]:
    """Which layers go backward, from the last to the first."""
    for name, needs in reversed(needing_backward(net)):
        if needs:
            yield glog_line(f"{name} needs backward computation.", "net.cpp:226")
        else:
            yield glog_line(f"{name} does not need backward computation.", "net.cpp:228")


def needing_backward(net: Net) -> list[tuple[str, bool]]:
    """By layer, whether Caffe goes backward through it (Net::Init): there is something to learn at it or below, and a
    loss above."""
    layers = [layer for _, layer in net.named_layers()]
    wanted: dict[str, bool] = {}  # by blob: whether a gradient may be wanted there
    bottoms: list[list[bool]] = []
    needs: list[bool] = []
    for layer in layers:
        spec = layer.spec
        given = spec.propagate_down or [wanted[bottom] for bottom in spec.bottom]
        bottoms.append(list(given))
        needs.append(any(given) or any(layer.owner(name).requires_grad for name in layer.blob_names))
        wanted.update(dict.fromkeys(spec.top, needs[-1]))
    under_loss, skipped = set[str](), set[str]()
    for index in reversed(range(len(layers))):
        spec = layers[index].spec
        contributes = any(top in under_loss or top in net.loss_weights for top in spec.top)
        if needs[index] and all(top in skipped for top in spec.top):
            needs[index], bottoms[index] = False, [False] * len(spec.bottom)
        needs[index] = needs[index] and contributes
        under_loss.update(spec.bottom if contributes else ())
        for bottom, goes in zip(spec.bottom, bottoms[index], strict=True):
            if not (goes and contributes):
                skipped.add(bottom)
    return [(layer.spec.name, need) for layer, need in zip(layers, needs, strict=True)]
