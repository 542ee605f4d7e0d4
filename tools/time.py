"""Times each layer of a net forward and backward, as `caffe time` does, on its own data layers."""

import argparse
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/time.py --model build/demo/models/train.prototxt --iterations 3
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.caffe_commands.layer_times import timed
    from cpm_repro.caffe_commands.ready_net import ready_net
    from cpm_repro.samples.data_layer import DataOptions

    options = DataOptions(arguments.threads, arguments.device)
    state = (arguments.state_stages, arguments.level)
    with ready_net(arguments.model, arguments.phase, None, *state, arguments.engine, options, source_line=347) as ready:
        print("\n".join(ready.said))
        for line in timed(ready, arguments.iterations):
            print(line, flush=True)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("--model", metavar="P.prototxt", type=Path, required=True, help="the net")
    parser.add_argument(
        "--iterations", metavar="N", type=command_line.positive_integer, default=50, help="passes (default: 50)"
    )
    command_line.add_phase(parser, "TRAIN")
    command_line.add_device(parser)
    command_line.add_engine(parser)
    command_line.add_threads(parser)
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
