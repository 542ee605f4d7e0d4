"""What the model of many cards says of the release's training, over the number of cards and for several links."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from cpm_repro.network.specification import CPM, cpm_train, person_train, release_transform, vgg_deploy
from cpm_repro.training.gradient_exchange import in_buckets
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net

from .. import tables
from .cluster import Cluster, Measured, Training, efficiency, first_limited, iteration

COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
MOST = 4096
NETS: dict[str, Callable[[], schema.NetParameter]] = {
    "cpm": lambda: cpm_train(CPM(), "records", 1, release_transform()),
    "vgg": vgg_deploy,
    "person": lambda: person_train(4, "records", 1, release_transform()),
}
"""The release's nets; of vgg, which it has not published to train, the one to deploy, with the same parameters."""


def buckets_of(name: str) -> list[int]:
    """Bytes of the messages in which `cpm train` exchanges the net's gradients, in their order."""
    phase = "TEST" if name == "vgg" else "TRAIN"
    net = Net(parse_net(format_prototxt(NETS[name]()), name), phase)
    learning = [blob.parameter for blob in net.learnable if blob.lr_mult]
    return [4 * sum(parameter.numel() for parameter in bucket) for bucket in in_buckets(learning)]


def forecast(net: str, measured: Measured, batch: int) -> dict[str, Any]:
    """Everything, by the name of the link: rows over the number of cards, and where computing is the limit no more;
    for the release's batch shared by all cards ("shared") and for one on each card ("grows")."""
    shared = Training(buckets_of(net), batch, record_bytes=measured.record * 1e6)
    report: dict[str, Any] = {"net": net, "bytes": shared.bytes, "buckets": shared.buckets, "batch": batch}
    report["measured"] = asdict(measured)
    for key, training in {"shared": shared, "grows": replace(shared, grows=True)}.items():
        report[key] = {link: _rows(training, measured.cluster(link)) for link in measured.links}
        report[f"{key}_limit"] = {
            link: first_limited(training, measured.cluster(link), MOST) for link in measured.links
        }
    return report


def _rows(training: Training, cluster: Cluster) -> list[dict[str, Any]]:
    counts = [count for count in COUNTS if training.grows or count <= training.batch]
    made = [iteration(training, cluster, count) for count in counts]
    return [
        {
            **asdict(each),
            "rate": each.rate,
            "limit": each.limit,
            "efficiency": efficiency(training, cluster, each.cards),
        }
        for each in made
    ]


SHARES = {"shared": "images in all", "grows": "images on each card"}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    given, parts = report["measured"], []
    parts.append(
        f"**{report['net']}**: {report['bytes'] / 1e6:.0f} MB of gradients in {len(report['buckets'])} messages; "
        f"a card trains {tables.number(given['card_rate'])} images/s, a machine of {given['cards']} cards makes "
        f"{tables.number(given['samples_rate'])} samples/s, of records of {tables.number(given['record'])} "
        f"MB that all machines read at {tables.number(given['storage'])} GB/s together. Links inside of a machine: "
        f"{tables.number(given['inside'])} GB/s."
    )
    for key, what in SHARES.items():
        parts.append(f"{report['batch']} {what}: images/s (efficiency)\n\n{_table(report, key)}")
    return "\n\n".join(parts)


def _table(report: dict[str, Any], key: str) -> str:
    links = report[key]
    rows = [
        [str(row[0]["cards"]), *(f"{tables.number(cell['rate'])} ({cell['efficiency']:.0%})" for cell in row)]
        for row in zip(*links.values(), strict=True)
    ]
    rows.append(["limit", *(_limit(report[f"{key}_limit"][link]) for link in links)])
    return tables.table(["cards", *links], rows)


def _limit(found: tuple[int, str] | None) -> str:
    return "computing" if found is None else f"{found[1]} from {found[0]}"
