"""As much of pycaffe as tools/caffe_dump.py asks for, on top of this project's own net: it proves the script's calls
and keys, not its numbers.
"""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.data_layer import CPMData
from cpm_repro.training.setup import Options, prepare
from cpm_repro.training.trace import BlobRecorder
from prototxt_import.net import load_net

TEST, TRAIN = "TEST", "TRAIN"
_seed = [0]


def set_mode_cpu():
    pass


def set_random_seed(seed):
    _seed[0] = seed


class Blob:
    def __init__(self, data):
        self.data = np.array(data, np.float32)
        self.diff = np.zeros_like(self.data)

    @property
    def count(self):
        return self.data.size

    def reshape(self, *shape):
        self.data.resize(shape, refcheck=False)
        self.diff.resize(shape, refcheck=False)


class Net:
    def __init__(self, prototxt, *rest):
        weights, phase = rest if len(rest) == 2 else (None, rest[0])
        seed = _seed[0] if weights is None else None
        self._net = load_net(prototxt, weights, phase, engine="exact", seed=seed)
        self._source = [layer for layer in self._net.param.layer if layer.type == "CPMData"]
        folder = Path(prototxt).resolve().parent
        self._data = CPMData(self._source[0], folder, GlibcRand(1)) if self._source else None
        self._adopt({name: np.zeros(shape, np.float32) for name, shape in self._net.blob_shapes.items()})

    def _adopt(self, arrays):
        self.blobs = OrderedDict((name, Blob(array)) for name, array in arrays.items())
        self.params = OrderedDict()
        for blob in self._net.learnable:
            self.params.setdefault(blob.layer, []).append(Blob(blob.parameter.detach().numpy()))

    def forward(self):
        inputs = {name: self.blobs[name].data for name in self._net.input_shapes}
        inputs = self._data.next_batch() if self._data else inputs
        with BlobRecorder(self._net) as self._recorder:
            batch = {name: torch.tensor(np.asarray(array), requires_grad=True) for name, array in inputs.items()}
            self._made = self._net({name: self._recorder.keep(name, blob) for name, blob in batch.items()})
        for name, array in self._recorder.values().items():
            self.blobs[name].data[...] = array

    def backward(self):
        starts = {name: torch.full_like(self._made[name], weight) for name, weight in self._net.loss_weights.items()}
        for name in self._net.output_names:
            starts.setdefault(name, torch.from_numpy(self.blobs[name].diff))
        torch.autograd.backward([self._made[name] for name in starts], list(starts.values()))
        for name, array in self._recorder.gradients().items():
            self.blobs[name].diff[...] = array
        for blob in self._net.learnable:
            self.params[blob.layer][blob.index].diff[...] = blob.parameter.grad


class SGDSolver:
    def __init__(self, path):
        self._training = prepare(Path(path), Options(engine="exact"))
        self.net = Net.__new__(Net)
        self.net._net = self._training.net
        self.net._adopt({name: np.zeros(shape, np.float32) for name, shape in self._training.net.blob_shapes.items()})

    def step(self, iterations):
        training = self._training
        for _ in range(iterations):
            training.solver.clear_gradients()
            with BlobRecorder(training.net) as recorder:
                training.forward_backward([recorder])
            training.solver.apply_update()
        gradients = recorder.gradients()
        for name, array in recorder.values().items():
            self.net.blobs[name].data[...] = array
            self.net.blobs[name].diff[...] = gradients[name]
        for blob, history in zip(training.net.learnable, training.solver.history, strict=True):
            self.net.params[blob.layer][blob.index].data[...] = blob.parameter.detach().numpy()
            self.net.params[blob.layer][blob.index].diff[...] = history.numpy()
