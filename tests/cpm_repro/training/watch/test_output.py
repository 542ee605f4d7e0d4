"""stdout that nobody reads any more."""

import os
import sys

from cpm_repro.training.watch.output import Screen


def test_a_screen_that_is_gone_takes_lines_without_a_word(monkeypatch, capsys):
    screen = Screen()
    screen.write(["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n" and screen.gone is None
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        screen.write(["three"])
        assert screen.gone == "Broken pipe"
        screen.write(["four"])
        print("five", flush=True)
