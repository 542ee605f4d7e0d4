"""Broken files of every kind end in a sentence: no crash, no hang, no more memory than the file justifies."""

import pytest

from tests.whole.fuzz import watched
from tests.whole.fuzz.file_kinds import KINDS
from tests.whole.fuzz.watched import fault, read_good, watch

MANY = 3000  # of each of the 7 kinds
FEW = 25


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_files_are_read_and_a_few_broken_ones_refused_or_read(kind, tmp_path, monkeypatch):
    """If good ones were not, the broken ones would test but the first check of each reader."""

    def strictly(error, name):
        if "only the fast engine" not in str(error):
            raise error

    seeds = KINDS[kind](tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(watched, "check_refusal", strictly)
        read_good(seeds, tmp_path)
    faults = [found for number in range(FEW) if (found := fault(seeds, number, tmp_path))]
    assert not faults, "\n\n".join(faults)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_broken_files_are_refused_or_read(kind, tmp_path):
    """In a process of its own, which a crash may end and of which the memory is limited."""
    faults = watch(KINDS[kind], tmp_path, MANY, first=FEW)
    assert not faults, "\n\n".join(faults)
