"""Each series computes as many images as it says."""

import pytest

from cpm_repro.benchmarks import data
from cpm_repro.benchmarks.data import lmdb_of
from cpm_repro.benchmarks.scale import images


def test_batches_add_up():
    computed = []

    def open_batch(size):
        return lambda: computed.append(size)

    run = images.batches(open_batch, 10)(1000)
    assert computed == [10]  # to warm up
    run()
    assert sum(computed) == 1010 and set(computed) == {10}
    images.batches(open_batch, 10)(1)()
    assert computed[-2:] == [1, 1]


def test_samples_come_from_an_lmdb_opened_anew(monkeypatch):
    opened, batches = [], []

    class Watched(images.CPMData):
        def __init__(self, *given, **named):
            opened.append(True)
            super().__init__(*given, **named)

        def next_batch(self):
            batches.append(super().next_batch()["data"].shape[0])

    monkeypatch.setattr(data, "DRAWN_PICTURES", 2)
    monkeypatch.setattr(images, "BATCH", 2)
    monkeypatch.setattr(images, "CPMData", Watched)
    with lmdb_of(None) as lmdb:
        run = images.samples(lmdb, 4, threads=1)
        run()
        run()
    assert len(opened) == 2 and batches == [2] * 4


@pytest.mark.slow
def test_over_images():
    with lmdb_of(None) as lmdb:
        series = images.over_images([1, 10], 1, lmdb, rounds=1, limit=60, release=False)
    assert [one.name for one in series] == ["inference, a narrow net", "data path", "training, a narrow net"]
    assert all([point.count for point in one.points] == [1, 10] for one in series)
