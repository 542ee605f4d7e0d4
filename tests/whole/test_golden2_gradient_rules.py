"""Training nets whose gradients are easy to get wrong: the original's losses, parameters and updates to the bit."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from cpm_repro.training.loop import Training
from cpm_repro.training.setup import Options, prepare
from prototxt_import.files import InputError
from tests.bits import assert_same_bits

RULES = [
    *("batchnorm_in_place", "batchnorm_shared", "frozen_lower", "in_place_chain", "loss_weights"),
    *("propagate_down_branch", "propagate_down_false", "same_layer_name", "shared_both", "shared_first_has_lr"),
    *("shared_lr_zero_once", "shared_permissive", "shared_second_has_lr", "three_users"),
]


def blobs_of(training: Training) -> dict[str, Tensor]:
    """Every layer's blobs, shared ones at each of their layers; of layers of one name the last one's."""
    layers = training.net.layers.values()
    named = {
        (layer.spec.name, index): layer.owner(name) for layer in layers for index, name in enumerate(layer.blob_names)
    }
    return {f"{layer}/{index}": blob for (layer, index), blob in named.items()}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("engine", ["exact", "fast"])
def test_four_iterations(golden2: Path, name: str, engine: str) -> None:
    folder = golden2 / "gradient_rules"
    found, losses = {}, []
    with np.load(folder / f"{name}_trace.npz") as trace:
        expected = dict(trace)
    with prepare(folder / f"{name}_solver.prototxt", Options(engine=engine)) as training:
        for iteration in range(5):
            for key, blob in blobs_of(training).items():
                found[f"iter{iteration}/{key}"] = blob.detach().numpy().copy()
                if iteration == 1:
                    found[f"update1/{key}"] = blob.grad.numpy().copy()
            if iteration < 4:
                losses.append(list(training.step().outputs.values()))
    found["loss"] = np.array(losses, np.float32)
    assert expected.keys() <= found.keys()
    for key, values in expected.items():
        if engine == "exact":
            assert_same_bits(found[key].reshape(values.shape), values, key)
        else:
            kind = [array for other, array in expected.items() if other.split("/")[0] == key.split("/")[0]]
            scale = max(float(np.abs(array).max()) for array in kind)
            np.testing.assert_allclose(found[key].reshape(values.shape), values, rtol=0, atol=1e-5 * scale, err_msg=key)


def test_what_the_original_refuses_is_refused(golden2: Path) -> None:
    refused = json.loads((golden2 / "gradient_rules/refused.json").read_text())
    assert list(refused) == ["shared_lr_mismatch"]
    with pytest.raises(InputError, match=r"shared_lr_mismatch_train\.prototxt: layer 'b' .*lr_mult 0.*found 1"):
        prepare(golden2 / "gradient_rules/shared_lr_mismatch_solver.prototxt", Options())
