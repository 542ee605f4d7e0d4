"""What every picture ends in."""

import pytest

from cpm_repro.figures import sheet


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_names_of_files_are_shown_as_they_are(tmp_path, suffix):
    """Bytes that are no text, and what would be a formula that matplotlib cannot read."""
    figure = sheet.new_figure(4, 3)
    axes = figure.subplots()
    axes.set_title("PCK of \udcff and $x^$")
    axes.plot([1, 1000], [1, 2], label="$_$")
    axes.set_xscale("log")
    axes.legend()
    sheet.save(figure, tmp_path / f"names{suffix}")
    assert axes.get_title() == "PCK of \\udcff and $x^$"
