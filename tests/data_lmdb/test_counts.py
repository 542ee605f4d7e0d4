"""How many of something, as it is said."""

from data_lmdb.counts import how_many


def test_one_and_many():
    assert [how_many(number, "record") for number in (0, 1, 2)] == ["0 records", "1 record", "2 records"]
    assert [how_many(number, "person", "people") for number in (0, 1, 2)] == ["0 people", "1 person", "2 people"]
