"""The testing protocol as typed: a network's own numbers, in proportion where the whole picture is the person."""

import argparse

import pytest

from cpm_repro.inference.options import add_testing_options, network, protocol
from cpm_repro.inference.protocol import RELEASE_TARGET_DIST
from cpm_repro.models import zoo
from prototxt_import.files import InputError, Note


def typed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_testing_options(parser)
    parsed = parser.parse_args(arguments)
    parsed.engine = "fast"
    return parsed


def test_a_model_brings_its_numbers():
    arguments = typed("--model", "lsp-small")
    net = network(arguments)
    by = protocol(arguments, net)
    assert (by.boxsize, by.target_dist, by.sigma, by.mirror) == (184, 0.65, 11, False)
    whole = protocol(arguments, net, release_target_dist=0.8)
    assert whole.target_dist == pytest.approx(0.65 * 0.8 / RELEASE_TARGET_DIST)
    told = typed("--model", "lsp-small", "--target-dist", "0.5", "--sigma-center", "8", "--mirror")
    by = protocol(told, net, release_target_dist=0.8)
    assert (by.target_dist, by.sigma, by.mirror) == (0.5, 8, True)


@pytest.mark.parametrize("other", ["prototxt", "weights", "seed"])
def test_a_model_stands_for_files(other):
    with pytest.raises(InputError, match=f"--model lsp-small: expected no --{other} beside it, found one"):
        network(typed("--model", "lsp-small", f"--{other}", "1"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], r"target_dist and sigma_center of the training not known: taking 0\.5857 and 21 px, .* input of 184 px"),
        (["--target-dist", "0.6"], "^sigma_center of the training not known: taking 21 px, as the release has"),
        (["--sigma-center", "9"], r"^target_dist of the training not known: taking 0\.5857, as"),
    ],
)
def test_what_is_assumed_of_the_training_is_said(given, said):
    model = zoo.find("lsp-small")
    arguments = typed("--prototxt", str(model.prototxt), "--seed", "1", *given)
    with pytest.warns(Note, match=said) as told:
        protocol(arguments, network(arguments))
    assert len(told) == 1
