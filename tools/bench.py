"""Measures how fast this project is on the machine at hand, beside what else one could use.

Everything that a table compares is measured in the same run, in alternation.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cpm_repro import command_line
from cpm_repro.command_line import positive_number
from prototxt_import.files import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXAMPLE = "python tools/bench.py infer --json infer.json --plot infer.png --markdown infer.md"
EXAMPLES = {
    "data": "python tools/bench.py data\npython tools/bench.py data --lmdb build/demo/lmdb/train --json data.json",
    "infer": "python tools/bench.py infer\npython tools/bench.py infer --net vgg --size 184 --threads 1",
    "poses": "python tools/bench.py poses --pictures 4\npython tools/bench.py poses --net vgg --stages 2",
    "train": "python tools/bench.py train --batch-size 2 --stages 3 --json train.json\n"
    "python tools/bench.py train --net vgg --stages 2 --size 88",
    "exact": "python tools/bench.py exact --net vgg --plot exact.png",
    "labels": "python tools/bench.py labels --plot labels.png",
    "startup": "python tools/bench.py startup --markdown startup.md",
    "scale": "python tools/bench.py scale --short\npython tools/bench.py scale --json scale.json --plot scale.png",
    "cluster": "python tools/bench.py cluster --plot cluster.png\n"
    "python tools/bench.py cluster --net vgg --card-rate 92 --link 25GbE=3.125 --link NVLink=450",
}


class Drawing(Protocol):
    """Draws what was measured, under a title."""

    def __call__(self, title: str) -> "Figure": ...


@dataclass
class Outcome:
    """What a benchmark gives: all numbers, the same in words, and a picture of them."""

    report: dict[str, Any]
    text: str
    draw: Drawing
    measured: bool = True  # on the machine at hand

    @classmethod
    def of_rates(
        cls,
        report: dict[str, Any],
        text: str,
        bars: Mapping[str, Any],
        what: str,
        unit: str,
        curves: Mapping[str, Any] | None = None,
    ) -> "Outcome":
        """Drawn as bars of Rates, and lines as `charts.rates_figure` takes them."""

        def draw(title: str) -> "Figure":
            from cpm_repro.benchmarks.charts import rates_figure

            return rates_figure(bars, curves or {}, (title, what), unit)

        return cls(report, text, draw)


def bench_data(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import data

    report = data.measure(arguments.lmdb, arguments.threads, arguments.rounds, arguments.device, arguments.short)
    what = f"samples of {report['lmdb']}, one thread"
    return Outcome.of_rates(report, data.text(report), report["one_thread"], what, "samples/s", data.curves(report))


def bench_infer(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import infer

    report = infer.measure(workload(arguments), arguments.engine, arguments.rounds, arguments.short)
    what, curves = report["workload"], infer.curves(report)
    return Outcome.of_rates(report, infer.text(report), report["pipelines"], what, "images/s", curves)


def bench_poses(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import poses

    report = poses.measure(workload(arguments), arguments.engine, arguments.pictures, arguments.rounds, arguments.short)
    return Outcome.of_rates(report, poses.text(report), report["pipelines"], report["workload"], "pictures/s")


def bench_train(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import infer, train
    from cpm_repro.training.setup import check_trains

    check_trains(arguments.engine)
    report = train.measure(workload(arguments, "TRAIN"), arguments.engine, arguments.rounds, arguments.short)
    what, curves = f"training, {report['workload']}", infer.curves(report)
    return Outcome.of_rates(report, train.text(report), report["pipelines"], what, "samples/s", curves)


def bench_exact(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import exact

    report = exact.measure(workload(arguments), arguments.rounds, arguments.short)
    forward = report["forward"]
    return Outcome.of_rates(report, exact.text(report), forward["pipelines"], forward["workload"], "images/s")


def bench_labels(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import labels

    if arguments.device == "cuda":
        from cpm_repro.benchmarks.card.labels import measure_card

        report, what = measure_card(arguments.rounds), "label maps on a card"
    else:
        report, what = labels.measure(arguments.rounds, arguments.short), "centre map and label maps, one thread"
    return Outcome.of_rates(report, labels.text(report), report["pipelines"], what, "samples/s", labels.curves(report))


def bench_scale(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks.scale import report

    found = report.measure(arguments.threads, arguments.rounds, arguments.short)

    def draw(title: str) -> "Figure":
        from cpm_repro.benchmarks.charts import scale_figure

        return scale_figure(found, title)

    return Outcome(found, report.text(found), draw)


def bench_startup(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks import startup

    report = startup.measure(arguments.rounds)

    def draw(title: str) -> "Figure":
        from cpm_repro.benchmarks.charts import startup_figure

        return startup_figure(report, title)

    return Outcome(report, startup.text(report), draw)


def bench_cluster(arguments: argparse.Namespace) -> Outcome:
    from cpm_repro.benchmarks.scale import forecast
    from cpm_repro.benchmarks.scale.cluster import LINKS, Measured

    given, links = {name: getattr(arguments, name) for name in FED}, dict(arguments.link)
    names = ", ".join(name for name, _ in arguments.link)
    require("--link", len(links) == len(arguments.link) <= 10, "at most 10 links, of different names", names)
    measured = Measured(links=links or LINKS, **given)
    report = forecast.forecast(arguments.net, measured, arguments.batch)

    def draw(title: str) -> "Figure":
        from cpm_repro.benchmarks.charts import forecast_figure

        return forecast_figure(report, forecast.SHARES, f"{arguments.net}, by a model, not measured")

    return Outcome(report, forecast.text(report), draw, measured=False)


FED = {
    "card_rate": "training images/s of one card",
    "samples_rate": "training samples/s of one machine's data path",
    "record": "MB of a record",
    "storage": "GB/s at which all machines together read records",
    "inside": "GB/s of the link inside of a machine, each way",
    "latency": "microseconds",
    "cards": "in a machine",
}
"""What the model of many cards is fed with."""


BENCHMARKS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "data": bench_data,
    "infer": bench_infer,
    "poses": bench_poses,
    "train": bench_train,
    "exact": bench_exact,
    "labels": bench_labels,
    "startup": bench_startup,
    "scale": bench_scale,
    "cluster": bench_cluster,
}


def workload(arguments: argparse.Namespace, phase: str = "TEST") -> Any:
    """The `networks.Workload` that the options describe."""
    from cpm_repro.benchmarks.networks import Workload

    given = {name: getattr(arguments, name) for name in ("size", "batch", "stages")}
    asked = command_line.variant(arguments) if "state_stages" in arguments else None
    return Workload.of(arguments.net, arguments.threads, arguments.device, phase, asked, **given)


def main(arguments: argparse.Namespace) -> None:
    from cpm_kernels.host import available_cores
    from cpm_repro.benchmarks import tables
    from cpm_repro.benchmarks.measure import Rates, machine
    from cpm_repro.figures import sheet
    from prototxt_import.files import write_text

    if arguments.plot:
        sheet.check_format(arguments.plot)
    arguments.threads = arguments.threads or available_cores()
    about = machine(arguments.device)
    outcome = BENCHMARKS[arguments.benchmark](arguments)
    source = f"Measured on {tables.about(about)}." if outcome.measured else "By a model, not measured."
    text = f"{outcome.text}\n\n{source}\n"
    print(text, end="")
    if arguments.json:
        report = {"machine": about, "benchmark": arguments.benchmark, **outcome.report}
        write_text(arguments.json, json.dumps(report, indent=1, default=Rates.as_json) + "\n")
    if arguments.markdown:
        write_text(arguments.markdown, text)
    if arguments.plot:
        sheet.save(outcome.draw(f"{about['cpu']}, {about['date'][:10]}"), arguments.plot)


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    data = _add(benchmarks, "data", "training samples: augmentation and label maps", rounds=5)
    data.add_argument("--lmdb", metavar="DIR", type=Path, help="records of 16 joints (default: drawn people)")
    command_line.add_device(data)
    infer = _add(benchmarks, "infer", "a network's forward pass", rounds=3)
    _add_workload(infer, "368")
    command_line.add_engine(infer)
    poses = _add(benchmarks, "poses", "a folder of pictures, a person in each at seven scales", rounds=3)
    poses.add_argument("--net", choices=("cpm", "vgg"), default="cpm", help="(default: cpm)")
    poses.add_argument("--stages", metavar="N", type=command_line.stage_count, help="of it (default: 6)")
    poses.add_argument(
        "--pictures", metavar="N", type=command_line.picture_count, default=2, help="in the folder (default: 2)"
    )
    command_line.add_engine(poses)
    poses.set_defaults(device="cpu", size=None, batch=None)
    train = _add(benchmarks, "train", "a training iteration", rounds=3)
    train.add_argument("--net", choices=("cpm", "vgg"), default="cpm", help="whose losses there are (default: cpm)")
    _add_workload(train, "184", net=False)
    command_line.add_engine(train)
    train.set_defaults(size=184, batch=4)
    _add_workload(_add(benchmarks, "exact", "what bits cost: the exact engine beside the fast one", rounds=3), "368")
    command_line.add_device(_add(benchmarks, "labels", "centre map and label maps", rounds=5))
    startup = _add(benchmarks, "startup", "from typing a command to its first result", rounds=3, short="as without")
    startup.set_defaults(device="cpu")
    grows = "how cost grows: with images, records, threads, processes"
    scale = _add(benchmarks, "scale", grows, rounds=3, short="to 100 images and 10,000 records, narrow nets alone")
    scale.set_defaults(device="cpu")
    _add_cluster(benchmarks)
    return parser


def _add(
    to: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    description: str,
    rounds: int,
    short: str = "the main table alone: no memory, nothing over sizes",
) -> argparse.ArgumentParser:
    """A benchmark with the options that all have which measure."""
    parser = _add_with_outputs(to, name, description)
    parser.add_argument(
        "--rounds",
        metavar="N",
        type=command_line.positive_integer,
        default=rounds,
        help=f"of every measurement (default: {rounds})",
    )
    parser.add_argument("--short", action="store_true", help=short)
    command_line.add_threads(parser)
    return parser


def _add_with_outputs(
    to: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, description: str
) -> argparse.ArgumentParser:
    parser = command_line.add_subparser(to, name, description, EXAMPLES[name])
    parser.add_argument("--json", metavar="R.json", type=Path, help="write all numbers")
    parser.add_argument("--markdown", metavar="R.md", type=Path, help="write what is printed")
    parser.add_argument("--plot", metavar="R.png", type=Path, help="draw the rates")
    return parser


def _add_cluster(to: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The options of the model of many cards; defaults are those of `scale.cluster.Measured`."""
    from cpm_repro.benchmarks.scale.cluster import BATCH, LINKS, Measured

    cluster = _add_with_outputs(to, "cluster", "training on many cards, by a model that is fed with measured rates")
    cluster.add_argument("--net", choices=("cpm", "vgg", "person"), default="cpm", help="of the release (default: cpm)")
    for name, what in FED.items():
        default = getattr(Measured(), name)
        kind = command_line.positive_integer if isinstance(default, int) else _rate
        option, shown = f"--{name.replace('_', '-')}", f"{what} (default: {default:g})"
        cluster.add_argument(option, metavar="N", type=kind, default=default, help=shown)
    links = ", ".join(f"{link}={rate:g}" for link, rate in LINKS.items())
    cluster.add_argument(
        "--link",
        metavar="NAME=GB/s",
        type=_link,
        action="append",
        default=[],
        help=f"a link between the machines, each way; again for another (default: {links})",
    )
    help = f"images of a batch (default: {BATCH}, the release's)"
    cluster.add_argument(
        "--batch-size", metavar="N", dest="batch", type=command_line.positive_integer, default=BATCH, help=help
    )
    cluster.set_defaults(device="cpu", threads=None)


