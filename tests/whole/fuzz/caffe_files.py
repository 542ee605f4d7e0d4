"""Prototxts and weights, the project's and the golden ones: how they are broken, and everything that reads them.

Each kind is a function that writes what its readers need into a folder and returns the seeds; it is called again in the
process that reads.
"""

import json
from math import prod
from pathlib import Path

import numpy as np
import torch
from google.protobuf import text_format
from google.protobuf.message import Message

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.network.specification import CPM, Widths, cpm_deploy, cpm_train, release_solver
from cpm_repro.samples.data_layer import CPMData
from cpm_repro.training.solver import check_solver, learning_rate
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel, write_hdf5
from prototxt_import.formats.prototxt import format_prototxt, read_net, read_solver
from prototxt_import.formats.solverstate import read_solverstate
from prototxt_import.net import Net, load_net
from tests.foreign_nets import WITH_OPENCV, WITHOUT_OPENCV, foreign_net
from tests.whole.fuzz.mutations import Mutation, broken_bytes, broken_message, broken_text
from tests.whole.fuzz.shared_seeds import golden, message_bytes, tiny_transform, write_lmdb
from tests.whole.fuzz.watched import Seed, attempt

FEW_VALUES = 200_000  # parameters, and blob values, of nets that are built and run, not only laid out
FEW_STEPS = 20_000_000  # multiplications of such nets
FEW_PIXELS = 300_000  # of batches that are made


# --- prototxts


def _message_text(message: type[Message]) -> Mutation:
    """Breaks text by its fields."""

    def broken(content: bytes, random: np.random.Generator) -> bytes:
        parsed = text_format.Parse(content.decode(), message())
        return format_prototxt(broken_message(parsed, random)).encode()

    return broken


def _tiny_cpm() -> CPM:
    return CPM(parts=14, stages=2, widths=Widths(3, 2, 5, 4), dropout=0.5)


def prototxts(folder: Path) -> list[Seed]:
    """Nets and solvers: laid out in both phases, and built, filled, run by both engines and fed if they are small."""
    write_lmdb(folder / "lmdb")
    texts = {name: foreign_net(name)[1] for name in (*WITH_OPENCV, *WITHOUT_OPENCV)}
    texts["deploy"] = format_prototxt(cpm_deploy(_tiny_cpm(), (40, 48)))
    texts["train"] = format_prototxt(cpm_train(_tiny_cpm(), "lmdb", 2, tiny_transform()))
    texts |= {f"golden_{path.stem}": path.read_text() for path in golden("net/*.prototxt")}
    zoo = golden("net/layer_zoo.npz")
    if zoo:
        layers = json.loads(str(np.load(zoo[0])["prototxt"]))
        texts |= {f"zoo_{name}": text for name, text in layers.items()}
    nets = (broken_text, _message_text(schema.NetParameter))
    seeds = [Seed(f"{name}.prototxt", text.encode(), nets, _read_net_text) for name, text in texts.items()]
    solver = format_prototxt(release_solver("train.prototxt", "snapshot")).encode()
    solvers = (broken_text, _message_text(schema.SolverParameter))
    return seeds + [Seed("solver.prototxt", solver, solvers, _read_solver_text)] * 4


def _read_net_text(path: Path) -> int:
    param = attempt(read_net, path)
    if param is None:
        return 0
    for phase in ("TRAIN", "TEST"):
        laid_out = attempt(Net, param, phase, only_shapes=True, names="")
        if laid_out is not None and _is_small(laid_out):
            _run(path, phase)
    for layer in param.layer:
        if layer.type == "CPMData":
            _feed(layer, path.parent)
    return 50 * FEW_VALUES


def _is_small(net: Net) -> bool:
    steps = 0
    for layer in net.layers.values():
        weights = max((getattr(layer, name).numel() for name in layer.blob_names), default=0)
        steps += weights * max((prod(shape[2:]) * shape[0] for shape in layer.shapes_of_tops if shape), default=0)
    values = sum(map(prod, net.blob_shapes.values()))
    return values < FEW_VALUES and sum(p.numel() for p in net.parameters()) < FEW_VALUES and steps < FEW_STEPS


