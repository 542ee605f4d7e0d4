"""A loss that is no number any more: the run stops before the update that would spoil every weight."""

import math

import torch

from prototxt_import.files import InputError

from ..loop import Blobs, Hook, Training


class FiniteLoss(Hook):
    """Asks after each pass whether the losses are finite, and if not says which layer's is none since when."""

    def after_pass(self, training: Training, number: int, blobs: Blobs) -> None:
        for name, weight in training.net.loss_weights.items():
            value = float(blobs[name].detach().sum()) if name in blobs else 0.0
            if not math.isfinite(value * weight):
                raise InputError(_sentence(training, name, value))


def _sentence(training: Training, name: str, value: float) -> str:
    layer = [layer.name for layer in training.net.param.layer if name in layer.top][-1]
    sentence = (
        f"iteration {training.solver.iteration}: layer {layer}: expected a finite loss, found {name} = {value:g}; the "
        f"run stops before this update, at learning rate {float(training.solver.rate):g}, and leaves the snapshots as "
        "they are"
    )
    for blob in training.net.learnable:
        if not bool(torch.isfinite(blob.parameter.detach()).all()):
            return f"{sentence}; the first weights that are not finite are those of layer {blob.layer}"
    return f"{sentence}; all weights are still finite"
