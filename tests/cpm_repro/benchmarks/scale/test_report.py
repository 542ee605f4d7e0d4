"""What was measured, in words and in a picture; measuring itself is replaced."""

import json
from contextlib import nullcontext

import pytest

from cpm_repro.benchmarks.charts import scale_figure
from cpm_repro.benchmarks.measure import Rates
from cpm_repro.benchmarks.scale import report
from cpm_repro.benchmarks.scale.growth import Point, Series
from prototxt_import.files import InputError


@pytest.fixture
def measured(monkeypatch):
    def series(name, what):
        return Series(name, what, [Point(1, Rates((10.0, 8.0))), Point(10, Rates((1.0,)))], [100])

    row = {"threads": 1, "processes": 2, "rates": Rates((4.0, 5.0)), "efficiency": 0.9}
    rows = [{**row, "job": job, "processes": count} for job in ("inference", "training") for count in (1, 2)]
    monkeypatch.setattr(report, "over_images", lambda *a, **k: [series("data path", "images")])
    monkeypatch.setattr(report, "over_records", lambda *a, **k: [series("opening", "records")])
    monkeypatch.setattr(report, "over_workers", lambda *a, **k: rows)
    monkeypatch.setattr(report, "lmdb_of", nullcontext)
    monkeypatch.setattr(report, "_jobs", lambda *a: {})
    monkeypatch.setattr(report.torchrun, "measure", lambda *a: [row])
    return report.measure(2, 1, short=True)


def test_words(measured):
    text = report.text(measured)
    assert "| data path | 111 ms | 1 s |" in " ".join(text.split()).replace("| :", "")
    assert "* opening: slope 0.95" in text and "| torchrun, 2 processes |" in text
    assert "4.5 (90%)" in text


def test_a_training_that_fails_is_told_beside_what_was_measured(monkeypatch, tmp_path):
    said = "cpm train: expected to end within 600 s, found it at work"

    def late(*_):
        raise InputError(said)

    monkeypatch.setattr(report.torchrun, "measure", late)
    trained = report._trainings(tmp_path, tmp_path, short=True)
    told = report._trained(trained)
    assert (
        trained["torchrun"] == [] and told == "Not measured: cpm train: expected to end within 600 s, found it at work."
    )


def test_numbers(measured):
    written = json.loads(json.dumps(measured, default=Rates.as_json))
    assert written["records"][0]["points"][0]["rates"]["rounds"] == [10, 8]
    assert written["images"][0]["left_out"] == [100] and written["images"][0]["line"]["slope"] > 0.9


def test_picture(measured):
    images, records, side = scale_figure(measured, "title").axes
    assert images.get_xscale() == records.get_yscale() == side.get_xscale() == "log"
    assert images.get_legend().get_texts()[0].get_text() == "data path: 0.95"
