"""The small records are records, and every step of an LMDB is timed for each count."""

from cpm_repro.benchmarks.data import JOINTS
from cpm_repro.benchmarks.scale import records
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode


def test_a_small_record():
    value = records.small_record()
    record = decode(value, JOINTS, "record")
    assert record.image.shape == (64, 64, 3) and (record.image == 128).all() and len(value) < 600


def test_over_records(tmp_path):
    series = records.over_records([3, 20], tmp_path, rounds=1, limit=60)
    names = ["writing", "opening", "reading in order", "reading shuffled", "first training sample"]
    assert [one.name for one in series] == names
    assert all([point.count for point in one.points] == [3, 20] for one in series)
    with LmdbReader(tmp_path / "20") as reader:
        assert len(reader) == 20
