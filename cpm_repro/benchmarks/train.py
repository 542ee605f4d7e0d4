"""How fast a training iteration is: forward, backward and update of a CPM, beside plain torch with autograd and SGD.

The batch lies in memory: what the data layer takes is measured by `data`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpm_kernels.samples.labels import label_maps
from cpm_repro.network.specification import release_solver
from cpm_repro.training.solver import SGDSolver
from prototxt_import.formats import schema
from prototxt_import.operations import Operations

from . import networks
from .infer import Way, compare, comparison, limits_in_words, sweeps, sweeps_in_words
from .networks import Case, Workload
from .plain_torch import PlainTorch, plain_sgd

STRIDE, SIGMA = 8, 7.0  # of the release's labels
LEARNING_RATE = 1e-12  # random weights stay where they are

Iteration = Callable[[], np.ndarray]


def measure(workload: Workload, engine: str | Operations, rounds: int, short: bool = False) -> dict[str, Any]:
    """As `infer.measure`, in training samples/s; what is compared is the loss."""
    ways: dict[str, Way] = {networks.engine_name(engine): partial(train_engine, engine=engine), **PEERS}
    with networks.weights_of(workload) as weights:
        with networks.case_of(workload, weights) as case:
            report = compare(case, ways, rounds, short)
        if short:
            return {"engine": str(engine), **report}
        swept = {name: ways[name] for name in (networks.engine_name(engine), networks.CHANNELS_LAST)}
        return {"engine": str(engine), **report, **sweeps(workload, weights, swept, {workload: report["pipelines"]})}


def batch_of(case: Case) -> dict[str, torch.Tensor]:
    """ "data" and "label" on the device: noise, and the label maps of random joints."""
    random, (size, _, rows, columns) = np.random.default_rng(2), case.shape
    joints = random.uniform(0, rows, (size, 2, networks.PARTS, 3)).astype(np.float32)
    joints[..., 2] = 1
    labels = np.stack([label_maps(people, (rows, columns), STRIDE, SIGMA) for people in joints])
    device = case.workload.device
    return {"data": torch.from_numpy(case.data).to(device), "label": torch.from_numpy(labels).to(device)}


def solver_of_release() -> schema.SolverParameter:
    """The release's, with a learning rate so small that random weights cannot run away."""
    param = release_solver("net.prototxt", "net")
    param.base_lr = LEARNING_RATE
    return param


def train_engine(case: Case, engine: str | Operations) -> Iteration:
    """This project's iteration, as `Training.step` has it; returns the loss, (1,)."""
    net, batch = case.net(engine), batch_of(case)
    solver = SGDSolver(solver_of_release(), net, Path())

    def run() -> np.ndarray:
        solver.clear_gradients()
        loss = net.loss(net(batch))
        loss.backward()
        solver.apply_update()
        return loss.detach().reshape(1).cpu().numpy()

    return run


def train_torch(case: Case, memory_format: torch.memory_format) -> Iteration:
    """Plain torch: its modules, its autograd, its SGD; on a card with cudnn.benchmark. Returns the loss, (1,)."""
    net, batch = case.net(), batch_of(case)
    twin = PlainTorch(net).arranged(memory_format)
    batch = {name: blob.contiguous(memory_format=memory_format) for name, blob in batch.items()}
    losses, sgd = list(net.loss_weights), plain_sgd(twin, net, solver_of_release())
    del net

    def run() -> np.ndarray:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            sgd.zero_grad()
            blobs = twin(batch)
            loss = sum(blobs[name] for name in losses)
            loss.backward()
            sgd.step()
            value: np.ndarray = loss.detach().reshape(1).cpu().numpy()
            return value

    return run


PEERS = {
    "torch": partial(train_torch, memory_format=torch.contiguous_format),
    networks.CHANNELS_LAST: partial(train_torch, memory_format=torch.channels_last),
}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    remark = (
        "An iteration: forward, backward and update of a batch in memory, three times the forward pass's GFLOP. "
        "Differs by: the last loss, as a share of the first way's."
    )
    parts = (comparison(report, "sample"), remark, limits_in_words(report))
    return "\n\n".join((*parts, *sweeps_in_words(report, "sample")))
