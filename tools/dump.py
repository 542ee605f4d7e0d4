"""Writes down what a net or a data layer computes, to compare with another program's."""

import argparse
from pathlib import Path

from cpm_repro import command_line
from data_lmdb.counts import how_many

NET_EXAMPLE = """
python -c "import numpy; numpy.savez('build/input.npz', data=numpy.random.rand(1, 4, 144, 144) - 0.5)"
python tools/dump.py net --prototxt build/demo/models/deploy.prototxt --input build/input.npz \\
    --weights build/demo/models/people_iter_1500.caffemodel --engine exact --out build/blobs.npz
python -c "import numpy; numpy.savez('build/batch.npz', data=numpy.random.rand(4, 4, 144, 144) - 0.5, \\
    label=numpy.random.rand(4, 30, 18, 18))"
python tools/dump.py net --prototxt build/demo/models/train.prototxt --phase TRAIN --input build/batch.npz \\
    --seed 1701 --gradients --out build/gradients.npz
"""
DATA_EXAMPLE = """
python tools/dump.py data --prototxt build/demo/models/train.prototxt --samples 8 --out build/samples.npz
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.npz import write_npz

    arrays = dump_net(arguments) if arguments.what == "net" else dump_data(arguments)
    write_npz(arguments.out, arrays)
    print(f"{arguments.out}: {how_many(len(arrays), 'array')}")


def dump_net(arguments: argparse.Namespace) -> dict:
    from cpm_repro.compare import dump
    from cpm_repro.convert.weights import net_of
    from cpm_repro.npz import read_npz

    inputs = read_npz(arguments.input)
    how = (arguments.seed, arguments.channel_order, command_line.variant(arguments), arguments.engine)
    net = net_of(arguments.weights, arguments.prototxt, *how)
    return dump.dump_net(net.to(arguments.device), inputs, arguments.gradients, str(arguments.input))


def dump_data(arguments: argparse.Namespace) -> dict:
    from cpm_repro.compare import dump
    from cpm_repro.samples.data_layer import DataOptions

    options = DataOptions(arguments.threads, arguments.device, arguments.profile)
    variant = command_line.variant(arguments)
    return dump.dump_data(arguments.prototxt, arguments.samples, arguments.srand, variant, options)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, NET_EXAMPLE + DATA_EXAMPLE.lstrip())
    kinds = parser.add_subparsers(dest="what", required=True)
    net = command_line.add_subparser(kinds, "net", "every blob of a net, and every gradient", NET_EXAMPLE)
    net.add_argument("--prototxt", metavar="P", type=Path, help="the net; not needed where the weights have it")
    start = net.add_mutually_exclusive_group(required=True)
    command_line.add_weights(start)
    start.add_argument("--seed", metavar="N", type=int, help="fill the weights as Caffe does with this random_seed")
    net.add_argument("--input", metavar="I.npz", type=Path, required=True, help="an array for each input blob")
    net.add_argument(
        "--gradients",
        action="store_true",
        help="backward too, from the losses and from arrays called <output>.diff in the input",
    )
    command_line.add_channel_order(net)
    command_line.add_variant(net)
    command_line.add_engine(net)
    data = command_line.add_subparser(kinds, "data", "samples of a net's CPMData layer", DATA_EXAMPLE)
    data.add_argument("--prototxt", metavar="P", type=Path, required=True, help="the training net")
    data.add_argument("--samples", metavar="N", type=command_line.positive_integer, required=True, help="how many")
    data.add_argument("--srand", metavar="N", type=int, default=1, help="seed of rand() (default: 1)")
    command_line.add_phase(data, "TRAIN")
    command_line.add_profile(data)
    for kind in (net, data):
        command_line.add_device(kind)
        command_line.add_threads(kind)
        command_line.add_out(kind, "the .npz to write")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
