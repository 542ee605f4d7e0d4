"""Writes the prototxts of a Convolutional Pose Machine: train, deploy and solver.

Of CPM-VGG: deploy.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from google.protobuf.message import Message

from cpm_repro import command_line
from cpm_repro.network import small, specification
from cpm_repro.network.specification import CPM, PRESETS, Kernels, Widths
from cpm_repro.network.widths import with_parameters
from prototxt_import.files import InputError, plain, write_text
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import format_prototxt, relative_path

EXAMPLE = """
python tools/make_prototxt.py mpi --out build/models/mpi --lmdb build/demo/lmdb/train
python tools/make_prototxt.py mpi --out build/models/narrow --lmdb build/demo/lmdb/train --stages 3 \\
    --widths 32,16,64,32 --crop-size 184 --target-dist 0.6 --batch-size 8 --max-iter 2000 --stepsize 1500
python tools/make_prototxt.py mpi --out build/models/sees-less --lmdb build/demo/lmdb/train --stages 2 \\
    --stage-kernels 3,3,3,1 --feature-kernels 5,5,5 --parameters 6000000
python tools/make_prototxt.py vgg --out build/models/vgg
python tools/make_prototxt.py small --out build/models/small --lmdb build/demo/lmdb/train --target-dist 0.65
python tools/make_prototxt.py small-person --out build/models/small-person --lmdb build/demo/lmdb/train --all-centers
"""

SMALL = ("small", "small-person")
"""Nets for crops of 184 pixels."""
DETECTORS = ("person", "small-person")
"""Nets that learn the centre map."""
SHAPE = ("widths", "stage_kernels", "feature_kernels", "local_kernels", "poolings", "parameters")
FILLING = ("filler", "filler_std", "dropout")
PLACES = {**dict.fromkeys((*SHAPE, *FILLING), tuple(PRESETS)), "channels": SMALL, "all_centers": DETECTORS}
"""By option, the nets that have a place for it; the others have one in all."""


def main(arguments: argparse.Namespace) -> None:
    if arguments.crop_size is None:
        arguments.crop_size = 184 if arguments.net in SMALL else 368
    check_places(arguments)
    size = (arguments.crop_size, arguments.crop_size)
    if arguments.net == "vgg":
        write(arguments.out, deploy=specification.vgg_deploy(arguments.parts or 14, arguments.stages or 6, size))
    elif arguments.net == "person":
        write_person(arguments)
    elif arguments.net == "small":
        write_small(arguments, size)
    elif arguments.net == "small-person":
        write_small_person(arguments, size)
    else:
        spec = machine(arguments)
        write(
            arguments.out,
            deploy=specification.cpm_deploy(spec, size),
            train=specification.cpm_train(
                spec, source(arguments), arguments.batch_size, transform(arguments, spec.parts)
            ),
            solver=solver(arguments, specification.release_solver),
        )


def write_small(arguments: argparse.Namespace, size: tuple[int, int]) -> None:
    """The small CPM's prototxts."""
    spec = small.SmallCPM(arguments.parts or 14, arguments.stages or 3, *(arguments.channels or ()))
    asked = transform(arguments, spec.parts)
    write(
        arguments.out,
        deploy=small.small_deploy(spec, size),
        train=small.small_train(spec, source(arguments), arguments.batch_size, asked),
        solver=solver(arguments, small.small_solver),
    )


def write_small_person(arguments: argparse.Namespace, size: tuple[int, int]) -> None:
    """The small person detector's prototxts."""
    features, stage = arguments.channels or (small.PERSON.features, small.PERSON.stage)
    stages = arguments.stages or small.PERSON.stages
    spec = small.SmallCPM(arguments.parts or 14, stages, features, stage)
    asked = person_transform(arguments)
    write(
        arguments.out,
        deploy=small.small_person_deploy(spec, size),
        train=small.small_person_train(spec, source(arguments), arguments.batch_size, asked),
        solver=solver(arguments, small.small_solver),
    )


def check_places(arguments: argparse.Namespace) -> None:
    """InputError if an option is given that the net has no place for."""
    parser = arguments_parser()
    for name, nets in PLACES.items():
        if arguments.net not in nets and getattr(arguments, name) != parser.get_default(name):
            option = "--" + name.replace("_", "-")
            raise InputError(f"{arguments.net}: expected no {option}, which it has no place for, found one")


def write_person(arguments: argparse.Namespace) -> None:
    """The person detector's prototxts."""
    asked = person_transform(arguments)
    stages = arguments.stages or 4
    train = specification.person_train(stages, source(arguments), arguments.batch_size, asked, arguments.parts or 14)
    written = solver(arguments, specification.release_solver)
    write(arguments.out, deploy=specification.person_deploy(stages), train=train, solver=written)