def _run(path: Path, phase: str) -> None:
    for engine in ("fast", "exact"):
        net = attempt(load_net, path, phase=phase, engine=engine, seed=1)
        if net is not None:
            random = np.random.default_rng(0)
            shapes = net.input_shapes.items()
            inputs = {n: torch.from_numpy(random.standard_normal(shape, np.float32)) for n, shape in shapes}
            attempt(net, inputs, names="")


def _feed(layer: schema.LayerParameter, folder: Path) -> None:
    param, source = layer.transform_param, layer.cpmdata_param
    pixels = source.batch_size * param.crop_size_x * param.crop_size_y * (2 * param.num_parts + 6)
    if not 0 <= pixels < FEW_PIXELS or max(param.scale_max, param.target_dist) > 4:
        return
    data = attempt(CPMData, layer, folder, GlibcRand(1), names="layer")
    if data is not None:
        with data:
            attempt(data.next_batch, names="layer")


def _read_solver_text(path: Path) -> None:
    solver = attempt(read_solver, path)
    if solver is not None:
        attempt(_check_rates, solver, str(path), names=path)


def _check_rates(solver: schema.SolverParameter, where: str) -> None:
    check_solver(solver, where)
    for iteration in (0, 1, 1000):
        learning_rate(solver, iteration)


# --- weights


def weights(folder: Path) -> list[Seed]:
    """Caffemodels (V2, V1, HDF5) and solver states, read alone and into their net."""
    seeds = []
    for name in ("lenet_v1", "resnet", "dilated"):
        net, text = foreign_net(name)
        (folder / f"{name}.prototxt").write_text(text)
        seeds += _weight_seeds(folder, name, net.to_caffemodel())
    v1 = text_format.Parse(WITH_OPENCV["lenet_v1"], schema.NetParameter())
    for layer, stored in zip(v1.layers, foreign_net("lenet_v1")[0].to_caffemodel().layer[1:], strict=False):
        layer.blobs.extend(stored.blobs)
    seeds.append(_caffemodel_seed("lenet_v1.v1.caffemodel", v1.SerializeToString()))
    state = schema.SolverState(iter=3, learned_net="lenet_v1.caffemodel", current_step=1)
    state.history.extend(blob for layer in v1.layers for blob in layer.blobs)
    content = state.SerializeToString()
    seeds.append(_solverstate_seed("lenet_v1.solverstate", content))
    for path in golden("net/mini_cpm_deploy.caffemodel*"):
        (folder / "mini_cpm_deploy.prototxt").write_bytes(path.with_name("mini_cpm_deploy.prototxt").read_bytes())
        seeds.append(_caffemodel_seed(path.name, path.read_bytes()))
    return seeds + [_solverstate_seed(path.name, path.read_bytes()) for path in golden("solver/replay*_10.solverstate")]


def _weight_seeds(folder: Path, name: str, net: schema.NetParameter) -> list[Seed]:
    write_hdf5(folder / "good.h5", net)
    content = (folder / "good.h5").read_bytes()
    return [
        _caffemodel_seed(f"{name}.caffemodel", net.SerializeToString()),
        _caffemodel_seed(f"{name}.caffemodel.h5", content),
    ]


def _caffemodel_seed(name: str, content: bytes) -> Seed:
    by_field = () if name.endswith(".h5") else (message_bytes(schema.NetParameter),)
    return Seed(name, content, (broken_bytes, *by_field), _read_weights)


def _solverstate_seed(name: str, content: bytes) -> Seed:
    return Seed(name, content, (broken_bytes, message_bytes(schema.SolverState)), _read_state)


def _read_weights(path: Path) -> int:
    attempt(read_caffemodel, path)
    net = attempt(load_net, path.with_name(f"{path.name.split('.')[0]}.prototxt"), path, names=path)
    return 0 if net is None else sum(4 * p.numel() for p in net.parameters())


def _read_state(path: Path) -> None:
    attempt(read_solverstate, path)
