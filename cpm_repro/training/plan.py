"""What a solver prototxt says, read with its nets and checked before anything is built (Caffe: Solver::Init,
Solver::InitTrainNet, Solver::InitTestNets).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cpm_repro.samples.data_layer import source_of
from prototxt_import.files import InputError, naming
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import checked_net, read_net, read_solver
from prototxt_import.graph import check_order, filter_net, left_out

from .solver import check_solver

_TRAIN_FIELDS = ("train_net_param", "train_net", "net_param", "net")
_MOST_TESTS = 100  # each takes the memory of a whole net


@dataclass(frozen=True)
class SolverNet:
    """One net of a solver.

    source: how Caffe's log names where it stands, such as "net file: x.prototxt"; where: how messages do; folder: where
    the names in it start from; param: all its layers, and as its `state` what the rules of its layers are asked about;
    layers: those that are in it.
    """

    source: str
    where: str
    folder: Path
    phase: str
    param: schema.NetParameter
    layers: schema.NetParameter


@dataclass(frozen=True)
class Plan:
    """A run: nothing is built yet.

    folder: the solver's, where its relative names start from; net: the training net; tests: the nets to test with;
    weights: the caffemodels to start from, in the order in which they are copied.
    """

    param: schema.SolverParameter
    folder: Path
    net: SolverNet
    tests: list[SolverNet]
    weights: list[Path]


def read_plan(solver_path: Path, stages: Sequence[str] = (), level: int | None = None) -> Plan:
    """The plan of a solver; `stages` and `level` join those of its train_state. InputErrors name file and field."""
    param = read_solver(solver_path)
    check_solver(param, str(solver_path))
    check_nets(param, str(solver_path))
    add_state(param.train_state, stages, level)
    folder = solver_path.resolve().parent
    weights = [folder / name.strip() for names in param.weights for name in names.split(",") if name.strip()]
    return Plan(param, folder, training_net(param, solver_path), testing_nets(param, solver_path), weights)


def add_state(state: schema.NetState, stages: Sequence[str], level: int | None) -> None:
    """What `caffe`'s flags --stage and --level put into a state: without them level 0 and one stage without a name."""
    state.stage.extend(stages or [""])
    if level is not None or not state.HasField("level"):
        state.level = level or 0


def training_net(param: schema.SolverParameter, solver_path: Path) -> SolverNet:
    """The net that a solver trains; InputErrors name the file that is wrong."""
    field = next(name for name in _TRAIN_FIELDS if param.HasField(name))
    return _net(param, solver_path, field, 0, "TRAIN", param.train_state)


def net_in_phase(param: schema.SolverParameter, solver_path: Path, phase: str) -> SolverNet:
    """The net that a checked solver trains, in that phase; in TEST the first that it tests, if it tests any."""
    if phase == "TRAIN":
        return training_net(param, solver_path)
    if param.test_iter:
        return testing_nets(param, solver_path)[0]
    field = next(name for name in _TRAIN_FIELDS if param.HasField(name))
    return _net(param, solver_path, field, 0, phase, schema.NetState())


def testing_nets(param: schema.SolverParameter, solver_path: Path) -> list[SolverNet]:
    """The nets that it tests, in Caffe's order: those that the solver holds, those of files, and for what test_iter
    there is beyond these the training net's file again; each with its test_state."""
    own = [("test_net_param", index) for index in range(len(param.test_net_param))]
    files = [("test_net", index) for index in range(len(param.test_net))]
    generic = "net_param" if param.HasField("net_param") else "net"
    more = [(generic, 0)] * (len(param.test_iter) - len(own) - len(files))
    states = list(param.test_state) or [schema.NetState()] * len(param.test_iter)
    nets = zip([*own, *files, *more], states, strict=True)
    return [_net(param, solver_path, field, index, "TEST", state) for (field, index), state in nets]


def _net(
    param: schema.SolverParameter, solver_path: Path, field: str, index: int, phase: str, state: schema.NetState
) -> SolverNet:
    value = getattr(param, field)
    value = value[index] if field.startswith("test_") else value
    folder = solver_path.resolve().parent
    if isinstance(value, str):
        path = folder / value
        if not os.path.isfile(path):  # False for a name too long, too
            expected = f"expected the file '{value}' beside the solver"
            raise InputError(f"{solver_path}: {field}: {expected}, found none at {path}")
        return in_phase(read_net(path), phase, state, f"{field} file: {value}", str(path), path.parent)
    where, net = f"{solver_path}: {field}", schema.NetParameter()
    net.CopyFrom(value)
    return in_phase(checked_net(net, where), phase, state, field, where, folder)


def in_phase(
    net: schema.NetParameter, phase: str, state: schema.NetState, source: str, where: str, folder: Path
) -> SolverNet:
    """A net in that phase, with level and stages of its own `state` and of another, which comes last."""
    whole = schema.NetState(phase=getattr(schema, phase))
    whole.MergeFrom(net.state)
    whole.MergeFrom(state)
    if whole.phase != getattr(schema, phase):
        doing, found = {"TRAIN": ("training", "TEST"), "TEST": ("testing", "TRAIN")}[phase]
        raise InputError(f"{where}: state: expected the phase {phase} in {doing}, found {found}")
    net.state.CopyFrom(whole)
    with naming(where):
        layers = filter_net(net, phase)
        check_order(layers, partial(left_out, net, phase))
    return SolverNet(source, where, folder, phase, net, layers)


def check_nets(param: schema.SolverParameter, where: str) -> None:
    """InputError, naming file and field, unless a solver names one net to train and fits its test nets."""

    def require(fits: bool, expected: str, found: object) -> None:
        if not fits:
            raise InputError(f"{where}: {expected}, found {found}")

    given = [name for name in _TRAIN_FIELDS if param.HasField(name)]
    one = "expected one of net, train_net, net_param and train_net_param"
    require(len(given) == 1, one, " and ".join(sorted(given)) or "none")
    named, count = len(param.test_net) + len(param.test_net_param), len(param.test_iter)
    if given[0] in ("net", "net_param"):
        require(count >= named, f"test_iter: expected one for each of {named} test nets", count)
    else:
        require(count == named, f"test_iter: expected one for each of {named} test nets", count)
    require(max(named, count) <= _MOST_TESTS, f"test nets: expected at most {_MOST_TESTS}", max(named, count))
    states = len(param.test_state)
    require(states in (0, count), f"test_state: expected none or one for each of {count} test nets", states)
    interval, smallest = param.test_interval, min(param.test_iter, default=1)
    require(not count or interval > 0, "test_interval: expected 1 or more where there is a test_iter", interval)
    require(smallest > 0, "test_iter: expected 1 or more", smallest)


def check_names(nets: Sequence[SolverNet]) -> None:
    """InputError for two layers of one name that read one database: Caffe gives them one reader, and refuses that."""
    seen: dict[tuple[str, Path], str] = {}
    for net in nets:
        for layer in (layer for layer in net.layers.layer if layer.type in ("CPMData", "Data")):
            source = source_of(layer).source
            reader = layer.name, (net.folder / source).resolve()
            if reader in seen:
                expected = f"expected another name or source than that of a layer in {seen[reader]}"
                way = "Caffe stops at that: give each phase a data layer of its own by include { phase: … }"
                found = f"found the same two: {source} ({way})"
                raise InputError(f"{net.where}: layer '{layer.name}': {expected}, {found}")
            seen[reader] = net.where