def _link(text: str) -> tuple[str, float]:
    """An argparse type."""
    name, _, rate = text.rpartition("=")
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(
            f"expected a name of at most {_LONGEST_NAME} characters and GB/s, such as 25GbE=3.125, found {text}"
        )
    return name, _rate(rate)


_LONGEST_NAME = 30
_LEAST, _MOST = 1e-9, 1e12


def _rate(text: str) -> float:
    """An argparse type: of any machine, and such that products of some stay numbers."""
    rate = positive_number(text)
    if not _LEAST <= rate <= _MOST:
        raise argparse.ArgumentTypeError(f"expected a number from {_LEAST:g} to {_MOST:g}, found {text}")
    return rate


def _add_workload(to: argparse.ArgumentParser, size: str, net: bool = True) -> None:
    """What the network is and is given; the defaults are those of Workload."""
    if net:
        to.add_argument("--net", metavar="NET", default="cpm", help="cpm, vgg or a prototxt (default: cpm)")
        command_line.add_variant(to)
    number = command_line.positive_integer
    to.add_argument("--size", metavar="N", type=number, help=f"side of the image, px (default: {size})")
    to.add_argument(
        "--batch-size", metavar="N", dest="batch", type=number, help=f"images a batch (default: {1 if net else 4})"
    )
    to.add_argument("--stages", metavar="N", type=command_line.stage_count, help="of cpm or vgg (default: 6)")
    command_line.add_device(to)


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
