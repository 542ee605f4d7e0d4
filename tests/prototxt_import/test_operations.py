"""What a loss divides by."""

import pytest

from prototxt_import.operations import Normalization


@pytest.mark.parametrize(("mode", "divisor"), [("FULL", 60), ("VALID", 41), ("BATCH_SIZE", 2), ("NONE", 1)])
def test_divisors(mode, divisor):
    assert Normalization(mode).divisor(images=2, places=30, valid=41) == divisor


def test_no_label_that_counts_divides_by_one():
    assert Normalization("VALID", 3).divisor(images=2, places=30, valid=0) == 1
