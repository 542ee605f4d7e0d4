"""Compares two dumps blob by blob, and says where and why they part; one side may be a net run now."""

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/compare.py build/demo/models/people_iter_750.caffemodel build/demo/models/people_iter_1500.caffemodel \\
    --prototxt build/demo/models/deploy.prototxt --max-ulp 4 --html build/demo/report.html
"""
DIFFERENT = 1
AUTO = command_line.EVERY_MACHINE


def main(arguments: argparse.Namespace) -> int:
    from cpm_repro.array_comparison import Limits
    from cpm_repro.compare.blobs import compare_dumps
    from cpm_repro.compare.diagnosis import Diagnosis
    from cpm_repro.compare.dump_files import open_dump
    from cpm_repro.compare.layers.machines import computing_as
    from cpm_repro.compare.matlab_axes import in_caffes_axes
    from cpm_repro.compare.order import NetworkOrder
    from cpm_repro.compare.text import lines

    check(arguments)
    if arguments.engine == AUTO and arguments.solver:
        return find_trainer(arguments)
    with ExitStack() as opened:
        a = opened.enter_context(open_dump(arguments.a))
        solver, prototxt = read_solver(arguments)
        net = filled_net(arguments, prototxt)
        given = opened.enter_context(open_dump(arguments.b)) if arguments.b else None
        a, given = in_caffes_axes(a, given, net.blob_shapes if net else {})
        taken = () if arguments.b or arguments.input else recorded_inputs(net, a)
        machine = find_machine(arguments, net, a)
        if machine:
            opened.enter_context(computing_as(net, machine.profile))
        b = given or live_dump(arguments, net, a)
        order = NetworkOrder(a.names, b.names, net.param if net else read_layers(prototxt, variant(arguments)))
        limits = Limits(arguments.max_ulp, arguments.rtol, arguments.atol)
        comparison = compare_dumps(a, b, order, limits, arguments.common, taken)
        origins = Diagnosis(comparison, a, b, order, net, solver).origins()
        print(*lines(comparison, origins), sep="\n")
        if machine:
            print("", *machine.lines(), machine.verdict(comparison.equal, len(comparison.blobs) - len(taken)), sep="\n")
        write(arguments, comparison, origins, machine, a, b)
    return 0 if comparison.equal else DIFFERENT


def write(arguments: argparse.Namespace, comparison, origins, machine, a, b) -> None:
    """The files that --json and --html ask for."""
    from cpm_repro.compare.text import as_json
    from prototxt_import.files import write_text

    if arguments.json:
        content = as_json(comparison, origins) | ({"machine": str(machine.profile)} if machine else {})
        write_text(arguments.json, json.dumps(content, indent=1, allow_nan=False) + "\n")
    if arguments.html:
        from cpm_repro.compare.page import write_page

        write_page(arguments.html, comparison, origins, a, b)


def check(arguments: argparse.Namespace) -> None:
    """InputError for options that do not go together."""
    from prototxt_import.files import InputError

    filled = arguments.weights is not None or arguments.seed is not None
    if arguments.engine == AUTO and arguments.solver and arguments.b is None:
        return check_training(arguments)
    shown = arguments.prototxt or arguments.solver or arguments.weights
    if arguments.b is None and not (shown and filled):
        raise InputError("expected a second dump, or a net to compute it: --prototxt with --weights or --seed")
    if arguments.engine == AUTO and arguments.b is not None:
        raise InputError(f"--engine {AUTO}: expected one dump and a net, found two dumps")
    if arguments.b is not None and (arguments.input or arguments.gradients):
        raise InputError("--input and --gradients: expected one dump and a net, found two dumps")
    limits = {"max-ulp": arguments.max_ulp, "rtol": arguments.rtol, "atol": arguments.atol}
    for name, value in limits.items():
        if not value >= 0:  # nor NaN
            raise InputError(f"--{name}: expected a number of at least 0, found {value}")
    if filled and not shown:
        raise InputError("--weights and --seed: expected --prototxt with them, found none")


def check_training(arguments: argparse.Namespace) -> None:
    """InputError for options that say nothing of whose losses a training's are."""
    from prototxt_import.files import InputError

    named = {"--prototxt": arguments.prototxt, "--seed": arguments.seed is not None, "--input": arguments.input}
    named |= {"--gradients": arguments.gradients, "--json": arguments.json, "--html": arguments.html}
    named |= {"--phase": arguments.phase, "--stage": arguments.state_stages, "--level": arguments.level is not None}
    named |= {"--input-shape": arguments.input_shape, "--device": arguments.device != "cpu"}
    if found := ", ".join(name for name, given in named.items() if given):
        raise InputError(
            f"--engine {AUTO} with --solver: expected a trace or a log and --weights at most, found {found}"
        )


def find_trainer(arguments: argparse.Namespace) -> int:
    """With --engine exact:auto and --solver, the machine whose losses A has."""
    from cpm_repro.compare.training_machines import find_trainer

    machine = find_trainer(arguments.a, arguments.solver, arguments.weights)
    tried = next(trial.tried for trial in machine.trials if trial.profile == machine.profile)
    print(*machine.lines(), machine.verdict(machine.fits, tried), sep="\n")
    return 0 if machine.fits else DIFFERENT


