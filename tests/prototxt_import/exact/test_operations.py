"""The exact engine against the original, to the last bit: every layer type, the narrow CPM, the full one, and the first
iteration of a training run."""

import hashlib
import json
import platform
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.benchmarks.plain_torch import PlainTorch
from cpm_repro.samples.data_layer import CPMData
from prototxt_import.engine import ENGINES
from prototxt_import.exact.elementwise import Split
from prototxt_import.formats.prototxt import parse_net, read_net
from prototxt_import.layers.data import Source
from prototxt_import.net import Net, load_net
from tests.bits import assert_same_bits
from tests.prototxt_import.layer_zoo import ZOO, ZOO2, ZOO_TRAIN, prototxts, run_layer

FROM_LIBM = ["sigmoid", "tanh", "elu", "power", "exp", "lrn_across", "lrn_within", "softmax", "mvn", "batchnorm_test"]
"""Layers that call exp, tanh or pow: another C library may differ from the golden files' by one unit."""
CALLS_LIBM = re.compile('type: "(BNLL|Sigmoid|TanH|ELU|Power|Exp|Log|LRN|MVN|BatchNorm|Softmax|LSTM|RNN|.*Loss)')


@pytest.fixture(scope="module")
def zoo(golden):
    return np.load(golden / "net/layer_zoo.npz")


@pytest.fixture(params=[1, 2, 4])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ZOO)
def test_layer_to_the_last_bit(zoo, name, device):
    for key, values in run_layer(zoo, name, "exact", device).items():
        if name in FROM_LIBM:
            np.testing.assert_array_max_ulp(values, zoo[key], 1)
        else:
            assert_same_bits(values, zoo[key], key)


def assert_layer_is_the_originals(zoo, name, device):
    """Bits; one unit where another C library than glibc may have other bits of exp, log, tanh or pow."""
    libm = platform.libc_ver()[0] == "glibc" or not CALLS_LIBM.search(prototxts(zoo)[name])
    for key, values in run_layer(zoo, name, "exact", device).items():
        if libm:
            assert_same_bits(values, zoo[key], key)
        else:
            np.testing.assert_array_max_ulp(values, zoo[key], 1)


@pytest.mark.parametrize("name", ZOO2)
def test_layer_of_the_second_set_to_the_last_bit(golden2, name, device):
    with np.load(golden2 / "net/layer_zoo2.npz") as zoo:
        assert_layer_is_the_originals(zoo, name, device)


@pytest.mark.parametrize("name", ZOO_TRAIN)
def test_layer_in_training_to_the_last_bit(golden2, name, device):
    with np.load(golden2 / "net/layer_zoo_train.npz") as zoo:
        assert_layer_is_the_originals(zoo, name, device)


def test_mini_cpm_to_the_last_bit(golden, threads, device):
    net = load_net(golden / "net/mini_cpm_deploy.prototxt", golden / "net/mini_cpm_deploy.caffemodel", engine="exact")
    expected = np.load(golden / "net/mini_cpm_deploy_blobs.npz")
    blobs = net.to(device)({"data": torch.from_numpy(expected["data"]).to(device)})
    for name in expected.files:
        assert_same_bits(blobs[name].detach().cpu().numpy(), expected[name], name)


def sha256(values: torch.Tensor) -> str:
    return hashlib.sha256(np.ascontiguousarray(values.detach().cpu().numpy(), "<f4").tobytes()).hexdigest()


def test_full_cpm_from_its_seed(golden, device):
    said = json.loads((golden / "net/cpm6_full.json").read_text())
    net = load_net(golden / "net/cpm6_full_deploy.prototxt", engine="exact", seed=said["random_seed"])
    with torch.no_grad():
        blobs = net.to(device)({"data": torch.from_numpy(np.load(golden / "net/cpm6_full.npz")["input"]).to(device)})
    wrong = [name for name, blob in said["blobs"].items() if sha256(blobs[name]) != blob["sha256"]]
    assert not wrong, f"{len(wrong)} of {len(said['blobs'])} blobs differ, in the order of the net: {wrong[:5]}"


