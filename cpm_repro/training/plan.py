"""What a solver prototxt and its net say, read and checked before anything is built (Caffe: Solver::Init,
Solver::InitTrainNet).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import checked_net, read_net, read_solver
from prototxt_import.graph import check_order, filter_net

from .solver import check_solver

_NETS = ("net", "train_net", "net_param", "train_net_param")


@dataclass(frozen=True)
class Plan:
    """A run: nothing is built yet.

    folder: the solver's, where its relative names start from; net: the training net's layers of the TRAIN phase and of
    the state that the solver asks for; where: how messages name it; name: how the log does; net_folder: where the names
    in it start from; weights: the caffemodels to start from, in the order in which they are copied.
    """

    param: schema.SolverParameter
    folder: Path
    net: schema.NetParameter
    where: str
    name: str
    net_folder: Path
    weights: list[Path]


def read_plan(solver_path: Path, stages: Sequence[str] = (), level: int | None = None) -> Plan:
    """The plan of a solver; `stages` and `level` join those of its train_state. InputErrors name file and field."""
    param = read_solver(solver_path)
    check_solver(param, str(solver_path))
    param.train_state.stage.extend(stages)
    if level is not None:
        param.train_state.level = level
    folder = solver_path.resolve().parent
    net, where, net_folder, name = _net(param, folder, solver_path)
    net.state.CopyFrom(_state(net, param, where))
    weights = [folder / name.strip() for names in param.weights for name in names.split(",") if name.strip()]
    return Plan(param, folder, _training_net(net, where), where, name, net_folder, weights)


def _net(param: schema.SolverParameter, folder: Path, solver_path: Path) -> tuple[schema.NetParameter, str, Path, str]:
    """The training net, how messages name it, the folder where its names start from, and its name in the log."""
    field = next(name for name in _NETS if param.HasField(name))
    if field.endswith("_param"):
        where = f"{solver_path}: {field}"
        net = schema.NetParameter()
        net.CopyFrom(getattr(param, field))
        return checked_net(net, where), where, folder, net.name or solver_path.stem
    path = folder / getattr(param, field)
    if not path.is_file():
        name = getattr(param, field)
        raise InputError(f"{solver_path}: {field}: expected the file '{name}' beside the solver, found none at {path}")
    return read_net(path), str(path), path.parent, path.stem


def _state(net: schema.NetParameter, param: schema.SolverParameter, where: str) -> schema.NetState:
    """TRAIN, with level and stages of the net's own `state` and of the solver's train_state, which comes last."""
    state = schema.NetState(phase=schema.TRAIN)
    state.MergeFrom(net.state)
    state.MergeFrom(param.train_state)
    if state.phase != schema.TRAIN:
        raise InputError(f"{where}: state or train_state: expected the phase TRAIN in training, found TEST")
    return state


def _training_net(net: schema.NetParameter, where: str) -> schema.NetParameter:
    """The layers of the TRAIN phase, in an order that can be computed."""
    try:
        training = filter_net(net, "TRAIN")
        check_order(training)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return training
