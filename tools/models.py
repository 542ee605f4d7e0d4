"""Lists the trained models that come with the package: size, score, speed, data and terms, and how each was trained."""

import argparse

from cpm_repro import command_line
from cpm_repro.models import zoo

EXAMPLE = """
python tools/models.py
python tools/models.py lsp-small
"""


def main(arguments: argparse.Namespace) -> None:
    if arguments.name:
        print(card(zoo.find(arguments.name)))
        return
    for name in zoo.names():
        model = zoo.find(name)
        print(f"{name:<14}{model.size / 1e6:5.1f} MB  {model.title}")
        scores = [f"{test}: {score:.1f}" for test, score in model.scores.items()]
        print(*(f"{'':24}{line}" for line in (*scores, model.speed, model.terms)), sep="\n")


def card(model: zoo.Model) -> str:
    """Everything that is known of a model, for people to read."""
    facts = {
        "what": model.title,
        "files": str(model.folder),
        "weights": f"{model.size / 1e6:.1f} MB, SHA-256 {model.sha256}",
        "target_dist": f"{model.target_dist:g}",
        "sigma_center": f"{model.sigma_center:g}",
        "scales": ",".join(f"{scale:g}" for scale in model.scales),
        **{f"score, {test}": f"{score:.2f}" for test, score in model.scores.items()},
        "speed": model.speed,
        "data": model.data,
        "terms": model.terms,
        **{f"training {step}": command for step, command in enumerate(model.training, start=1)},
    }
    width = max(map(len, facts))
    return "\n".join([model.name, *(f"  {name:<{width}}  {value}" for name, value in facts.items())])


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("name", nargs="?", metavar="NAME", help="tell everything of this one (default: list them all)")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
