"""The testing protocol at the command line: the same options in every tool that estimates poses."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cpm_repro import command_line
from cpm_repro.command_line import positive_number, typed
from prototxt_import.files import InputError, plain

from .protocol import (
    BATCH,
    RELEASE_SCALES,
    RELEASE_SIGMA,
    RELEASE_TARGET_DIST,
    Protocol,
    net_boxsize,
    target_dist_for,
    trained_target_dist,
)

if TYPE_CHECKING:  # torch: imported once a network is wanted, not for --help
    from prototxt_import.net import Net


@typed("numbers with commas between them, such as 0.7,1.3")
def numbers(text: str) -> tuple[float, ...]:
    """An argparse type: numbers with commas between them."""
    return tuple(float(plain(part)) for part in text.split(","))


def multipliers(text: str) -> tuple[float, ...]:
    """An argparse type: numbers above 0 with commas between them."""
    return tuple(positive_number(part) for part in text.split(","))


def add_testing_options(to: argparse.ArgumentParser, stage: str = "--stage") -> None:
    """--model or --prototxt, --weights or --seed, and `add_variant`'s; --scales, --target-dist, --sigma-center,
    --device, --engine and --threads. `network` asks for the first ones when it needs them.

    stage: of the net's state, see `command_line.add_state`."""
    command_line.add_model(to)
    to.add_argument(
        "--prototxt", metavar="P", type=Path, help="the deploy network; not needed where the weights have it"
    )
    weights = to.add_mutually_exclusive_group()
    command_line.add_weights(weights)
    weights.add_argument("--seed", metavar="N", type=int, help="no weights: what its fillers give, before any training")
    command_line.add_channel_order(to)
    command_line.add_variant(to, stage)
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
        help=f"the centre map's sigma in px of the input, the training's sigma_center (default: {RELEASE_SIGMA:g})",
    )
    to.add_argument(
        "--mirror", action="store_true", help="average the mirrored picture's maps too (the release does not)"
    )
    command_line.add_device(to)
    command_line.add_engine(to)
    command_line.add_threads(to)


def add_person_options(to: argparse.ArgumentParser, default: str) -> None:
    """--person-weights, --person-prototxt and --person-size: who finds the people, and how large it likes them."""
    to.add_argument(
        "--person-weights",
        metavar="W",
        type=Path,
        help=f"a person detector of your own: its weights (default: {default})",
    )
    to.add_argument(
        "--person-prototxt", metavar="P", type=Path, help="its network; not needed where the weights have it"
    )
    to.add_argument(
        "--person-size",
        metavar="S",
        type=positive_number,
        help="it finds people of any size, and believes most in those of this height / 200 px in its input, such as "
        "0.37 (default: the target_dist of its training; not known, or the release's: it finds people of one size)",
    )


def person_detector(arguments: argparse.Namespace) -> "Net | None":
    """The network of --person-prototxt and --person-weights, on its device, if they are given."""
    from cpm_repro.convert.weights import net_of

    from .person_detection import detector_stride

    weights = arguments.person_weights
    if weights is None:
        for name in ("prototxt", "size"):
            if getattr(arguments, f"person_{name}") is not None:
                raise InputError(f"--person-{name}: expected --person-weights beside it, found none")
        return None
    if arguments.person_size and arguments.scale:
        raise InputError(
            "--person-size: expected no --scale beside it, which says how large all people are, found both"
        )
    detector = net_of(weights, arguments.person_prototxt, engine=arguments.engine).eval()
    detector_stride(detector, str(arguments.person_prototxt or weights))
    return detector.to(arguments.device)


def network(arguments: argparse.Namespace) -> "Net":
    """The network that these options name, with its weights, on its device; InputErrors name the files."""
    from cpm_repro.convert.weights import net_of

    model = command_line.use_model(arguments, "prototxt", "weights", "seed")
    if arguments.weights is None and (arguments.prototxt is None or arguments.seed is None):
        given = [name for name in ("prototxt", "weights", "seed") if getattr(arguments, name) is not None]
        found = f"only --{given[0]}" if given else "none of them"
        raise InputError(f"the network: expected --prototxt and --weights (or --seed), or --model, found {found}")
    how = {"seed": arguments.seed, "channel_order": arguments.channel_order, "engine": arguments.engine}
    how["variant"] = command_line.variant(arguments)
    net = net_of(arguments.weights, arguments.prototxt, **how).eval().to(arguments.device)
    net.trained.update(model.trained if model else {})
    return net


def protocol(
    arguments: argparse.Namespace, net: "Net", release_target_dist: float = RELEASE_TARGET_DIST, batch: int = BATCH
) -> Protocol:
    """The protocol as typed, with a Note of the training's numbers that are assumed; InputError if the network is none
    for poses.

    release_target_dist: without --target-dist, a person's size at the release's input of 368 px; at that of a network
    whose training is known it is in proportion.
    """
    boxsize = net_boxsize(net, str(arguments.prototxt or arguments.weights))
    trained = getattr(net, "trained", {})
    target_dist = arguments.target_dist or target_dist_for(boxsize, release_target_dist)
    known = trained_target_dist(trained)
    if not arguments.target_dist and known:
        target_dist = known * (release_target_dist / RELEASE_TARGET_DIST)
    sigma = arguments.sigma_center or trained.get("sigma_center") or RELEASE_SIGMA
    made = Protocol(boxsize, target_dist, sigma, arguments.scales, batch, arguments.mirror)
    given = {"target_dist": arguments.target_dist, "sigma_center": arguments.sigma_center}
    made.note_assumed([name for name, value in given.items() if value is None and name not in trained])
    return made
