"""The testing protocol at the command line: the same options in every tool that estimates poses."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line
from prototxt_import.files import InputError

from .protocol import RELEASE_SCALES, RELEASE_SIGMA_CENTER, default_target_dist

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
        default=RELEASE_SIGMA_CENTER,
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


def size_options(arguments: argparse.Namespace, net: "Net") -> dict[str, float]:
    """`target_dist` and `sigma_center` for the functions of `inference`: as typed, or the network's default."""
    from .beliefs import net_boxsize

    return {
        "target_dist": arguments.target_dist or default_target_dist(net_boxsize(net, str(arguments.prototxt))),
        "sigma_center": arguments.sigma_center,
    }