def read_solver(arguments: argparse.Namespace) -> tuple:
    """(solver, the net's text): what --solver and --prototxt name; a solver's net in the state it is trained in."""
    from cpm_repro.convert.weights import Prototxt
    from cpm_repro.training import plan
    from cpm_repro.training.solver import check_solver
    from prototxt_import.formats import prototxt

    given = Prototxt(prototxt.read_text(arguments.prototxt), str(arguments.prototxt)) if arguments.prototxt else None
    if arguments.solver is None:
        return None, given
    solver = prototxt.read_solver(arguments.solver)
    check_solver(solver, str(arguments.solver))
    if given:
        return solver, given
    plan.check_nets(solver, str(arguments.solver))
    net = plan.net_in_phase(solver, arguments.solver, variant(arguments).phase)
    return solver, Prototxt(prototxt.format_prototxt(net.param), net.where)


def filled_net(arguments: argparse.Namespace, prototxt):
    """The net with its weights, if there are any."""
    from cpm_repro.convert.weights import net_of

    if arguments.weights is None and arguments.seed is None:
        return None
    engine = "exact" if arguments.engine == AUTO else arguments.engine
    how = (arguments.seed, arguments.channel_order, variant(arguments), engine)
    return net_of(arguments.weights, prototxt, *how).to(arguments.device)


def find_machine(arguments: argparse.Namespace, net, a):
    """With --engine exact:auto, the machine that made A."""
    from cpm_repro.compare.machines import find_machine
    from cpm_repro.compare.order import NetworkOrder

    return find_machine(a, net, NetworkOrder(a.names, (), net.param)) if arguments.engine == AUTO else None


def read_layers(prototxt, asked):
    """The net's layers only, with Caffe's Splits."""
    from prototxt_import.graph import filter_net, insert_splits

    return insert_splits(filter_net(asked.of(*prototxt), asked.phase)) if prototxt else None


def variant(arguments: argparse.Namespace):
    """Which of the prototxt's nets: with --solver the one that it trains, unless --phase says otherwise."""
    from dataclasses import replace

    asked = command_line.variant(arguments)
    return replace(asked, phase=asked.phase or ("TRAIN" if arguments.solver else "TEST"))


def live_dump(arguments: argparse.Namespace, net, a):
    """What the net computes from --input, or else from the inputs recorded in A."""
    from cpm_repro.compare.dump import dump_net
    from cpm_repro.compare.dump_files import dump_of
    from cpm_repro.npz import read_npz

    where = arguments.input or arguments.a
    inputs = read_npz(where) if arguments.input else {name: a.read(name) for name in recorded_inputs(net, a)}
    arrays = dump_net(net, inputs, arguments.gradients, str(where))
    shown = ", ".join(described(name, arrays[name]) for name in net.input_shapes)
    net_file = arguments.prototxt or arguments.solver or arguments.weights
    return dump_of(f"{net_file}, run now on {shown} of {where}", arrays)


def recorded_inputs(net, a) -> tuple[str, ...]:
    """The arrays of A that the net can start from: input blobs, and the incoming gradients of outputs."""
    wanted = {*net.input_shapes, *(f"{name}.diff" for name in net.output_names)}
    return tuple(name for name in a.names if name in wanted)


def described(name: str, array) -> str:
    """An input as a reader can check it: shape and range."""
    return f"{name} ({'×'.join(map(str, array.shape))}, {array.min():.4g} … {array.max():.4g})"


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument(
        "a",
        metavar="A",
        type=Path,
        help="a dump: .npz, .h5, .mat, .caffemodel or a folder of .npy; a trace; a log with exact:auto",
    )
    parser.add_argument("b", metavar="B", type=Path, nargs="?", help="another; without it the net is run")
    limits = parser.add_argument_group("when two elements agree (default: equal bits)")
    limits.add_argument("--max-ulp", metavar="N", type=int, default=0, help="at most N representable values apart")
    limits.add_argument("--rtol", metavar="R", type=float, default=0.0, help="or |a − b| ≤ A + R·max(|a|, |b|)")
    limits.add_argument("--atol", metavar="A", type=float, default=0.0, help="the A of --rtol")
    limits.add_argument("--common", action="store_true", help="a blob on one side only is no difference")
    net = parser.add_argument_group("the net")
    net.add_argument("--prototxt", metavar="P", type=Path, help="names the layers, and their order")
    start = net.add_mutually_exclusive_group()
    command_line.add_weights(start)
    start.add_argument("--seed", metavar="N", type=int, help="fill the weights as Caffe does with this random_seed")
    command_line.add_channel_order(net)
    net.add_argument("--input", metavar="I.npz", type=Path, help="an array for each input blob (default: those in A)")
    net.add_argument("--gradients", action="store_true", help="run backward too")
    command_line.add_variant(net)
    net.set_defaults(phase=None)  # see `variant`
    net.add_argument(
        "--solver",
        metavar="S",
        type=Path,
        help="of a training trace: names the net, whose phase is TRAIN then by default, and knows the rate",
    )
    command_line.add_engine(net, auto=True)
    command_line.add_device(net)
    command_line.add_threads(net)
    parser.add_argument("--json", metavar="R.json", type=Path, help="write everything that was measured")
    parser.add_argument("--html", metavar="R.html", type=Path, help="write a page to look at, in one file")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
