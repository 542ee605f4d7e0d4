"""The testing protocol as typed: a network's own numbers, in proportion where the whole picture is the person."""

import argparse

import pytest

from cpm_repro.inference.options import add_testing_options, network, protocol
from cpm_repro.inference.protocol import RELEASE_TARGET_DIST
from prototxt_import.files import InputError


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
