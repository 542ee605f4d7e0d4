"""Samples to look at: the records of whatever database the data layer reads."""

from itertools import islice

import pytest

from cpm_repro.benchmarks.data import drawn_record
from cpm_repro.figures.samples import drawn_samples, transformer_of
from data_lmdb.records.record import encode
from data_lmdb.records.writer import write_lmdb
from tests.data_lmdb.records.leveldb_writer import batch, log_file, write_leveldb

NET = """
layer { name: "data" type: "CPMData" top: "data" top: "label"
  cpmdata_param { %s source: "records" batch_size: 1 }
  transform_param { stride: 8 crop_size_x: 100 crop_size_y: 76 target_dist: 0.3 } }
"""


@pytest.mark.parametrize("backend", ["backend: LMDB", ""])
def test_records_are_drawn_in_order_and_again(tmp_path, backend):
    values = [encode(drawn_record(index)) for index in range(2)]
    if backend:
        write_lmdb(tmp_path / "records", values)
    else:
        writes = [(b"%d" % index, value) for index, value in enumerate(values)]
        write_leveldb(tmp_path / "records", {}, {5: log_file([batch(1, writes)])})
    (tmp_path / "train.prototxt").write_text(NET % backend)
    transformer, reader = transformer_of(tmp_path / "train.prototxt")
    samples = list(islice(drawn_samples(transformer, reader), 3))
    assert [sample.name.rpartition(" ")[2] for sample in samples] == ["0", "1", "0"]
    assert samples[0].augmentation != samples[2].augmentation
