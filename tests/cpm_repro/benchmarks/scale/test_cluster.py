"""The model of many cards against numbers worked out by hand."""

from dataclasses import replace

import pytest

from cpm_repro.benchmarks.scale import cluster
from cpm_repro.benchmarks.scale.cluster import Cluster, Training

TRAINED = Training(buckets=(60_000_000, 30_000_000, 10_000_000), batch=8, record_bytes=1e6)
MACHINES = Cluster(10.0, 1000.0, cards=1, inside=1e12, between=1e9, latency=0.0, storage=1e9)


def test_one_card_exchanges_nothing():
    one = cluster.iteration(TRAINED, MACHINES, 1)
    assert (one.computing, one.exchange, one.exposed) == (pytest.approx(0.8), 0, 0)
    assert one.rate == pytest.approx(10) and one.limit == cluster.COMPUTING


def test_a_shared_batch_on_four_cards():
    """2 images a card: 0.2 s, 0.1333 of them backward. The ring: 2 · 3/4 · 100 MB at 1 GB/s, 0.15 s, a tenth of it in
    the last bucket: 0.135 - 0.1333 of the others is left over, and 0.015 follows."""
    four = cluster.iteration(TRAINED, MACHINES, 4)
    assert four.computing == pytest.approx(0.2) and four.exchange == pytest.approx(0.15)
    assert four.exposed == pytest.approx(0.135 - 0.4 / 3 + 0.015)
    assert four.seconds == pytest.approx(0.2166667) and four.rate == pytest.approx(36.923077)
    assert four.limit == cluster.EXCHANGE
    assert cluster.efficiency(TRAINED, MACHINES, 4) == pytest.approx(0.9230769)


def test_latencies_count_for_each_bucket():
    late = replace(MACHINES, latency=0.001)
    assert cluster.iteration(TRAINED, late, 4).exchange == pytest.approx(0.15 + 2 * 3 * 3 * 0.001)


def test_inside_of_a_machine_its_own_link_counts():
    pair = replace(MACHINES, cards=2)
    assert cluster.iteration(TRAINED, pair, 2).exchange == pytest.approx(1e8 / 1e12)
    assert cluster.iteration(TRAINED, pair, 3).exchange == pytest.approx(4 / 3 * 0.1)


def test_cards_without_an_image_of_their_own_wait():
    """8 images on 5 cards: two of them on the busiest, as on 4."""
    assert cluster.iteration(TRAINED, MACHINES, 5).computing == pytest.approx(0.2)


def test_a_growing_batch_is_limited_by_what_all_share():
    """8 MB of records a card, at 1 GB/s: 0.8 s of computing and 0.02 of the last bucket are full at 103 cards."""
    growing = replace(TRAINED, grows=True)
    assert cluster.first_limited(growing, MACHINES, 1000) == (103, cluster.RECORDS)
    many = cluster.iteration(growing, MACHINES, 200)
    assert many.images == 1600 and many.seconds == pytest.approx(1.6) and many.rate == pytest.approx(1000)


def test_the_data_path_of_a_machine_is_its_own():
    slow = replace(MACHINES, samples_rate=15.0, cards=2, storage=1e12)
    growing = replace(TRAINED, grows=True)
    assert cluster.iteration(growing, slow, 2).samples == pytest.approx(16 / 15)
    assert cluster.iteration(growing, slow, 200).samples == pytest.approx(16 / 15)
    assert cluster.first_limited(growing, slow, 10) == (2, cluster.SAMPLES)


def test_a_shared_batch_has_no_more_cards_than_images():
    quick = replace(MACHINES, between=1e12)
    assert cluster.first_limited(replace(TRAINED, record_bytes=0.0), quick, 1000) is None
