"""The release's nets in the model of many cards: their bytes, its table, its figure."""

import json

import pytest

from cpm_repro.benchmarks.charts import forecast_figure
from cpm_repro.benchmarks.scale import forecast
from cpm_repro.benchmarks.scale.cluster import BATCH, Measured


@pytest.fixture(scope="module")
def report():
    return forecast.forecast("cpm", Measured(links={"slow": 0.1, "fast": 100.0}), BATCH)


def test_the_gradients_are_those_of_the_release(report):
    buckets = report["buckets"]
    assert sum(buckets) == 4 * 31_219_866 == report["bytes"]
    assert all(bucket >= 16 << 20 for bucket in buckets[:-1])


def test_rows_and_words(report):
    assert [row["cards"] for row in report["shared"]["slow"]] == [1, 2, 4, 8, 16]
    assert report["shared"]["slow"][0]["efficiency"] == 1
    assert report["shared_limit"]["slow"] == (9, "exchange")
    text = forecast.text(report)
    assert "125 MB of gradients" in text and "exchange from 9" in text and "16 images on each card" in text
    assert json.loads(json.dumps(report))["measured"]["links"] == {"slow": 0.1, "fast": 100.0}


def test_its_picture_has_a_line_for_each_link(report):
    figure = forecast_figure(report, forecast.SHARES, "title")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "slow",
        "slow: exchange",
        "fast",
        "fast: reading records",
    ]
    assert figure.axes[1].get_xlabel() == "cards"
