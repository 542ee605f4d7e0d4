"""Shows what a net is made of: layers, shapes, parameters, GFLOP, receptive fields; table and drawing."""

import argparse
import json
from pathlib import Path

from cpm_repro import command_line

EXAMPLE = """
python tools/show_net.py build/demo/models/deploy.prototxt --out build/demo/net.png
python tools/show_net.py build/demo/models/deploy.prototxt \\
    --weights build/demo/models/people_iter_1500.caffemodel --json build/demo/net.json
"""


def main(arguments: argparse.Namespace) -> None:
    from cpm_repro.convert.weights import net_of
    from cpm_repro.figures import sheet
    from cpm_repro.figures.network import draw_network
    from cpm_repro.network import summary
    from prototxt_import.files import write_text

    if arguments.out:
        sheet.check_format(arguments.out)
    command_line.use_model(arguments, "weights")
    how = {"channel_order": arguments.channel_order, "variant": command_line.variant(arguments)}
    net = net_of(arguments.weights, arguments.prototxt, **how)
    layers = summary.summarize_layers(net)
    stages = summary.summarize_stages(net, layers)
    print(summary.layer_table(layers))
    if stages:
        print("", summary.stage_table(stages), summary.paper_comparison(stages), sep="\n")
    if arguments.weights:
        print("", summary.weight_table(net), sep="\n")
    print("", summary.total_line(layers), sep="\n")
    if arguments.json:
        write_text(arguments.json, json.dumps(summary.as_json(layers, stages), indent=1) + "\n")
    if arguments.out:
        name = net.param.name or (arguments.prototxt or arguments.weights).stem
        sheet.save(draw_network(layers, stages, f"{name}: {summary.total_line(layers)}"), arguments.out)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    net = parser.add_mutually_exclusive_group()
    net.add_argument(
        "prototxt", metavar="P", type=Path, nargs="?", help="the net; not needed where the weights have it"
    )
    command_line.add_model(net)
    command_line.add_weights(parser, "show its weights' ranges too")
    command_line.add_channel_order(parser)
    command_line.add_variant(parser)
    command_line.add_out(parser, "the drawing, .png, .svg or .pdf", required=False)
    parser.add_argument("--json", metavar="R.json", type=Path, help="both tables as JSON")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