def machine(arguments: argparse.Namespace) -> CPM:
    """The preset's CPM with what the options change."""
    preset = PRESETS[arguments.net]
    kernels = preset.kernels
    spec = replace(
        preset,
        parts=arguments.parts or preset.parts,
        stages=arguments.stages or preset.stages,
        widths=arguments.widths or preset.widths,
        kernels=Kernels(
            arguments.feature_kernels or kernels.features,
            kernels.shared,
            arguments.local_kernels or kernels.local,
            arguments.stage_kernels or kernels.stages,
        ),
        poolings=preset.poolings if arguments.poolings is None else arguments.poolings,
        filler=arguments.filler,
        filler_std=arguments.filler_std,
        dropout=arguments.dropout,
    )
    return with_parameters(spec, arguments.parameters) if arguments.parameters else spec


def source(arguments: argparse.Namespace) -> str:
    """The LMDB's path as the training net names it: relative to the net's folder."""
    return relative_path(arguments.lmdb, arguments.out, "--lmdb")


def transform(arguments: argparse.Namespace, parts: int) -> schema.TransformationParameter:
    parameter = specification.release_transform()
    if arguments.poolings is not None:
        parameter.stride = 2**arguments.poolings
    if arguments.crop_size % parameter.stride:
        raise InputError(f"--crop-size: expected a multiple of {parameter.stride}, found {arguments.crop_size}")
    parameter.crop_size_x = parameter.crop_size_y = arguments.crop_size
    parameter.target_dist = arguments.target_dist or round(parameter.target_dist * arguments.crop_size / 368, 4)
    parameter.scale_min, parameter.scale_max = arguments.scale_range
    parameter.max_rotate_degree = arguments.max_rotate_degree
    if arguments.center_perturb is not None:
        parameter.center_perterb_max = arguments.center_perturb
    if arguments.sigma is not None:
        parameter.sigma = arguments.sigma
    if arguments.sigma_center is not None:
        parameter.sigma_center = arguments.sigma_center
    if parts != 14:
        parameter.num_parts = parameter.np_in_lmdb = parts
    return parameter


def person_transform(arguments: argparse.Namespace) -> schema.TransformationParameter:
    """A person detector's: people stand anywhere in its crops."""
    parameter = transform(arguments, arguments.parts or 14)
    if arguments.center_perturb is None:
        parameter.center_perterb_max = round(0.35 * arguments.crop_size)
    if arguments.all_centers:
        parameter.all_centers = True
    return parameter


def solver(
    arguments: argparse.Namespace, default: Callable[[str, str], schema.SolverParameter]
) -> schema.SolverParameter:
    parameter = default("train.prototxt", arguments.snapshot_prefix)
    for name in ("base_lr", "max_iter", "stepsize", "gamma", "snapshot", "display", "random_seed", "clip_gradients"):
        value = getattr(arguments, name)
        if value is not None:
            setattr(parameter, name, value)
    return parameter


def write(folder: Path, **messages: Message) -> None:
    for name, message in messages.items():
        path = folder / f"{name}.prototxt"
        write_text(path, format_prototxt(message))
        print(path)


@command_line.typed("two numbers, such as 0.7,1.3")
def pair(text: str) -> tuple[float, float]:
    """An argparse type: two numbers, LOW,HIGH."""
    low, high = (float(plain(part)) for part in text.split(","))
    return low, high


@command_line.typed("four numbers with commas between them, such as 128,32,512,128")
def widths(text: str) -> Widths:
    """An argparse type: four numbers, features,shared,local,stage."""
    features, shared, local, stage = (command_line.positive_integer(part) for part in text.split(","))
    return Widths(features, shared, local, stage)


@command_line.typed("two numbers with a comma between them, such as 96,96")
def channels(text: str) -> tuple[int, int]:
    """An argparse type: two numbers, features,stage."""
    features, stage = (command_line.positive_integer(part) for part in text.split(","))
    return features, stage


@command_line.typed("whole numbers with commas between them, such as 9,9,9")
def kernels(text: str) -> tuple[int, ...]:
    """An argparse type: kernel sizes, one per convolution."""
    return tuple(command_line.positive_integer(part) for part in text.split(","))


