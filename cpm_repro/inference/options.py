"""The testing protocol at the command line: the same options in every tool that estimates poses."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line
from prototxt_import.files import InputError

from .protocol import BATCH, RELEASE_SCALES, RELEASE_SIGMA, RELEASE_TARGET_DIST, Protocol, net_boxsize, target_dist_for

if TYPE_CHECKING:  # torch: imported once a network is wanted, not for --help
    from prototxt_import.net import Net


def numbers(text: str) -> tuple[float, ...]:
    """An argparse type: numbers with commas between them."""
    return tuple(float(part) for part in text.split(","))


def positive_number(text: str) -> float:
    """An argparse type."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def multipliers(text: str) -> tuple[float, ...]:
    """An argparse type: numbers above 0 with commas between them."""
    return tuple(positive_number(part) for part in text.split(","))


def add_testing_options(to: argparse.ArgumentParser, net_required: bool = True) -> None:
    """--prototxt, --weights or --seed, --scales, --target-dist, --sigma-center, --device, --engine and --threads.

    Without `net_required` the first three may be left out; `network` asks for them when it needs them.
    """
    to.add_argument("--prototxt", metavar="P", type=Path, required=net_required, help="the deploy network")
    weights = to.add_mutually_exclusive_group(required=net_required)
    weights.add_argument("--weights", metavar="W", type=Path, help="its weights, .caffemodel or .caffemodel.h5")
    weights.add_argument("--seed", metavar="N", type=int, help="no weights: what its fillers give, before any training")
    to.add_argument(
        "--scales",
        metavar="M,M,...",
        type=multipliers,
        default=RELEASE_SCALES,
        help="multiples of the person's size whose belief maps are averaged "
        f"(default: the release's {','.join(f'{scale:g}' for scale in RELEASE_SCALES)}; 1.0 is quickest)",
    )
    to.add_argument(
        "--target-dist",
        metavar="D",
        type=positive_number,
        help="the person's height in the network's input / 200 px, the training's target_dist "
        "(default: 41/35 of the input's size / 368)",
    )
    to.add_argument(
        "--sigma-center",
        metavar="S",
        type=positive_number,
        default=RELEASE_SIGMA,
        help="the centre map's sigma in px of the input, the training's sigma_center (default: 21)",
    )
    command_line.add_device(to)
    command_line.add_engine(to)
    command_line.add_threads(to)


def network(arguments: argparse.Namespace) -> "Net":
    """The network that these options name, with its weights, on its device; InputErrors name the files."""
    from prototxt_import.net import load_net

    if arguments.prototxt is None or (arguments.weights is None and arguments.seed is None):
        raise InputError("the network: expected --prototxt and --weights (or --seed), found only one of them")
    net = load_net(arguments.prototxt, arguments.weights, engine=arguments.engine, seed=arguments.seed)
    return net.to(arguments.device)


def protocol(
    arguments: argparse.Namespace, net: "Net", release_target_dist: float = RELEASE_TARGET_DIST, batch: int = BATCH
) -> Protocol:
    """The protocol as typed; InputError if the network is none for poses.

    release_target_dist: without --target-dist, a person's size at the release's input of 368 px.
    """
    boxsize = net_boxsize(net, str(arguments.prototxt))
    target_dist = arguments.target_dist or target_dist_for(boxsize, release_target_dist)
    return Protocol(boxsize, target_dist, arguments.sigma_center, arguments.scales, batch)
