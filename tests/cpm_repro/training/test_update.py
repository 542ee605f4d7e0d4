"""The update of all blobs: in whatever order a blob and its gradient lie in memory, the bits of one blob's update."""

import numpy as np
import torch

from cpm_kernels.exact.solvers import SolverStep, solver_update
from cpm_repro.training.update import update_blobs
from tests.bits import assert_same_bits


def test_memory_order_does_not_change_a_bit():
    random = np.random.default_rng(0)
    shapes = [(6, 5, 3, 7), (6,), (4, 3, 1, 1), ()]
    orders = [torch.channels_last, torch.contiguous_format, torch.channels_last, torch.contiguous_format]
    steps = [SolverStep(rate=0.1 / (i + 1), momentum=0.9, decay=0.01 * i, share=0.5) for i in range(4)]
    arrays = [[random.standard_normal(shape).astype(np.float32) for shape in shapes] for _ in range(3)]
    weights, gradients, histories = ([torch.tensor(array) for array in blobs] for blobs in arrays)
    weights, histories = (
        [blob.to(memory_format=order) for blob, order in zip(blobs, orders, strict=True)]
        for blobs in (weights, histories)
    )
    update_blobs(weights, gradients, histories, steps, [None] * 4)
    for weight, gradient, history, step in zip(*arrays, steps, strict=True):
        solver_update(weight, gradient, history, step)
    for tensors, expected in ((weights, arrays[0]), (histories, arrays[2]), (gradients, arrays[1])):
        for tensor, array in zip(tensors, expected, strict=True):
            assert_same_bits(tensor.numpy(), array, str(array.shape))


def test_a_net_without_blobs_has_nothing_to_update():
    update_blobs([], [], [], [], [])
