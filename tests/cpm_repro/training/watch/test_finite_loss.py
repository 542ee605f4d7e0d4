"""A loss that is no number any more."""

import math
from types import SimpleNamespace

import pytest
import torch

from cpm_repro.training.watch.finite_loss import FiniteLoss
from prototxt_import.files import InputError


def training(weights):
    layers = [SimpleNamespace(name="conv1", top=["a"]), SimpleNamespace(name="error", top=["loss_stage2"])]
    return SimpleNamespace(
        net=SimpleNamespace(
            loss_weights={"loss_stage1": 1.0, "loss_stage2": 1.0},
            param=SimpleNamespace(layer=layers),
            learnable=[SimpleNamespace(parameter=torch.tensor(weights), layer="conv1")],
        ),
        solver=SimpleNamespace(iteration=37, rate=8e-5),
    )


@pytest.mark.parametrize(
    ("loss", "weights", "said"),
    [
        (math.nan, [1.0], "found loss_stage2 = nan; .* learning rate 8e-05.* all weights are still finite"),
        (math.inf, [1.0, math.inf], "found loss_stage2 = inf; .* the first weights .* are those of layer conv1"),
    ],
)
def test_a_loss_that_is_not_finite_is_told_with_iteration_and_layer(loss, weights, said):
    run = training(weights)
    blobs = {"loss_stage1": torch.tensor(3.0), "loss_stage2": torch.tensor(loss)}
    with pytest.raises(InputError, match=f"iteration 37: layer error: expected a finite loss, {said}"):
        FiniteLoss().after_pass(run, 0, blobs)


def test_other_losses_pass():
    blobs = {"loss_stage1": torch.tensor(3.0), "loss_stage2": torch.tensor(-1e30)}
    FiniteLoss().after_pass(training([1.0]), 0, blobs)
