"""Tables are Markdown with aligned columns, numbers have three digits; figures have a bar and lines per pipeline."""

from cpm_repro.benchmarks import tables
from cpm_repro.benchmarks.charts import rates_figure
from cpm_repro.benchmarks.measure import Rates
from cpm_repro.figures import sheet

RATES = Rates((4.0, 2.0, 5.0))


def test_columns_are_aligned():
    assert tables.table(("way", "s"), [("torch", "1"), ("a", "12.5")]) == (
        "| way   |    s |\n| :---- | ---: |\n| torch |    1 |\n| a     | 12.5 |"
    )


def test_rates_in_words():
    assert tables.seconds(RATES) == "0.25 (0.2 to 0.5)" and tables.per_second(RATES) == "4 (2 to 5)"
    assert [tables.number(value) for value in (0.012345, 1.2345, 99.96, 123.4, 1234.5)] == [
        "0.0123", "1.23", "100", "123", "1234",
    ]  # fmt: skip
    assert tables.mebibytes(None) == "not measured" and tables.mebibytes(3 << 20) == "3"


def test_a_sweep_has_a_column_for_each_pipeline():
    rows = [{"size": 184, "rates": {"one": RATES, "other": RATES}}]
    assert tables.sweep(rows, "size", "px", tables.median_seconds).splitlines()[-1] == "| 184 | 0.25 |  0.25 |"


def test_the_machine_in_a_line():
    machine = {"date": "2026-01-02T03:04", "cpu": "A CPU", "cores": 2, "versions": {"torch": "9"}}
    assert tables.about(machine) == "2026-01-02: A CPU, 2 cores, torch 9"
    assert tables.about({**machine, "card": "A card"}).endswith(", A card")


def test_rates_figure_has_a_bar_and_lines_for_each_pipeline(tmp_path):
    rows = [{"threads": count, "rates": {"one": RATES}} for count in (1, 2)]
    sizes = [{"size": 0.5, "rates": {"one": RATES, "other": RATES}}]
    curves = {"threads": ("threads", rows), "pixels": ("size", sizes)}
    figure = rates_figure({"one": RATES, "other": RATES}, curves, ("Rates", "one thread"), "images/s")
    bars, threads, pixels = figure.axes
    assert [bar.get_width() for bar in bars.patches] == [4, 4] and bars.get_xlabel() == "images/s"
    assert threads.get_xlabel() == "threads" and [text.get_text() for text in threads.get_xticklabels()] == ["1", "2"]
    assert len(pixels.get_legend().get_texts()) == 2
    sheet.save(figure, tmp_path / "rates.png")
