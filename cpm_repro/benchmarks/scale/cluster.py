"""A model of data-parallel training on many cards: which of computing, exchanging gradients, making samples and reading
records takes the longest, by rates that were measured elsewhere.

What it takes for granted:

* Every card computes its share of a batch; a third of that is the forward pass, two thirds the backward pass.
* The gradients are added up by a ring: each card sends and receives 2 (n - 1) / n of them, over the slowest link of the
  ring; each bucket starts with 2 (n - 1) latencies.
* A bucket is sent as soon as backward has filled it, so that all but the last one may hide behind the backward pass.
* The samples of the next batch are made meanwhile, by each machine for its own cards, from records that all machines
  read over one storage link.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FORWARD = 1 / 3  # of an iteration: the gradients of data and of weights take as much each
BATCH = 16
"""Images of the release's batch."""
LINKS = {"10 GbE": 1.25, "100 Gb/s": 12.5, "NVLink": 450.0}
"""GB/s each way; NVLink as the cards of 2023 (H100, H200) have it, were it between all machines of a rack."""
COMPUTING, EXCHANGE, SAMPLES, RECORDS = "computing", "exchange", "making samples", "reading records"


@dataclass(frozen=True)
class Training:
    """What is trained: bytes of each bucket of gradients, in the order that backward fills them; images of a batch, all
    cards together, or for each card if `grows`; bytes of a record."""

    buckets: Sequence[int]
    batch: int
    grows: bool = False
    record_bytes: float = 0.0

    @property
    def bytes(self) -> int:
        return sum(self.buckets)


@dataclass(frozen=True)
class Cluster:
    """The machines: training samples/s of one card, and of a machine's data path; cards in a machine; bytes/s of the
    link inside of it and of the one between machines, each way; seconds of latency; bytes/s that the storage gives to
    all."""

    card_rate: float
    samples_rate: float
    cards: int
    inside: float
    between: float
    latency: float
    storage: float


@dataclass(frozen=True)
class Measured:
    """What a `Cluster` is made of, in the units that people use, and how large a record is.

    By default an H200 at float32 and its 16 cores as docs/speed.md has them (training at 368 px as 4 times that at
    184), records of MPII's pictures, and files on 10 GbE.

    card_rate, samples_rate: per second. record: MB. links: GB/s by name; inside, storage: GB/s. latency:
    microseconds.
    """

    card_rate: float = 22.0
    samples_rate: float = 5900.0
    record: float = 3.7
    storage: float = 1.25
    cards: int = 8
    inside: float = LINKS["NVLink"]
    latency: float = 20.0
    links: Mapping[str, float] = field(default_factory=lambda: LINKS)

    def cluster(self, link: str) -> Cluster:
        return Cluster(
            self.card_rate,
            self.samples_rate,
            self.cards,
            self.inside * 1e9,
            self.links[link] * 1e9,
            self.latency * 1e-6,
            self.storage * 1e9,
        )


@dataclass(frozen=True)
class Iteration:
    """Seconds of an iteration on `cards` cards, part by part, images of its batch, and what is the limit.

    exposed: what is left of the exchange when backward is over.
    """

    cards: int
    images: int
    computing: float
    exchange: float
    exposed: float
    samples: float
    records: float

    @property
    def seconds(self) -> float:
        return max(self.computing + self.exposed, self.samples, self.records)

    @property
    def rate(self) -> float:
        """Images/s."""
        return self.images / self.seconds

    @property
    def limit(self) -> str:
        """What a faster one of would make the iteration shorter by most: of exchange, where it takes longer than the
        backward pass that it hides behind."""
        if self.records >= max(self.computing + self.exposed, self.samples):
            return RECORDS
        if self.samples >= self.computing + self.exposed:
            return SAMPLES
        return EXCHANGE if self.exchange > self.computing * (1 - FORWARD) else COMPUTING


def iteration(training: Training, cluster: Cluster, cards: int) -> Iteration:
    """What the module's docstring says, as numbers.

    A batch that is shared gives some card ceil(batch / cards) images, and that one is waited for.
    """
    images = training.batch * cards if training.grows else training.batch
    computing = -(-images // cards) / cluster.card_rate
    exchange = _exchange(training, cluster, cards)
    last = exchange * training.buckets[-1] / training.bytes
    exposed = max(0.0, exchange - last - computing * (1 - FORWARD)) + last
    of_a_machine = images * min(cards, cluster.cards) / cards
    return Iteration(
        cards,
        images,
        computing,
        exchange,
        exposed,
        of_a_machine / cluster.samples_rate,
        images * training.record_bytes / cluster.storage,
    )


def _exchange(training: Training, cluster: Cluster, cards: int) -> float:
    """Seconds of the ring, all buckets one after the other."""
    link = cluster.inside if cards <= cluster.cards else cluster.between
    latencies = 2 * (cards - 1) * cluster.latency * len(training.buckets)
    return 2 * (cards - 1) / cards * training.bytes / link + latencies


def efficiency(training: Training, cluster: Cluster, cards: int) -> float:
    """The rate on `cards` cards over that many times the rate on one."""
    one = iteration(training, cluster, 1)
    return iteration(training, cluster, cards).rate / (cards * one.rate)


def first_limited(training: Training, cluster: Cluster, most: int) -> tuple[int, str] | None:
    """The least number of cards, up to `most`, at which computing is not the limit any more, and what is; None: never.

    A batch that is shared does not go to more cards than it has images.
    """
    most = most if training.grows else min(most, training.batch)
    limits = ((cards, iteration(training, cluster, cards).limit) for cards in range(1, most + 1))
    return next(((cards, limit) for cards, limit in limits if limit != COMPUTING), None)
