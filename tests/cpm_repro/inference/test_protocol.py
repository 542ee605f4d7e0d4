"""The release's numbers, and at other input sizes."""

from types import SimpleNamespace

import pytest

from cpm_repro.inference.protocol import RELEASE_SCALES, Protocol, net_boxsize, target_dist_for
from prototxt_import.files import InputError

pytestmark = pytest.mark.filterwarnings("ignore:.*of the training not known")


def test_the_default_target_is_the_releases_share_of_the_input():
    assert target_dist_for(368) == 41 / 35 and target_dist_for(184) == 41 / 70
    assert RELEASE_SCALES == (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)


def test_a_network_is_asked_as_the_release_was_unless_told_otherwise():
    net = SimpleNamespace(input_shapes={"data": (1, 4, 184, 184)})
    assert Protocol.for_net(net) == Protocol(184, 41 / 70, 21.0, RELEASE_SCALES, 8)
    assert Protocol.for_net(net, 0.5, 9.0, [1.0], 2) == Protocol(184, 0.5, 9.0, (1.0,), 2)


def test_other_networks_are_named():
    for inputs, found in (
        ({}, "found none$"),
        ({"image": (1, 3, 8, 8)}, "p.prototxt: .*found `image` 1 x 3 x 8 x 8; it looks like a person detector"),
        ({"data": (4, 4, 8, 8), "label": (4, 30, 1, 1)}, "`label` 4 x 30 x 1 x 1; it looks like a training network"),
    ):
        net = SimpleNamespace(input_shapes=inputs)
        with pytest.raises(InputError, match=found):
            net_boxsize(net, "p.prototxt")