class FirstIteration:
    """A replay's first forward and backward pass; `blobs` and `gradients` by name as Caffe leaves them: an in-place
    layer overwrites the values with its own and the gradient with its bottom's."""

    def __init__(self, golden, name: str, engine: str = "exact"):
        trace = np.load(golden / f"solver/{name}_trace.npz")
        self.net = Net(read_net(golden / f"solver/{name}_train.prototxt"), "TRAIN", engine, seed=1701)
        with torch.no_grad():
            for blob in self.net.learnable:
                blob.parameter.copy_(torch.from_numpy(trace[f"iter0/{blob.layer}/{blob.index}"]))
        layer = next(layer for layer in self.net.param.layer if layer.type == "CPMData")
        with CPMData(layer, golden / "solver", GlibcRand(1), "TRAIN") as data:
            blobs = {name: blob.clone() for name, blob in data.next_batch().items()}
        first = {}
        for layer in self.net.layers.values():
            if isinstance(layer, Source):
                continue
            tops = layer(*(blobs[bottom] for bottom in layer.spec.bottom))
            tops = dict(zip(layer.spec.top, tops if isinstance(tops, tuple) else (tops,), strict=True))
            blobs.update(tops)
            for top, blob in tops.items():
                if blob.requires_grad and top not in first:
                    blob.retain_grad()
                    first[top] = blob
        self.net.loss(blobs).backward()
        self.blobs = {name: blob.detach().numpy() for name, blob in blobs.items()}
        self.gradients = {name: blob.grad.numpy() for name, blob in first.items()}


def test_first_iteration_of_training(golden, threads):
    trace = np.load(golden / "solver/replay_trace.npz")
    run = FirstIteration(golden, "replay")
    recorded = [key.split("/", 1) for key in trace.files if key.startswith("blob")]
    assert len(recorded) == 100
    for kind, name in recorded:
        expected = trace[f"{kind}/{name}"]
        actual = run.blobs[name] if kind == "blob1" else run.gradients.get(name, np.zeros_like(expected))
        assert_same_bits(actual, expected, f"{kind}/{name}")
    losses = [run.blobs[name] for name in run.net.output_names]
    assert_same_bits(np.float32(losses), trace["loss"][0], "loss")


def test_first_update_of_training(golden):
    """rate · lr_mult · (gradient + decay · weight), each product and sum rounded once: the gradients must be right."""
    trace, net = np.load(golden / "solver/replay_trace.npz"), FirstIteration(golden, "replay").net
    for blob in net.learnable:
        gradient, weight = blob.parameter.grad.numpy(), blob.parameter.detach().numpy()
        decay = np.float32(0.0005) * np.float32(blob.decay_mult)
        if decay:
            gradient = (np.longdouble(decay) * weight + gradient).astype(np.float32)
        update = np.float32(0.00008) * np.float32(blob.lr_mult) * gradient
        assert_same_bits(update, trace[f"update1/{blob.layer}/{blob.index}"], f"{blob.layer}/{blob.index}")


