"""A net of a prototxt with its own data layers, ready for passes, and what Caffe's log says of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.convert.stored_weights import StoredWeights
from cpm_repro.samples.data_layer import DataOptions
from cpm_repro.samples.data_layers import DataLayers, Opening, open_data_layers
from cpm_repro.training.plan import add_state, in_phase
from cpm_repro.training.watch.net_log import device_line, net_lines, weights_lines
from prototxt_import.engine import make_engine
from prototxt_import.files import naming
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import read_net
from prototxt_import.net import Net
from prototxt_import.operations import Operations


@dataclass(frozen=True)
class ReadyNet:
    """A net and its data; said: the lines of Caffe's log up to here."""

    net: Net
    data: DataLayers
    said: list[str]


@contextmanager
def ready_net(
    model: Path,
    phase: str,
    weights: StoredWeights | None = None,
    stages: Sequence[str] = (),
    level: int | None = None,
    engine: str | Operations = "fast",
    options: DataOptions | None = None,
    seed: int = 1,
    source_line: int = 279,
) -> Iterator[ReadyNet]:
    """The net of a prototxt in that phase and state, filled from `seed` and then from `weights`; InputErrors name
    the file that is wrong. source_line: where caffe.cpp says which device it uses."""
    options = options or DataOptions()
    state = schema.NetState()
    add_state(state, stages, level)
    spec = in_phase(read_net(model), phase, state, f"net file: {model}", str(model), model.resolve().parent)
    opening = Opening(spec.folder, phase, 1, GlibcRand(1), options)
    made = make_engine(engine)
    torch.manual_seed(seed)
    with open_data_layers(spec.layers, opening, spec.where) as data:
        with naming(model):
            net = Net(spec.param, phase, made, seed, data_shapes=data.shapes).to(options.device)
        data.start(net)
        said = [device_line(options.device, source_line), *net_lines(spec, net, data, set())]
        if weights is not None:
            said += weights_lines(weights.path, weights.finetune(net), net)
        yield ReadyNet(net, data, said)