def stage_kernels(text: str) -> tuple[tuple[int, ...], ...]:
    """An argparse type: kernel sizes of the later stages, a `/` between stages."""
    return tuple(kernels(stage) for stage in text.split("/"))


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument(
        "net", choices=(*PRESETS, "vgg", "person", *SMALL), help="the release's model to start from, or a small one"
    )
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder of the prototxts")
    parser.add_argument("--lmdb", type=command_line.path_text, default="lmdb", help="the training LMDB")
    _add_shape(parser)
    _add_filling(parser)
    _add_samples(parser)
    _add_solver(parser)
    return parser


def _add_shape(to: argparse.ArgumentParser) -> None:
    """What the net is made of."""
    to.add_argument("--stages", metavar="T", type=command_line.stage_count, help="number of stages")
    to.add_argument("--parts", metavar="P", type=command_line.positive_integer, help="parts without background")
    to.add_argument("--widths", type=widths, help="channels: features,shared,local,stage (128,32,512,128)")
    to.add_argument(
        "--channels", metavar="F,S", type=channels, help="of a small net: the features' and the later stages' (96,96)"
    )
    to.add_argument(
        "--stage-kernels",
        metavar="K,...[/K,...]",
        type=stage_kernels,
        help="kernel sizes of stage 2 / stage 3 / …, the last for all that follow (11,11,11,1)",
    )
    to.add_argument("--feature-kernels", metavar="K,...", type=kernels, help="kernel sizes on the image (9,9,9)")
    to.add_argument("--local-kernels", metavar="K,...", type=kernels, help="of the rest of stage 1 (9,1)")
    to.add_argument(
        "--poolings", type=int, choices=(1, 2, 3, 4), help="on the image: the maps' stride is 2 to that power (3)"
    )
    to.add_argument(
        "--parameters",
        metavar="N",
        type=command_line.positive_integer,
        help="widen or narrow the later stages until the net has N parameters, within 3 %%",
    )


def _add_filling(to: argparse.ArgumentParser) -> None:
    """What its weights begin with, and Dropout."""
    to.add_argument("--filler", choices=("gaussian", "xavier", "msra"), default="gaussian", help="of the weights")
    to.add_argument(
        "--filler-std",
        metavar="S",
        type=command_line.positive_number,
        default=0.01,
        help="of the gaussian filler (0.01)",
    )
    to.add_argument("--dropout", metavar="R", type=float, default=0.0, help="after conv5 and conv6 of stage 1")


def _add_samples(to: argparse.ArgumentParser) -> None:
    """What the data layer makes."""
    to.add_argument(
        "--batch-size", metavar="N", type=command_line.positive_integer, default=16, help="samples of a batch (16)"
    )
    to.add_argument(
        "--crop-size", metavar="PX", type=command_line.positive_integer, help="net input (368; small ones: 184)"
    )
    to.add_argument(
        "--target-dist",
        metavar="D",
        type=command_line.positive_number,
        help="person height / 200 px in the crop (1.171 at 368)",
    )
    to.add_argument("--scale-range", metavar="LOW,HIGH", type=pair, default=(0.7, 1.3), help="augmentation (0.7,1.3)")
    to.add_argument("--max-rotate-degree", metavar="D", type=float, default=40, help="augmentation")
    to.add_argument(
        "--center-perturb",
        metavar="PX",
        type=float,
        help="augmentation: people stand up to so far from the crop's middle (0; detectors: 0.35 of the crop)",
    )
    to.add_argument("--sigma", metavar="PX", type=command_line.positive_number, help="of the joints' Gaussians (7)")
    to.add_argument(
        "--sigma-center", metavar="PX", type=command_line.positive_number, help="of the centre map's Gaussian (21)"
    )
    to.add_argument(
        "--all-centers",
        action="store_true",
        help="of a detector: it learns the centres of everybody in a record, not only of its own person",
    )


def _add_solver(to: argparse.ArgumentParser) -> None:
    """How it is trained."""
    to.add_argument("--base-lr", metavar="R", type=command_line.positive_number, help="solver (8e-5)")
    to.add_argument("--gamma", metavar="G", type=command_line.positive_number, help="solver (0.333)")
    to.add_argument(
        "--clip-gradients", metavar="L", type=command_line.positive_number, help="solver (none): limit of the L2 norm"
    )
    to.add_argument("--stepsize", metavar="N", type=command_line.positive_integer, help="solver (136106)")
    to.add_argument("--max-iter", metavar="N", type=command_line.positive_integer, help="solver (600000)")
    to.add_argument("--snapshot", metavar="N", type=command_line.positive_integer, help="solver (2000)")
    to.add_argument("--display", metavar="N", type=command_line.positive_integer, help="solver (5)")
    to.add_argument("--random-seed", metavar="N", type=int, help="solver")
    to.add_argument("--snapshot-prefix", metavar="NAME", default="cpm", help="solver (cpm)")


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
