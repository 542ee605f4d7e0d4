"""The exact engine's profiles against the original on other CPUs' kernels, to the last bit."""

import json
from pathlib import Path

import pytest

from tests.golden_cores import CoreRecord
from tests.prototxt_import.layer_zoo import run_layer

ENGINES = {"cooperlake": "exact"}
"""By the name of the record."""


@pytest.fixture(params=ENGINES)
def core(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_small_shapes(golden: Path, golden2: Path, core: str) -> None:
    """Convolution, InnerProduct and Deconvolution with maps of 1 to 17 positions: outputs and all gradients."""
    record = CoreRecord(golden2.parent, core)
    small = record.net_file("small")
    names = json.loads(str(small["prototxt"]))
    wrong, compared = [], 0
    for name in names:
        found = {f"small/{key}": values for key, values in run_layer(small, name, ENGINES[core]).items()}
        compared += len(found)
        wrong += record.wrong(found)
    assert not wrong, f"{len(wrong)} of {compared} arrays differ: {wrong[:8]}"
    assert len(names) == 184
