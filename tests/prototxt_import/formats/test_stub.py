"""The committed stub is what the messages are: a type checker is told of every field that there is."""

from prototxt_import.formats.stub import PATH, stub


def test_the_stub_is_up_to_date():
    assert PATH.read_text(encoding="utf-8") == stub(), "run python -m prototxt_import.formats.stub"
