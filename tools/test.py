"""Scores a net on its own data layers, as `caffe test` does: each batch's outputs, and their means."""

import argparse
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/test.py --model build/demo/models/train.prototxt --phase TRAIN \\
    --weights build/demo/models/people_iter_1500.caffemodel --iterations 3
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.caffe_commands.ready_net import ready_net
    from cpm_repro.caffe_commands.scores import scored
    from cpm_repro.convert.stored_weights import read_weights
    from cpm_repro.samples.data_layer import DataOptions

    options = DataOptions(arguments.threads, arguments.device)
    stored = read_weights(arguments.weights, arguments.channel_order)
    state = (arguments.state_stages, arguments.level)
    with ready_net(
        arguments.model, arguments.phase, stored, *state, arguments.engine, options, arguments.seed
    ) as ready:
        print("\n".join(ready.said))
        for line in scored(ready, arguments.iterations):
            print(line, flush=True)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--model", metavar="P.prototxt", type=Path, required=True, help="the net")
    command_line.add_weights(parser, required=True)
    command_line.add_channel_order(parser)
    parser.add_argument(
        "--iterations", metavar="N", type=command_line.positive_integer, default=50, help="batches (default: 50)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of DummyData's fillers (default: 1)")
    command_line.add_phase(parser)
    command_line.add_device(parser)
    command_line.add_engine(parser)
    command_line.add_threads(parser)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
