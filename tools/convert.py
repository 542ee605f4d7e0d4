"""Converts weights between Caffe's files and PyTorch's, the same bits, and nets into ONNX, torch.export's or Python.

.caffemodel, .caffemodel.h5, .pt and .safetensors turn into one another, and each of them into .onnx, .pt2 and .py,
which need nothing of this project. A state_dict of another project's training (.pt, .pth or .safetensors, keys
"<layer>.weight" and "<layer>.bias") needs --prototxt and --channel-order. What is written always takes BGR, as Caffe
does.
"""

import argparse
from pathlib import Path

from cpm_repro import command_line
from cpm_repro.command_line import positive_number

EXAMPLE = """
python tools/convert.py --prototxt build/demo/models/deploy.prototxt \\
    --weights build/demo/models/people_iter_1500.caffemodel --out build/demo/people.pt --check
python tools/convert.py --weights build/demo/people.pt --out build/demo/from_pt.caffemodel
python tools/convert.py --weights build/demo/people.pt --out build/demo/people.onnx --dynamic --check
python tools/convert.py --weights build/demo/people.pt --out build/demo/people.py --check
"""


def main(arguments: argparse.Namespace) -> int:
    from cpm_repro.convert.weights import convert

    trained = {"target_dist": arguments.target_dist, "sigma_center": arguments.sigma_center}
    trained = {name: value for name, value in trained.items() if value is not None}
    shipped = command_line.use_model(arguments, "prototxt")
    if shipped:
        trained = shipped.trained | trained
    model = convert(
        arguments.weights,
        arguments.out,
        arguments.prototxt,
        arguments.channel_order,
        arguments.dynamic,
        command_line.variant(arguments),
        trained,
        arguments.parts,
    )
    tell(model, arguments.out)
    if not arguments.check:
        return 0
    from cpm_repro.convert.check import check, check_table

    checks = check(model.net, model.prototxt, arguments.out, dynamic=arguments.dynamic)
    print(check_table(checks))
    return 0 if all(made.fits for made in checks) else 1


def tell(model, out: str) -> None:
    """What was converted, and what its file lacks."""
    from cpm_repro.models.training_facts import NUMBERS, parts_of

    if model.swapped:
        print(f"red and blue swapped in {', '.join(model.swapped)}")
    print(f"{out}: {sum(parameter.numel() for parameter in model.net.parameters()):,} parameters")
    if unknown := [name for name in NUMBERS if parts_of(model.net) and name not in model.net.trained]:
        options = " and ".join(f"--{name.replace('_', '-')}" for name in unknown)
        print(f"{' and '.join(unknown)} of the training not known, so {out} has none ({options})")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    weights = parser.add_mutually_exclusive_group(required=True)
    command_line.add_weights(weights, "what to convert")
    command_line.add_model(weights)
    parser.add_argument("--prototxt", metavar="P", type=Path, help="its net; not needed where the weights have it")
    parser.add_argument(
        "--out",
        metavar="M.{pt,safetensors,onnx,pt2,py,caffemodel,caffemodel.h5}",
        type=Path,
        required=True,
        help="what to write",
    )
    command_line.add_channel_order(parser)
    command_line.add_variant(parser)
    for name, what in (("--target-dist", "D"), ("--sigma-center", "S")):
        parser.add_argument(
            name,
            metavar=what,
            type=positive_number,
            help="of a pose machine's training, if neither the weights nor a prototxt beside them say it",
        )
    parser.add_argument(
        "--parts",
        metavar="NAME,NAME…",
        help="what a pose machine's belief maps are of, the background left out (default: what the weights say; the "
        "release's for 9, 14 and 28)",
    )
    parser.add_argument(
        "--dynamic",
        action="store_true",
        help=".onnx and .pt2: for any number of images and any size, where the layers leave them open "
        "(default: the prototxt's)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="run both sides on random input and compare every output blob; exit code 1 if they differ",
    )
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