def test_gradients_add_onto_what_is_there_image_by_image(golden):
    """Two passes without clearing are the two batches as one: not the sum of two sums."""
    text = 'input: "x" input_shape { dim: 4 dim: 3 dim: 9 dim: 9 } layer { name: "c" type: "Convolution" bottom: "x" '
    text += 'top: "c" convolution_param { num_output: 5 kernel_size: 3 weight_filler { type: "gaussian" } } }'
    x = torch.randn(4, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    together, apart = (Net(parse_net(text, "n"), engine="exact", seed=1) for _ in range(2))
    together({"x": x})["c"].sum().backward()
    for half in x.split(2):
        apart({"x": half})["c"].sum().backward()
    for a, b in zip(together.learnable, apart.learnable, strict=True):
        assert_same_bits(b.parameter.grad.numpy(), a.parameter.grad.numpy(), f"blob {a.index}")


def test_a_split_adds_in_the_order_of_use():
    x = torch.zeros(1, requires_grad=True)
    users = Split.apply(x, 3)
    sum(user * weight for user, weight in zip(users, (1.0, 2.0**-24, 2.0**-24), strict=True)).backward()
    assert float(x.grad) == 1.0  # (1 + 2^-24) + 2^-24; the other order would give 1 + 2^-23


def test_dropout_draws_from_the_nets_stream():
    text = 'input: "x" input_shape { dim: 2 dim: 50 } layer { name: "d" type: "Dropout" bottom: "x" top: "d" }'
    net = Net(parse_net(text, "n"), "TRAIN", "exact", seed=3)
    x = torch.ones(2, 50, requires_grad=True)
    before = net.random.state()
    y = net({"x": x})["d"]
    net.random.restore(before)
    kept = net.random.bernoulli(0.5, 100).reshape(2, 50)
    assert_same_bits(y.detach().numpy(), kept * np.float32(2), "y")
    (y * 3).sum().backward()
    assert_same_bits(x.grad.numpy(), kept * np.float32(6), "dx")


def test_profiles_are_engines_of_their_own():
    text = (
        'input: "x" input_shape { dim: 1 dim: 45 dim: 20 dim: 20 } layer { name: "c" type: "Convolution" bottom: "x" '
    )
    text += 'top: "c" convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }'
    x = torch.randn(1, 45, 20, 20, generator=torch.Generator().manual_seed(0))
    results = {
        engine: Net(parse_net(text, "n"), engine=engine, seed=1)({"x": x})["c"].detach().numpy().tobytes()
        for engine in ENGINES
        if engine == "fast" or engine.startswith("exact")
    }
    assert len(set(results.values())) == 6


def test_batch_norm_of_a_batch_is_close_to_the_fast_engines():
    text = 'input: "x" input_shape { dim: 3 dim: 4 dim: 5 dim: 6 } '
    text += 'layer { name: "b" type: "BatchNorm" bottom: "x" top: "b" }'
    x = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0)) * 2 + 1
    weight = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    results = []
    for engine in ("exact", "fast"):
        net, leaf = Net(parse_net(text, "n"), "TRAIN", engine), x.clone().requires_grad_()
        y = net({"x": leaf})["b"]
        (y * weight).sum().backward()
        results.append([y.detach(), leaf.grad, net.layers["b"].mean.detach(), net.layers["b"].variance.detach()])
    for exact, fast in zip(*results, strict=True):
        torch.testing.assert_close(exact, fast, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_full_cpm_takes_at_most_as_long_as_torch(golden):
    """At most 1.2 times plain torch, channels last, in the same run: the best of five each, taken in turns."""
    path = golden / "net/cpm6_full_deploy.prototxt"
    x = {"data": torch.from_numpy(np.load(golden / "net/cpm6_full.npz")["input"])}
    net = load_net(path, engine="exact", seed=1701)
    nets = {"exact": net, "torch": PlainTorch(net).to(memory_format=torch.channels_last)}
    best = dict.fromkeys(nets, float("inf"))
    with torch.no_grad():
        for _ in range(5):
            for name, run in nets.items():
                start = time.perf_counter()
                run(x)
                best[name] = min(best[name], time.perf_counter() - start)
    assert best["exact"] <= 1.2 * best["torch"], best


@pytest.mark.slow
def test_full_cpm_fits_in_memory(golden):
    """A process of its own that loads the full net and runs it stays below 2.5 GiB."""
    program = (
        "import resource, sys, torch\n"
        "from prototxt_import.net import load_net\n"
        "net = load_net(sys.argv[1], engine='exact', seed=1701)\n"
        "with torch.no_grad():\n"
        "    net({'data': torch.zeros(1, 4, 368, 368)})\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    path = str(golden / "net/cpm6_full_deploy.prototxt")
    shown = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True).stdout
    assert int(shown) < 2.5 * 2**20
