"""From a solver prototxt to a training run: everything is read and checked first, then built (Caffe: Solver::Init)."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.convert.stored_weights import read_weights
from cpm_repro.samples.data_layer import DataOptions
from cpm_repro.samples.data_layers import DataLayers, Opening, open_data_layers
from cpm_repro.samples.timeline import Timeline
from prototxt_import.engine import make_engine
from prototxt_import.files import InputError, naming
from prototxt_import.net import Net
from prototxt_import.operations import Operations
from prototxt_import.share import WHOLE_BATCH, Share

from .gradient_exchange import exchange_gradients
from .loop import Training
from .plan import Plan, SolverNet, check_names, read_plan
from .processes import check_shareable
from .run_state import check_run_state, restore_run_state, run_state_path
from .solver import SGDSolver
from .testing import SmoothedLoss, TestNet
from .watch import net_log

DEFAULT_SEED = 1  # for solvers without random_seed: Caffe would take the time of day


@dataclass(frozen=True)
class Options:
    """How to train, beyond what the solver prototxt says.

    weights: to start from, instead of those that the solver names, in any file that `read_weights` reads;
    channel_order: "bgr" or "rgb", what they were trained on; snapshot: a `.solverstate` to continue, whose weights come
    before either; srand: seed of the data layer's rand() (the original's is never seeded:
    1); threads, profile and skip_bad: the data layer's, see DataOptions. trace: a `.npz` to record the run in. A run
    that continues goes on with the data and random numbers where the snapshot left them; resume_like_caffe: both start
    over, as the original's do. recompute: backward computes the feature extractors' blobs again, which takes less
    memory and more time. timeline: whether to record what the threads do in a few iterations. overwrite: start anew
    although snapshots of another run have the same prefix. stages and level: of the net's state, besides what the
    solver's train_state says.
    """

    weights: Path | None = None
    snapshot: Path | None = None
    engine: str | Operations = "fast"
    device: str = "cpu"
    srand: int = 1
    threads: int | None = None
    profile: str = "opencv4"
    skip_bad: bool = False
    trace: Path | None = None
    resume_like_caffe: bool = False
    recompute: bool = False
    timeline: bool = False
    overwrite: bool = False
    stages: Sequence[str] = ()
    level: int | None = None
    channel_order: str | None = None


def prepare(solver_path: Path, options: Options, share: Share = WHOLE_BATCH) -> Training:
    """The run that a solver prototxt describes, ready to step; InputErrors name the file that is wrong.

    Paths in the solver and the net are relative to the file that names them. Where several processes train together,
    each with its share of the batch, all do the same steps and have the same blobs, losses and random numbers.
    """
    plan, engine = read_plan(Path(solver_path), options.stages, options.level), _engine(options)
    return _build(plan, engine, options, share)


def _engine(options: Options) -> Operations:
    engine = make_engine(options.engine)
    check_trains(engine)
    return engine


def check_trains(engine: Operations) -> None:
    """InputError for an engine that one cannot train with."""
    if not engine.trains:
        raise InputError(f"--engine {engine}: expected an engine to train with, such as fast:bf16; fp16 is too narrow")


def _build(plan: Plan, engine: Operations, options: Options, share: Share) -> Training:
    check_names([plan.net, *plan.tests])
    timeline = Timeline(options.timeline)
    shuffles = GlibcRand(options.srand)
    with ExitStack() as opened:  # closes the data layers after an error
        data = opened.enter_context(_open_data(plan.net, options, shuffles, share, timeline))
        net = _build_shared_net(plan, data, engine, options.device, share)
        tests = [
            _build_test(test, iterations, net, options, shuffles, opened)
            for test, iterations in zip(plan.tests, plan.param.test_iter, strict=True)
        ]
        exchanges = exchange_gradients(net, share, plan.param.iter_size)
        solver = SGDSolver(plan.param, net, plan.folder)
        started = _start_from(solver, tests, plan, options)
        training = Training(
            param=plan.param,
            net_name=plan.net.param.name,
            net=net,
            forward=net.forward_recomputing if options.recompute else net,
            solver=solver,
            data=data,
            share=share,
            exchanges=exchanges,
            timeline=timeline,
            smoothed=SmoothedLoss(max(plan.param.average_loss, 1)),
            plan=plan,
            started=started,
            tests=tests,
        )
        training.resumed_exactly = _restore_run_state(training, options)
        opened.pop_all()
    return training


def _seed(plan: Plan) -> int:
    seed = plan.param.random_seed if plan.param.random_seed >= 0 else DEFAULT_SEED
    torch.manual_seed(seed)
    return seed


def _open_data(net: SolverNet, options: Options, shuffles: GlibcRand, share: Share, timeline: Timeline) -> DataLayers:
    how = DataOptions(options.threads, options.device, options.profile, options.skip_bad, share, timeline)
    return open_data_layers(net.layers, Opening(net.folder, net.phase, options.srand, shuffles, how), net.where)


def _build_net(spec: SolverNet, data: DataLayers, engine: Operations, device: str, seed: int | CaffeRandom) -> Net:
    """A net with its fillers' weights; its data layers are ready."""
    with naming(spec.where):
        net = Net(spec.param, spec.phase, engine, seed, data_shapes=data.shapes).to(device)
    data.start(net)
    return net


def _build_shared_net(plan: Plan, data: DataLayers, engine: Operations, device: str, share: Share) -> Net:
    """The training net, with this process's share of the batch."""
    net = _build_net(plan.net, data, engine, device, _seed(plan))
    check_shareable(net, share, plan.net.where)
    net.share_batch(share)
    return net


def _build_test(
    spec: SolverNet, iterations: int, trained: Net, options: Options, shuffles: GlibcRand, opened: ExitStack
) -> TestNet:
    """A test net, whose fillers draw on from the training net's generator. Of several processes each tests alone."""
    how = _open_data(spec, options, shuffles, WHOLE_BATCH, Timeline(active=False))
    data = opened.enter_context(how)
    net = _build_net(spec, data, trained.engine, options.device, trained.random)
    with naming(spec.where):
        net.check_trained_layers(trained)
    return TestNet(spec, net, data, iterations)


def _start_from(solver: SGDSolver, tests: Sequence[TestNet], plan: Plan, options: Options) -> list[str]:
    """Takes the weights that the run starts from; returns what Caffe's log says of them."""
    if options.snapshot is not None:
        solver.restore(options.snapshot)
        return net_log.resuming_lines(options.snapshot)
    lines, nets = [], [solver.net, *(test.net for test in tests)]
    for path in plan.weights if options.weights is None else [options.weights]:
        weights = read_weights(path, options.channel_order)
        lines.append(net_log.finetuning_line(path))
        for net in nets:
            lines += net_log.weights_lines(path, weights.finetune(net), net)
    return lines


def _restore_run_state(training: Training, options: Options) -> bool:
    """Whether data and random numbers go on from where the snapshot left them; False: they start over, because its run
    state is not there or not wanted."""
    if options.snapshot is None or not run_state_path(Path(options.snapshot)).exists():
        return False
    if options.resume_like_caffe:
        check_run_state(Path(options.snapshot), training.solver)
        return False
    restore_run_state(Path(options.snapshot), training.solver, training.positions, training.smoothed)
    return True
