"""How two dumps are matched."""

import numpy as np
import pytest

from cpm_repro.array_comparison import EQUAL_BITS
from cpm_repro.compare.blobs import compare_dumps
from cpm_repro.compare.dump_files import dump_of
from cpm_repro.compare.order import NetworkOrder
from prototxt_import.files import InputError


def test_names_on_one_side_are_a_difference():
    a, b = dump_of("a", {"x": np.ones(2), "y": np.ones(2)}), dump_of("b", {"z": np.ones(2), "x": np.ones(2)})
    order = NetworkOrder(a.names, b.names)
    found = compare_dumps(a, b, order, EQUAL_BITS)
    assert (found.only_a, found.only_b, found.equal, found.differing) == (["y"], ["z"], False, [])
    assert compare_dumps(a, b, order, EQUAL_BITS, common=True).equal
    with pytest.raises(InputError, match="a and b: expected names in common, found y and z"):
        compare_dumps(dump_of("a", {"y": np.ones(1)}), dump_of("b", {"z": np.ones(1)}), order, EQUAL_BITS)
