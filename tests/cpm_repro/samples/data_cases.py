"""Small HDF5 files and layers for the tests of Caffe's data layers, and a golden layer's passes."""

from pathlib import Path

import h5py
import numpy as np
from google.protobuf import text_format

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.data_layer import DataOptions
from cpm_repro.samples.data_layers import DataLayers, Opening, open_data_layers
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import read_net
from prototxt_import.graph import filter_net
from prototxt_import.net import Net
from tests.bits import assert_same_bits


def layer_of(text: str) -> schema.LayerParameter:
    """The layer that the prototxt text describes."""
    return text_format.Parse(text, schema.LayerParameter())


def write_rows(path: Path, **datasets: np.ndarray) -> None:
    """An HDF5 file of these datasets."""
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values


def opened(prototxt: Path, phase: str) -> tuple[schema.NetParameter, DataLayers]:
    """A net's layers of a phase, and its data layers."""
    net = filter_net(read_net(prototxt), phase)
    opening = Opening(prototxt.parent, phase, 1, GlibcRand(1), DataOptions(threads=1))
    return net, open_data_layers(net, opening, str(prototxt))


def assert_golden_passes(prototxt: Path, phase: str, seed: int) -> None:
    """Every blob of every pass and every parameter that was recorded beside the prototxt has the same bits."""
    recorded = np.load(prototxt.with_suffix(".npz"))
    param, data = opened(prototxt, phase)
    with data:
        net = Net(param, phase, "exact", seed, data_shapes=data.shapes)
        data.start(net)
        for blob in net.learnable:
            key = f"params/{blob.layer}/{blob.index}"
            assert_same_bits(blob.parameter.detach().numpy(), recorded[key], key)
        for number in range(1 + max(int(key.split("/")[0]) for key in recorded if key[0].isdigit())):
            blobs = net(data.next_batch())
            for key in (key for key in recorded if key.startswith(f"{number}/")):
                assert_same_bits(blobs[key.partition("/")[2]].detach().numpy(), recorded[key], key)
